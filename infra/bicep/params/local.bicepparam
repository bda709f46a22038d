using '../main.bicep'

// What the local cloud is built from: `clawback local up` reads local.snapshot.json.
param environmentName = 'local'
param location = 'westeurope'
param network = 'public'
param cosmosCapacity = 'serverless'
param retention = { softDeleteDays: 7, evidenceDays: 0 }
param quietHours = 0
