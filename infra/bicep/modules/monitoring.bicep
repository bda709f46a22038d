metadata name = 'Monitoring'
metadata description = 'The workspace, Application Insights that takes telemetry from identities only, and the action group.'

@description('Required. Location.')
param location string

@description('Required. Token that every name of this environment ends with.')
param token string

@description('Required. Principal ids of the apps that send telemetry.')
param publisherPrincipalIds string[]

@description('Optional. Days that logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int = 90

@description('Optional. Addresses that alerts are mailed to.')
param alertEmails string[] = []

@description('Optional. Tags of every resource.')
param tags object = {}

// Monitoring Metrics Publisher
var publisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-clawback-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-clawback-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
  }
}

resource publishers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in publisherPrincipalIds: {
    name: guid(insights.id, principalId, publisher)
    scope: insights
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', publisher)
      description: 'sends its telemetry'
    }
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-clawback-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'clawback'
    emailReceivers: [
      for (email, i) in alertEmails: { name: 'mail-${i}', emailAddress: email, useCommonAlertSchema: true }
    ]
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Resource id of Application Insights.')
output insightsId string = insights.id

@description('Where telemetry is sent; no secret, since local authentication is off.')
output connectionString string = insights.properties.ConnectionString

@description('Resource id of the action group.')
output actionGroupId string = actionGroup.id
