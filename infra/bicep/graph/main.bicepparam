using 'main.bicep'

param environmentName = readEnvironmentVariable('CLAWBACK_ENVIRONMENT', 'dev')
param pipelinePrincipalId = readEnvironmentVariable(
  'CLAWBACK_PIPELINE_PRINCIPAL',
  '00000000-0000-0000-0000-000000000000'
)
param webPrincipalId = readEnvironmentVariable('CLAWBACK_WEB_PRINCIPAL', '00000000-0000-0000-0000-000000000000')
param webHostName = readEnvironmentVariable('CLAWBACK_WEB_HOST', 'web.example.com')
