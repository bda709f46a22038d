metadata name = 'Cosmos DB'
metadata description = 'The account without keys, its database and containers, and who may do what in each container.'

import { firewallType } from 'types.bicep'

@description('Required. Name of the account, globally unique.')
param name string

@description('Required. Location of the account.')
param location string

@description('Required. Name of the database.')
param databaseName string

@description('Required. Containers by key: name, partition key, optional time to live, indexing policy.')
param containers object

@description('Required. Principal id of the identity that writes state.')
param pipelinePrincipalId string

@description('Required. Principal id of the identity that reads state.')
param webPrincipalId string

@description('Required. Keys of the containers that web may read.')
param webReads string[]

@description('Optional. Pay per request, or for a ceiling that scales down to a tenth of it.')
@allowed(['serverless', 'autoscale'])
param capacity string = 'serverless'

@description('Optional. Ceiling of the database in RU/s where capacity is autoscale.')
@minValue(1000)
param autoscaleMaxThroughput int = 4000

@description('Optional. Whether replicas are spread over availability zones.')
param zoneRedundant bool = false

@description('Required. From where the account can be reached.')
param firewall firewallType

@description('Optional. Tags of every resource.')
param tags object = {}

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: capacity == 'serverless' ? [{ name: 'EnableServerless' }] : []
    // A stage reads what another instance wrote a moment ago. A session ends with its client: under Session consistency
    // the next instance may see an incident without the alert that it is sent for. Reads cost twice as many RU.
    consistencyPolicy: { defaultConsistencyLevel: 'Strong' }
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: zoneRedundant }]
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
    disableLocalAuth: true
    // Containers come from here and from nowhere else.
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: firewall.closed ? 'Disabled' : 'Enabled'
    isVirtualNetworkFilterEnabled: !firewall.closed
    virtualNetworkRules: [for subnet in firewall.subnetIds: { id: subnet }]
    ipRules: [for range in firewall.addressRanges: { ipAddressOrRange: range }]
    networkAclBypass: 'None'
  }

  resource database 'sqlDatabases' = {
    name: databaseName
    properties: {
      resource: { id: databaseName }
      options: capacity == 'autoscale' ? { autoscaleSettings: { maxThroughput: autoscaleMaxThroughput } } : {}
    }

    resource stores 'containers' = [
      for container in items(containers): {
        name: container.value.name
        properties: {
          resource: {
            id: container.value.name
            partitionKey: {
              paths: container.value.partitionKey
              kind: length(container.value.partitionKey) > 1 ? 'MultiHash' : 'Hash'
              version: 2
            }
            defaultTtl: container.value.?defaultTtl
            indexingPolicy: {
              indexingMode: 'consistent'
              automatic: true
              includedPaths: map(container.value.indexed, path => { path: path })
              excludedPaths: [{ path: '/*' }]
            }
          }
          options: {}
        }
      }
    ]
  }

  // One after the other: the account is locked while it changes one of these, and refuses the next with 412.
  // Data-plane rights, which Azure RBAC does not give. Read: what the API shows. Write: what the stages do; no stage
  // deletes anything, so nobody may.
  resource reader 'sqlRoleDefinitions' = {
    name: guid(account.id, 'clawback-reader')
    properties: {
      roleName: 'Clawback reader'
      type: 'CustomRole'
      assignableScopes: [account.id]
      permissions: [
        {
          dataActions: [
            'Microsoft.DocumentDB/databaseAccounts/readMetadata'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/executeQuery'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read'
          ]
        }
      ]
    }
    dependsOn: [database::stores]
  }

  resource writer 'sqlRoleDefinitions' = {
    name: guid(account.id, 'clawback-writer')
    properties: {
      roleName: 'Clawback writer'
      type: 'CustomRole'
      assignableScopes: [account.id]
      permissions: [
        {
          dataActions: [
            'Microsoft.DocumentDB/databaseAccounts/readMetadata'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/executeQuery'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/replace'
            'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/upsert'
          ]
        }
      ]
    }
    dependsOn: [reader]
  }

  @batchSize(1)
  resource pipelineWrites 'sqlRoleAssignments' = [
    for container in items(containers): {
      name: guid(account.id, 'pipeline', container.key)
      properties: {
        principalId: pipelinePrincipalId
        roleDefinitionId: writer.id
        scope: '${account.id}/dbs/${databaseName}/colls/${container.value.name}'
      }
    }
  ]

  @batchSize(1)
  resource webReadsContainer 'sqlRoleAssignments' = [
    for key in webReads: {
      name: guid(account.id, 'web', key)
      properties: {
        principalId: webPrincipalId
        roleDefinitionId: reader.id
        scope: '${account.id}/dbs/${databaseName}/colls/${containers[key].name}'
      }
      dependsOn: [pipelineWrites]
    }
  ]
}

@description('Resource id of the account.')
output resourceId string = account.id

@description('Name of the account.')
output name string = account.name

@description('Endpoint of the account.')
output endpoint string = account.properties.documentEndpoint
