metadata name = 'Diagnostics'
metadata description = 'Who read, wrote and deleted what in queues, evidence, state and secrets: kept in the workspace.'

@description('Required. Resource id of the workspace that logs go to.')
param workspaceId string

@description('Required. Name of the storage account that holds queues and evidence.')
param dataStorageName string

@description('Required. Names of the apps\' host storage accounts, which hold their code.')
param hostStorageNames string[]

@description('Required. Name of the Cosmos DB account.')
param cosmosName string

@description('Required. Name of the key vault.')
param vaultName string

resource data 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: dataStorageName

  resource queues 'queueServices' existing = {
    name: 'default'
  }

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource hosts 'Microsoft.Storage/storageAccounts@2025-06-01' existing = [for name in hostStorageNames: { name: name }]

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = [
  for (name, i) in hostStorageNames: { parent: hosts[i], name: 'default' }
]

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: cosmosName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

var storageLogs = [
  { category: 'StorageRead', enabled: true }
  { category: 'StorageWrite', enabled: true }
  { category: 'StorageDelete', enabled: true }
]

resource queueLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: data::queues
  properties: { workspaceId: workspaceId, logs: storageLogs }
}

resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: data::blobs
  properties: { workspaceId: workspaceId, logs: storageLogs }
}

// Who replaces the package becomes the app. What the host reads there all day is nobody's business.
resource packageLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = [
  for (name, i) in hostStorageNames: {
    name: 'to-workspace'
    scope: hostBlobs[i]
    properties: { workspaceId: workspaceId, logs: skip(storageLogs, 1) }
  }
]

resource stateLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: cosmos
  properties: {
    workspaceId: workspaceId
    // Tables of their own (CDBDataPlaneRequests), not AzureDiagnostics.
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      { category: 'DataPlaneRequests', enabled: true }
      { category: 'ControlPlaneRequests', enabled: true }
    ]
  }
}

resource secretLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: { workspaceId: workspaceId, logs: [{ category: 'AuditEvent', enabled: true }] }
}
