metadata name = 'Network'
metadata description = 'A virtual network in which each app has a subnet of its own, and private endpoints have theirs.'

@description('Required. Location of the network.')
param location string

@description('Required. Token that every name of this environment ends with.')
param token string

@description('Required. Address space (CIDR), /24 or larger.')
param addressPrefix string

@description('Required. Whether services are reached through private endpoints; if not, through service endpoints.')
param privateEndpoints bool

@description('Optional. Tags of every resource.')
param tags object = {}

// Service endpoints cost nothing and let each service's firewall name the subnet of the app that needs it.
var serviceEndpoints = [
  for service in ['Microsoft.Storage', 'Microsoft.AzureCosmosDB', 'Microsoft.KeyVault']: { service: service }
]

// Flex Consumption wants its subnet delegated to this (architecture.md 3.7).
var delegations = [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]

resource endpointRules 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: 'nsg-clawback-endpoints-${token}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'https-from-apps'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: addressPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '443'
        }
      }
      {
        name: 'nothing-else'
        properties: {
          priority: 4096
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource appRules 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: 'nsg-clawback-apps-${token}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'nothing-comes-in'
        properties: {
          priority: 4096
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: 'vnet-clawback-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'pipeline'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: delegations
          networkSecurityGroup: { id: appRules.id }
          serviceEndpoints: privateEndpoints ? [] : serviceEndpoints
        }
      }
      {
        name: 'web'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          delegations: delegations
          networkSecurityGroup: { id: appRules.id }
          serviceEndpoints: privateEndpoints ? [] : serviceEndpoints
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 2)
          networkSecurityGroup: { id: endpointRules.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }

  resource pipelineSubnet 'subnets' existing = { name: 'pipeline' }
  resource webSubnet 'subnets' existing = { name: 'web' }
  resource endpointsSubnet 'subnets' existing = { name: 'endpoints' }
}

@description('Resource id of the network.')
output resourceId string = network.id

@description('Resource id of the subnet of the pipeline app.')
output pipelineSubnetId string = network::pipelineSubnet.id

@description('Resource id of the subnet of the web app.')
output webSubnetId string = network::webSubnet.id

@description('Resource id of the subnet of the private endpoints.')
output endpointsSubnetId string = network::endpointsSubnet.id
