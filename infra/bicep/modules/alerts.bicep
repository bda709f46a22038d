metadata name = 'Alerts'
metadata description = 'Scheduled query rules on the events that the code emits, each with its page in docs/runbooks.'

@description('Required. Location.')
param location string

@description('Required. Token that every name of this environment ends with.')
param token string

@description('Required. Resource id of the workspace that is asked.')
param workspaceId string

@description('Required. Resource id of the action group that is told.')
param actionGroupId string

@description('Required. Address that runbook links start with.')
param runbooks string

@description('Required. The rules: what is asked, how often, and from how many rows on it is told.')
param rules {
  name: string
  severity: int
  says: string
  query: string
  windowMinutes: int
  @description('More rows than this are told.')
  threshold: int
  dimension: string?
}[]

@description('Required. Resource ids of the identities whose role changes are told.')
param identityIds string[]

@description('Optional. What may be spent in a month, in the currency of the subscription; 0 leaves the budget out.')
param monthlyBudget int = 0

@description('Required. First day of the first month of the budget (yyyy-MM-dd).')
param budgetStart string

@description('Optional. Tags of every resource.')
param tags object = {}

resource queryRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'clawback-${rule.name}-${token}'
    location: location
    tags: tags
    properties: {
      displayName: 'Clawback: ${rule.says}'
      description: '${rule.says}. What to do: ${runbooks}/${rule.name}.md'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT${min(rule.windowMinutes, 15)}M'
      // The service lists days as days.
      windowSize: rule.windowMinutes % 1440 == 0 ? 'P${rule.windowMinutes / 1440}D' : 'PT${rule.windowMinutes}M'
      // A workspace that is minutes old has no table yet, and the query would be refused. It was judged before (infra/kql).
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: rule.threshold
            dimensions: rule.?dimension == null ? [] : [{ name: rule.dimension!, operator: 'Include', values: ['*'] }]
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: {
        actionGroups: [actionGroupId]
        customProperties: { runbook: '${runbooks}/${rule.name}.md' }
      }
    }
  }
]

// Who gains a right over an identity of ours can become it.
resource roleChanges 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: 'clawback-role-changes-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    description: 'A role assignment was written or deleted. What to do: ${runbooks}/role-changes.md'
    scopes: [resourceGroup().id]
    condition: {
      allOf: [
        { field: 'category', equals: 'Administrative' }
        {
          anyOf: [
            { field: 'operationName', equals: 'Microsoft.Authorization/roleAssignments/write' }
            { field: 'operationName', equals: 'Microsoft.Authorization/roleAssignments/delete' }
          ]
        }
      ]
    }
    actions: { actionGroups: [{ actionGroupId: actionGroupId }] }
  }
}

resource federation 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: 'clawback-identity-changes-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    description: 'An identity was changed or given a federated credential. What to do: ${runbooks}/role-changes.md'
    scopes: identityIds
    condition: {
      allOf: [
        { field: 'category', equals: 'Administrative' }
        {
          anyOf: [
            { field: 'operationName', equals: 'Microsoft.ManagedIdentity/userAssignedIdentities/write' }
            {
              field: 'operationName'
              equals: 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write'
            }
          ]
        }
      ]
    }
    actions: { actionGroups: [{ actionGroupId: actionGroupId }] }
  }
}

resource budget 'Microsoft.Consumption/budgets@2023-05-01' = if (monthlyBudget > 0) {
  name: 'clawback-${token}'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: { startDate: budgetStart }
    notifications: {
      actual80: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: []
        contactGroups: [actionGroupId]
      }
      forecast100: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: []
        contactGroups: [actionGroupId]
      }
    }
  }
}
