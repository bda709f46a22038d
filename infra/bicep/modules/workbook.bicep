metadata name = 'Workbook'
metadata description = 'The figures that an operator looks at first, over one time range.'

@description('Required. Location.')
param location string

@description('Required. Token that every name of this environment ends with.')
param token string

@description('Required. Resource id of the workspace that is asked.')
param workspaceId string

@description('Required. The figures, from top to bottom.')
param figures { title: string, query: string, shown: 'table' | 'timechart' }[]

@description('Optional. Tags of every resource.')
param tags object = {}

var timeRange = 'TimeRange'
var hour = 3600000

// The shape is the portal's own ("Advanced editor" of any workbook); types: 4 time range, 3 query, 9 parameters.
var content = {
  version: 'Notebook/1.0'
  items: concat(
    [
      {
        type: 9
        name: 'parameters'
        content: {
          version: 'KqlParameterItem/1.0'
          parameters: [
            {
              id: guid(token, timeRange)
              version: 'KqlParameterItem/1.0'
              name: timeRange
              label: 'Time range'
              type: 4
              isRequired: true
              value: { durationMs: 24 * hour }
              typeSettings: {
                selectableValues: map([1, 4, 24, 168, 720], hours => { durationMs: hours * hour })
                allowCustom: true
              }
            }
          ]
        }
      }
    ],
    map(figures, (figure, i) => {
      type: 3
      name: 'figure-${i}'
      content: {
        version: 'KqlItem/1.0'
        title: figure.title
        query: figure.query
        size: 0
        queryType: 0
        resourceType: 'microsoft.operationalinsights/workspaces'
        visualization: figure.shown
        timeContextFromParameter: timeRange
        noDataMessage: 'Nothing in this time.'
      }
    })
  )
  fallbackResourceIds: [workspaceId]
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, token, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Clawback (${token})'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string(content)
  }
}
