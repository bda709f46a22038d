metadata name = 'Identities'
metadata description = 'One user-assigned identity for each app: neither can become the other.'

@description('Required. Location of the identities.')
param location string

@description('Required. Token that every name of this environment ends with.')
param token string

@description('Optional. Tags of every resource.')
param tags object = {}

resource pipeline 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-clawback-pipeline-${token}'
  location: location
  tags: tags
}

resource web 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-clawback-web-${token}'
  location: location
  tags: tags
}

@description('Resource id, client id and principal id of the identity that reads and moves mail.')
output pipeline object = {
  resourceId: pipeline.id
  clientId: pipeline.properties.clientId
  principalId: pipeline.properties.principalId
}

@description('Resource id, client id and principal id of the identity that answers HTTP.')
output web object = {
  resourceId: web.id
  clientId: web.properties.clientId
  principalId: web.properties.principalId
}
