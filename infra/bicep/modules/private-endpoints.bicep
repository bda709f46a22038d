metadata name = 'Private endpoints'
metadata description = 'A private endpoint for each service, and the DNS zones that lead to them.'

@description('Required. Location of the endpoints.')
param location string

@description('Required. Token that every name of this environment ends with.')
param token string

@description('Required. Resource id of the virtual network that resolves the names.')
param networkId string

@description('Required. Resource id of the subnet that the endpoints are in.')
param subnetId string

@description('Required. What is reached: a short name, the service, and its group (blob, queue, table, Sql, vault, sites).')
param services { name: string, resourceId: string, group: string }[]

@description('Optional. Tags of every resource.')
param tags object = {}

var zoneOf = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  Sql: 'privatelink.documents.azure.com'
  vault: 'privatelink.vaultcore.azure.net'
  sites: 'privatelink.azurewebsites.net'
}
var groups = union(map(services, service => service.group), [])

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for group in groups: {
    name: zoneOf[group]
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (group, i) in groups: {
    parent: zones[i]
    name: 'clawback-${token}'
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-01-01' = [
  for service in services: {
    name: 'pep-clawback-${service.name}-${token}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: service.name
          properties: { privateLinkServiceId: service.resourceId, groupIds: [service.group] }
        }
      ]
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = [
  for (service, i) in services: {
    parent: endpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        { name: toLower(service.group), properties: { privateDnsZoneId: zones[indexOf(groups, service.group)].id } }
      ]
    }
  }
]
