metadata name = 'Function app'
metadata description = 'One Flex Consumption app with its plan, its own host storage account and no way in but its own.'

@description('Required. Name of the app, globally unique.')
@maxLength(60)
param name string

@description('Required. Location of the app.')
param location string

@description('Required. Resource id, client id and principal id of the app\'s identity.')
param identity { resourceId: string, clientId: string, principalId: string }

@description('Required. Name of the app\'s host storage account, which no other app can write.')
param hostStorageName string

@description('Required. Endpoints of the host storage account: blob, queue, table.')
param hostStorageEndpoints { blob: string, queue: string, table: string }

@description('Required. Container that the app\'s package is in.')
param packageContainer string

@description('Required. Where telemetry is sent.')
param insightsConnectionString string

@description('Required. Settings that the code reads.')
param settings object

@description('Optional. Resource id of the subnet that the app calls from.')
param subnetId string = ''

@description('Optional. Whether the app can be reached over HTTP at all.')
param reachable bool = false

@description('Optional. Address ranges that reach the webhooks; empty means everybody (they carry their own authentication).')
param allowedRanges string[] = []

@description('Optional. Instances that are always ready, by function.')
param alwaysReady { name: string, instanceCount: int }[] = []

@description('Optional. Ceiling of instances.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Optional. Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Optional. Whether the plan is spread over availability zones.')
param zoneRedundant bool = false

@description('Optional. Entra sign-in: client id of the app registration; empty leaves it off.')
param signInClientId string = ''

@description('Optional. Resource id of the workspace that platform logs go to.')
param workspaceId string = ''

@description('Optional. Tags of every resource.')
param tags object = {}

@description('Optional. Python version of the runtime.')
@allowed(['3.11', '3.12'])
param pythonVersion string = '3.12'

// Storage Blob Data Owner: the host keeps its locks and its secrets there, and reads the package.
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostStorageName
}

resource ownsHostStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, identity.principalId, blobDataOwner)
  scope: hostStorage
  properties: {
    principalId: identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
    description: 'the Functions host keeps its locks here and loads the package from here'
  }
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'asp-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.resourceId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: reachable ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identity.resourceId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      // No ftpsState and no alwaysOn: Flex Consumption has neither, and refuses sites that name them.
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: empty(allowedRanges) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: [
        for (range, i) in allowedRanges: { name: 'gateway-${i}', action: 'Allow', ipAddress: range, priority: 100 + i }
      ]
    }
    functionAppConfig: {
      runtime: { name: 'python', version: pythonVersion }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStorageEndpoints.blob}/${packageContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.resourceId }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
      }
    }
  }
  dependsOn: [ownsHostStorage]

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, {
      AzureWebJobsStorage__blobServiceUri: hostStorageEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: hostStorageEndpoints.queue
      AzureWebJobsStorage__tableServiceUri: hostStorageEndpoints.table
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.clientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.clientId};Authorization=AAD'
      ...(empty(signInClientId)
        ? {}
        : {
            // The identity vouches for the app registration: there is no client secret to leak or to expire.
            OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.clientId
          })
    })
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource signIn 'config' = if (!empty(signInClientId)) {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: true, runtimeVersion: '~1' }
      globalValidation: {
        requireAuthentication: true
        unauthenticatedClientAction: 'Return401'
        // Gateways cannot sign in; each source authenticates its own requests.
        excludedPaths: ['/api/alerts/*']
      }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            clientId: signInClientId
            clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
            openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          }
          validation: { allowedAudiences: ['api://${signInClientId}', signInClientId] }
        }
      }
      login: { tokenStore: { enabled: false } }
      httpSettings: { requireHttps: true }
    }
    dependsOn: [appSettings]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId) && reachable) {
  name: 'to-workspace'
  scope: app
  properties: {
    workspaceId: workspaceId
    // Not FunctionAppLogs: all of it is in Application Insights already, at the levels that host.json asks for.
    logs: [{ category: 'AppServiceAuthenticationLogs', enabled: true }]
  }
}

@description('Resource id of the app.')
output resourceId string = app.id

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
