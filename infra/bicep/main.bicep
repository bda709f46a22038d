metadata name = 'Clawback'
metadata description = 'Everything that Clawback runs on in Azure. Permission to touch mail is a separate step: graph/main.bicep.'

import { figures, quietRule, rules } from 'modules/queries.bicep'
import { firewallType, retentionType } from 'modules/types.bicep'

@description('Optional. Location of all resources.')
param location string = resourceGroup().location

@description('Required. Name of the environment, such as dev or prod; part of every name.')
@minLength(2)
@maxLength(12)
param environmentName string

@description('Optional. How services are reached: through service endpoints and a firewall, or through private endpoints only.')
param network 'public' | 'private' = 'public'

@description('Optional. Address space of the virtual network (CIDR).')
param addressPrefix string = '10.90.0.0/24'

@description('Optional. Public addresses, or ranges of them (CIDR, not /31), of administrators who set secrets and read evidence.')
param adminRanges string[] = []

@description('Optional. Address ranges (CIDR) that may reach web; empty means everybody.')
param gatewayRanges string[] = []

@description('Optional. Whether storage, Cosmos DB and the plans are spread over availability zones.')
param zoneRedundant bool = false

@description('Optional. How Cosmos DB is paid for.')
param cosmosCapacity 'serverless' | 'autoscale' = 'serverless'

@description('Optional. Ceiling of the database in RU/s where Cosmos DB is paid by autoscale.')
param cosmosMaxThroughput int = 4000

@description('Optional. Instances that are always ready in pipeline, by function.')
param alwaysReady { name: string, instanceCount: int }[] = []

@description('Optional. Ceiling of pipeline\'s instances.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Optional. Soft delete and immutability.')
param retention retentionType = { softDeleteDays: 30, evidenceDays: 0 }

@description('Optional. Days that logs are kept.')
param logRetentionDays int = 90

@description('Optional. Addresses that alerts are mailed to.')
param alertEmails string[] = []

@description('Optional. What may be spent in a month, in the currency of the subscription; 0 means no budget.')
param monthlyBudget int = 0

@description('Optional. First day of the first month of the budget. The service takes none that has passed, nor a change later.')
param budgetStart string = utcNow('yyyy-MM-01')

@description('Optional. Hours without any alert after which somebody is told; 0 leaves that out. The lengths are the service\'s.')
param quietHours 0 | 1 | 4 | 24 | 48 = 24

@description('Optional. Client id of the app registration for sign-in (graph/main.bicep makes it); until it is set, web takes webhooks only.')
param signInClientId string = ''

@description('Optional. Base address of Microsoft Graph; other clouds have others.')
param graphUrl string = 'https://graph.microsoft.com/v1.0'

@description('Optional. Where the runbooks are.')
param runbooks string = 'https://github.com/clawback/clawback/blob/main/docs/runbooks'

@description('Optional. Tags of every resource.')
param tags object = {}

var names = loadJsonContent('../../shared/names.json')

// Two environments in one subscription differ in the group or in the name, and so in the token.
var token = '${environmentName}-${take(uniqueString(resourceGroup().id, environmentName), 6)}'
var short = take(uniqueString(resourceGroup().id, environmentName), 8)
var private = network == 'private'

var queues = map(items(names.queues), queue => queue.value)
var allQueues = concat(queues, map(queues, queue => '${queue}${names.poisonSuffix}'))

module identities 'modules/identities.bicep' = {
  name: 'identities'
  params: { location: location, token: token, tags: tags }
}

module net 'modules/network.bicep' = {
  name: 'network'
  params: {
    location: location
    token: token
    addressPrefix: addressPrefix
    privateEndpoints: private
    tags: tags
  }
}

var closed firewallType = { closed: true, subnetIds: [], addressRanges: [] }

module pipelineHost 'modules/storage.bicep' = {
  name: 'host-storage-pipeline'
  params: {
    name: 'stclawp${short}'
    location: location
    containerNames: [names.packageContainer]
    skuName: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    firewall: private
      ? closed
      : { closed: false, subnetIds: [net.outputs.pipelineSubnetId], addressRanges: adminRanges }
    tags: tags
  }
}

module webHost 'modules/storage.bicep' = {
  name: 'host-storage-web'
  params: {
    name: 'stclaww${short}'
    location: location
    containerNames: [names.packageContainer]
    skuName: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    firewall: private ? closed : { closed: false, subnetIds: [net.outputs.webSubnetId], addressRanges: adminRanges }
    tags: tags
  }
}

var bothSubnets = [net.outputs.pipelineSubnetId, net.outputs.webSubnetId]

module data 'modules/storage.bicep' = {
  name: 'data-storage'
  params: {
    name: 'stclawd${short}'
    location: location
    queueNames: allQueues
    containerNames: map(items(names.blobContainers), container => container.value)
    immutableContainerNames: [names.blobContainers.raw, names.blobContainers.evidence]
    retention: retention
    skuName: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    firewall: private ? closed : { closed: false, subnetIds: bothSubnets, addressRanges: adminRanges }
    tags: tags
  }
}

module dataRoles 'modules/data-roles.bicep' = {
  name: 'data-roles'
  params: {
    storageName: data.outputs.name
    pipelinePrincipalId: identities.outputs.pipeline.principalId
    webPrincipalId: identities.outputs.web.principalId
    pipelineQueues: allQueues
    webSendsTo: map(names.web.sendsTo, stage => names.queues[stage])
    containers: [
      { name: names.blobContainers.raw, pipeline: ['read'], web: ['read', 'add'] }
      { name: names.blobContainers.evidence, pipeline: ['read', 'add'], web: ['read'] }
      { name: names.blobContainers.deadLetters, pipeline: ['read', 'write'], web: [] }
    ]
  }
}

module cosmos 'modules/cosmos.bicep' = {
  name: 'cosmos'
  params: {
    name: 'cosmos-clawback-${token}'
    location: location
    databaseName: names.cosmosDatabase
    containers: names.cosmosContainers
    pipelinePrincipalId: identities.outputs.pipeline.principalId
    webPrincipalId: identities.outputs.web.principalId
    webReads: names.web.reads
    capacity: cosmosCapacity
    autoscaleMaxThroughput: cosmosMaxThroughput
    zoneRedundant: zoneRedundant
    firewall: private ? closed : { closed: false, subnetIds: bothSubnets, addressRanges: adminRanges }
    tags: tags
  }
}

module vault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  params: {
    name: 'kv-claw-${short}'
    location: location
    sources: names.sources
    webPrincipalId: identities.outputs.web.principalId
    firewall: private ? closed : { closed: false, subnetIds: [net.outputs.webSubnetId], addressRanges: adminRanges }
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    token: token
    publisherPrincipalIds: [identities.outputs.pipeline.principalId, identities.outputs.web.principalId]
    retentionDays: logRetentionDays
    alertEmails: alertEmails
    tags: tags
  }
}

// The settings that shared/settings.py reads, under the names that it gives them.
var commonSettings = {
  PipelineStorage__queueServiceUri: data.outputs.endpoints.queue
  PipelineStorage__blobServiceUri: data.outputs.endpoints.blob
  PipelineStorage__credential: 'managedidentity'
  CLAWBACK_COSMOS_ENDPOINT: cosmos.outputs.endpoint
  CLAWBACK_COSMOS_DATABASE: names.cosmosDatabase
  CLAWBACK_POLICY_PATH: 'policy.yaml'
}

module pipeline 'modules/function-app.bicep' = {
  name: 'pipeline'
  params: {
    name: 'func-clawback-pipeline-${token}'
    location: location
    identity: identities.outputs.pipeline
    hostStorageName: pipelineHost.outputs.name
    hostStorageEndpoints: pipelineHost.outputs.endpoints
    packageContainer: names.packageContainer
    insightsConnectionString: monitoring.outputs.connectionString
    settings: {
      ...commonSettings
      CLAWBACK_ROLE: 'pipeline'
      CLAWBACK_CLIENT_ID: identities.outputs.pipeline.clientId
      PipelineStorage__clientId: identities.outputs.pipeline.clientId
      CLAWBACK_GRAPH_URL: graphUrl
      CLAWBACK_QUARANTINE_FOLDER: 'Clawback Quarantine'
      CLAWBACK_LEASE_SECONDS: '90'
    }
    subnetId: net.outputs.pipelineSubnetId
    // Queues and timers only: nobody needs to reach it.
    reachable: false
    alwaysReady: alwaysReady
    maximumInstanceCount: maximumInstanceCount
    zoneRedundant: zoneRedundant
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
  // What it looks up when it starts is to be in the zones.
  dependsOn: [endpoints]
}

module web 'modules/function-app.bicep' = {
  name: 'web'
  params: {
    name: 'func-clawback-web-${token}'
    location: location
    identity: identities.outputs.web
    hostStorageName: webHost.outputs.name
    hostStorageEndpoints: webHost.outputs.endpoints
    packageContainer: names.packageContainer
    insightsConnectionString: monitoring.outputs.connectionString
    settings: {
      ...commonSettings
      CLAWBACK_ROLE: 'web'
      // Whatever the platform does: without sign-in, web takes nothing but webhooks.
      CLAWBACK_SIGN_IN_MODE: 'required'
      CLAWBACK_CLIENT_ID: identities.outputs.web.clientId
      PipelineStorage__clientId: identities.outputs.web.clientId
      ...mapValues(
        toObject(
          items(vault.outputs.secretUris),
          source => 'CLAWBACK_WEBHOOK_SECRETS__${source.key}',
          source => source.value
        ),
        uri => '@Microsoft.KeyVault(SecretUri=${uri})'
      )
    }
    subnetId: net.outputs.webSubnetId
    reachable: true
    allowedRanges: gatewayRanges
    signInClientId: signInClientId
    zoneRedundant: zoneRedundant
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
  dependsOn: [endpoints]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    token: token
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: monitoring.outputs.actionGroupId
    runbooks: runbooks
    rules: quietHours > 0 ? concat(rules, [quietRule(quietHours)]) : rules
    identityIds: [identities.outputs.pipeline.resourceId, identities.outputs.web.resourceId]
    monthlyBudget: monthlyBudget
    budgetStart: budgetStart
    tags: tags
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    location: location
    token: token
    workspaceId: monitoring.outputs.workspaceId
    figures: figures
    tags: tags
  }
}

module diagnostics 'modules/diagnostics.bicep' = {
  name: 'diagnostics'
  params: {
    workspaceId: monitoring.outputs.workspaceId
    dataStorageName: data.outputs.name
    hostStorageNames: [pipelineHost.outputs.name, webHost.outputs.name]
    cosmosName: cosmos.outputs.name
    vaultName: vault.outputs.name
  }
}

module endpoints 'modules/private-endpoints.bicep' = if (private) {
  name: 'private-endpoints'
  params: {
    location: location
    token: token
    networkId: net.outputs.resourceId
    subnetId: net.outputs.endpointsSubnetId
    services: [
      { name: 'pipeline-host-blob', resourceId: pipelineHost.outputs.resourceId, group: 'blob' }
      { name: 'pipeline-host-queue', resourceId: pipelineHost.outputs.resourceId, group: 'queue' }
      { name: 'web-host-blob', resourceId: webHost.outputs.resourceId, group: 'blob' }
      { name: 'web-host-queue', resourceId: webHost.outputs.resourceId, group: 'queue' }
      { name: 'data-blob', resourceId: data.outputs.resourceId, group: 'blob' }
      { name: 'data-queue', resourceId: data.outputs.resourceId, group: 'queue' }
      { name: 'cosmos', resourceId: cosmos.outputs.resourceId, group: 'Sql' }
      { name: 'vault', resourceId: vault.outputs.resourceId, group: 'vault' }
    ]
    tags: tags
  }
}

@description('Host name that gateways and people reach.')
output webHostName string = web.outputs.hostName

@description('Principal id that graph/main.bicep grants permission to touch mail to.')
output pipelinePrincipalId string = identities.outputs.pipeline.principalId

@description('Principal id of web, which vouches for the app registration in graph/main.bicep.')
output webPrincipalId string = identities.outputs.web.principalId

@description('Names of the apps, for publishing the package.')
output apps object = {
  pipeline: last(split(pipeline.outputs.resourceId, '/'))
  web: last(split(web.outputs.resourceId, '/'))
}
