using '../main.bicep'

// Private network, zone redundancy, and an instance that is always ready where latency matters.
param environmentName = 'prod'
param network = 'private'
param cosmosCapacity = 'autoscale'
param cosmosMaxThroughput = 4000
param zoneRedundant = true
param alwaysReady = [
  { name: 'function:ingest_alert', instanceCount: 1 }
  { name: 'function:quarantine', instanceCount: 1 }
]
param retention = { softDeleteDays: 30, evidenceDays: 365 }
param logRetentionDays = 365
param alertEmails = ['security-operations@example.com']
param monthlyBudget = 1000
// Set it when you deploy first, to this month or the next; then leave it.
param budgetStart = '2026-12-01'
param quietHours = 24
