metadata name = 'Data roles'
metadata description = 'Who may do what with which queue and which container of the pipeline\'s storage account.'

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Principal id of the identity that runs the stages.')
param pipelinePrincipalId string

@description('Required. Principal id of the identity that answers HTTP.')
param webPrincipalId string

@description('Required. Queues that pipeline receives from and sends to, their poison queues included.')
param pipelineQueues string[]

@description('Required. Queues that web sends to.')
param webSendsTo string[]

@description('Required. What each app may do with each container: read, add (new blobs only) or write.')
param containers {
  name: string
  pipeline: ('read' | 'add' | 'write')[]
  web: ('read' | 'add' | 'write')[]
}[]

var queueReader = '19e7f393-937e-4f77-808e-94535e297925'
var queueProcessor = '8a0f0c08-91a1-4084-bc3d-659d67233ed7'
var queueSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource queueService 'queueServices' existing = {
    name: 'default'
  }

  resource blobService 'blobServices' existing = {
    name: 'default'
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = [
  for queue in pipelineQueues: { parent: storage::queueService, name: queue }
]

// The built-in blob roles can all delete. Evidence is never deleted by us, so nobody may.
resource blobRoles 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for right in [
    { name: 'read', action: 'read', says: 'read blobs' }
    { name: 'add', action: 'add/action', says: 'make new blobs, and change none' }
    { name: 'write', action: 'write', says: 'make and change blobs' }
  ]: {
    name: guid(resourceGroup().id, storageName, 'clawback-blob', right.name)
    properties: {
      roleName: 'Clawback blob ${right.name} (${storageName})'
      description: 'May ${right.says}.'
      type: 'CustomRole'
      assignableScopes: [resourceGroup().id]
      permissions: [
        { dataActions: ['Microsoft.Storage/storageAccounts/blobServices/containers/blobs/${right.action}'] }
      ]
    }
  }
]
var rights = ['read', 'add', 'write']

// The listener renews the lease of what it works on, and gives back what failed, with Update Message. None of the
// roles above may do that: without it a failed message would wait out its lease of ten minutes.
resource queueListener 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, storageName, 'clawback-queue-listener')
  properties: {
    roleName: 'Clawback queue listener (${storageName})'
    description: 'May change when a message is seen again.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [{ dataActions: ['Microsoft.Storage/storageAccounts/queueServices/queues/messages/write'] }]
  }
}

resource renews 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, i) in pipelineQueues: {
    name: guid(storage.id, queue, pipelinePrincipalId, 'clawback-queue-listener')
    scope: queues[i]
    properties: {
      principalId: pipelinePrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: queueListener.id
      description: 'the listener renews leases and gives back what failed'
    }
  }
]

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, i) in pipelineQueues: {
    name: guid(storage.id, queue, pipelinePrincipalId, queueReader)
    scope: queues[i]
    properties: {
      principalId: pipelinePrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueReader)
      description: 'the scale controller and the listener look at its length, queue_age at its oldest message'
    }
  }
]

resource processes 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, i) in pipelineQueues: {
    name: guid(storage.id, queue, pipelinePrincipalId, queueProcessor)
    scope: queues[i]
    properties: {
      principalId: pipelinePrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueProcessor)
      description: 'receives and deletes its messages'
    }
  }
]

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, i) in pipelineQueues: {
    name: guid(storage.id, queue, pipelinePrincipalId, queueSender)
    scope: queues[i]
    properties: {
      principalId: pipelinePrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueSender)
      description: 'sends to the next stage, delayed copies, and what the host gives up on'
    }
  }
]

resource webQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = [
  for queue in webSendsTo: { parent: storage::queueService, name: queue }
]

resource webSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, i) in webSendsTo: {
    name: guid(storage.id, queue, webPrincipalId, queueSender)
    scope: webQueues[i]
    properties: {
      principalId: webPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueSender)
      description: 'sends alerts and commands'
    }
  }
]

var grants = flatten(map(
  containers,
  container =>
    concat(
      map(container.pipeline, right => { container: container.name, right: right, principalId: pipelinePrincipalId }),
      map(container.web, right => { container: container.name, right: right, principalId: webPrincipalId })
    )
))

resource grantContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [
  for grant in grants: { parent: storage::blobService, name: grant.container }
]

resource blobGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in grants: {
    name: guid(storage.id, grant.container, grant.principalId, grant.right)
    scope: grantContainers[i]
    properties: {
      principalId: grant.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: blobRoles[indexOf(rights, grant.right)].id
      description: 'evidence: ${grant.right}'
    }
  }
]
