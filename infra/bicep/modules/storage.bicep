metadata name = 'Storage account'
metadata description = 'A storage account without keys, with the queues and containers that it is to hold.'

import { firewallType, retentionType } from 'types.bicep'

@description('Required. Name of the account, globally unique.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Location of the account.')
param location string

@description('Optional. Queues that exist from the start; no identity may create one.')
param queueNames string[] = []

@description('Optional. Blob containers that exist from the start; no identity may create one.')
param containerNames string[] = []

@description('Optional. Containers whose blobs cannot be changed or deleted before the retention has passed.')
param immutableContainerNames string[] = []

@description('Optional. How long what was deleted can be brought back, and how long evidence cannot be deleted.')
param retention retentionType = { softDeleteDays: 30, evidenceDays: 0 }

@description('Optional. Redundancy.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param skuName string = 'Standard_LRS'

@description('Required. From where the account can be reached.')
param firewall firewallType

@description('Optional. Tags of every resource.')
param tags object = {}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: skuName }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    // Nobody holds a key: every caller is an Entra identity with a role of its own.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: firewall.closed ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: [
        for range in firewall.addressRanges: {
          action: 'Allow'
          value: endsWith(range, '/32') ? split(range, '/')[0] : range
        }
      ]
      virtualNetworkRules: [for subnet in firewall.subnetIds: { action: 'Allow', id: subnet }]
    }
    encryption: {
      requireInfrastructureEncryption: true
      keySource: 'Microsoft.Storage'
      services: {
        blob: { enabled: true, keyType: 'Account' }
        queue: { enabled: true, keyType: 'Account' }
      }
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: retention.softDeleteDays }
      containerDeleteRetentionPolicy: { enabled: true, days: retention.softDeleteDays }
      isVersioningEnabled: true
      changeFeed: { enabled: true, retentionInDays: retention.softDeleteDays + 1 }
      // Must reach less far back than soft delete (service rule), and is not to be had together with immutability.
      restorePolicy: retention.evidenceDays > 0
        ? { enabled: false }
        : { enabled: true, days: retention.softDeleteDays - 1 }
    }

    resource containers 'containers' = [
      for container in containerNames: {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource all 'queues' = [for queue in queueNames: { name: queue }]
  }
}

resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = [
  for container in (retention.evidenceDays > 0 ? immutableContainerNames : []): {
    name: '${name}/default/${container}/default'
    properties: {
      immutabilityPeriodSinceCreationInDays: retention.evidenceDays
      allowProtectedAppendWrites: false
    }
    dependsOn: [account::blobs::containers]
  }
]

@description('Resource id of the account.')
output resourceId string = account.id

@description('Name of the account.')
output name string = account.name

@description('Endpoints of the services, with the slash at the end taken off.')
output endpoints object = {
  blob: 'https://${account.name}.blob.${environment().suffixes.storage}'
  queue: 'https://${account.name}.queue.${environment().suffixes.storage}'
  table: 'https://${account.name}.table.${environment().suffixes.storage}'
}
