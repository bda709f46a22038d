using '../main.bicep'

// For trying out: the smallest cost, services reached through their firewalls.
param environmentName = 'dev'
param network = 'public'
param cosmosCapacity = 'serverless'
param zoneRedundant = false
param retention = { softDeleteDays: 7, evidenceDays: 0 }
param logRetentionDays = 30
param quietHours = 0
