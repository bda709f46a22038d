metadata name = 'Key vault'
metadata description = 'The webhook secrets, which only web may read.'

import { firewallType } from 'types.bicep'

@description('Required. Name of the vault, globally unique.')
@maxLength(24)
param name string

@description('Required. Location of the vault.')
param location string

@description('Required. Alert sources; each has a secret of its own, named webhook-<source>.')
param sources string[]

@description('Required. Principal id of the identity that checks webhooks.')
param webPrincipalId string

@description('Required. From where the vault can be reached.')
param firewall firewallType

@description('Optional. Tags of every resource.')
param tags object = {}

// Key Vault Secrets User
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: firewall.closed ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: [for range in firewall.addressRanges: { value: range }]
      virtualNetworkRules: [for subnet in firewall.subnetIds: { id: subnet }]
    }
  }
}

// The secrets themselves are set by an administrator (docs/deploy.md): a template that carried them would keep them in
// the deployment history. A role may name a secret before it exists.
resource readers 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, webPrincipalId, secretsUser)
  scope: vault
  properties: {
    principalId: webPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    description: 'web checks webhook signatures with these secrets'
  }
}

@description('Resource id of the vault.')
output resourceId string = vault.id

@description('Name of the vault.')
output name string = vault.name

@description('URI of each source\'s secret, without a version: a new version is taken up by itself.')
output secretUris object = toObject(
  sources,
  source => source,
  source => '${vault.properties.vaultUri}secrets/webhook-${replace(source, '_', '-')}'
)
