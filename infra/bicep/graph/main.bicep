metadata name = 'Clawback: permission to touch mail'
metadata description = 'What pipeline may do in Microsoft Graph, and the sign-in of web. For a privileged role administrator, with Azure CLI.'

extension microsoftGraphV1

@description('Required. Principal id of the pipeline identity (output pipelinePrincipalId of ../main.bicep).')
param pipelinePrincipalId string

@description('Required. Principal id of the web identity, which vouches for the app registration.')
param webPrincipalId string

@description('Required. Host name of web (output webHostName of ../main.bicep).')
param webHostName string

@description('Required. Name of the environment, as in ../main.bicep.')
param environmentName string

@description('Optional. Whether Exchange grants the mailbox permissions, for a group only (infra/exchange); Graph would add everybody.')
param limitedByExchange bool = false

var permissions = loadJsonContent('permissions.json').pipeline
var granted = filter(
  items(permissions),
  permission => !(limitedByExchange && contains(permission.value, 'exchangeRole'))
)

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

// Message trace answers nobody in a tenant that has no service principal for it; it may take hours to work.
resource messageTrace 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: '8bd644d1-64a1-4d4b-ae52-2e0cbf64e373'
}

resource grants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for permission in granted: {
    appRoleId: permission.value.appRoleId
    principalId: pipelinePrincipalId
    resourceId: graph.id
  }
]

var roles = loadJsonContent('roles.json')

// Microsoft's own registration of Azure CLI, the same in every tenant.
var azureCli = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'
var commandLineScope = guid('clawback', environmentName, 'access')

resource registration 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'clawback-web-${environmentName}'
  displayName: 'Clawback (${environmentName})'
  signInAudience: 'AzureADMyOrg'
  web: {
    redirectUris: ['https://${webHostName}/.auth/login/aad/callback']
    implicitGrantSettings: { enableIdTokenIssuance: true }
  }
  // For the command line, which asks as whoever is signed in with Azure CLI.
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: commandLineScope
        value: 'access'
        type: 'Admin'
        isEnabled: true
        adminConsentDisplayName: 'Use Clawback'
        adminConsentDescription: 'Use Clawback with the roles of the person who is signed in.'
      }
    ]
    preAuthorizedApplications: [{ appId: azureCli, delegatedPermissionIds: [commandLineScope] }]
  }
  appRoles: [
    for role in roles: {
      id: guid('clawback', environmentName, role.value)
      value: role.value
      displayName: role.value
      description: role.says
      allowedMemberTypes: ['User', 'Application']
      isEnabled: true
    }
  ]

  // Instead of a client secret: nothing to leak, nothing to expire.
  resource vouched 'federatedIdentityCredentials' = {
    name: '${registration.uniqueName}/web'
    issuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
    subject: webPrincipalId
    audiences: ['api://AzureADTokenExchange']
  }
}

resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: registration.appId
  // Without a role nobody gets in.
  appRoleAssignmentRequired: true
}

@description('Client id for the parameter signInClientId of ../main.bicep.')
output signInClientId string = registration.appId
