metadata name = 'Types'
metadata description = 'Types that more than one module uses.'

@export()
@description('How long what was deleted can be brought back, and how long evidence cannot be deleted.')
type retentionType = {
  @description('Required. Days that deleted blobs and containers can be brought back.')
  @minValue(7)
  @maxValue(365)
  softDeleteDays: int

  @description('Required. Days that evidence can neither be changed nor deleted; 0 leaves that off.')
  @minValue(0)
  @maxValue(3650)
  evidenceDays: int
}

@export()
@description('One role for one identity at one scope.')
type grantType = {
  @description('Required. Principal id of the identity.')
  principalId: string

  @description('Required. Role definition id (GUID).')
  role: string

  @description('Required. The queue, container or secret that the role is for.')
  name: string
}

@export()
@description('From where a service can be reached.')
type firewallType = {
  @description('Required. Whether private endpoints are the only way in.')
  closed: bool

  @description('Required. Subnets that reach it through a service endpoint.')
  subnetIds: string[]

  @description('Required. Public address ranges (CIDR) of administrators.')
  addressRanges: string[]
}
