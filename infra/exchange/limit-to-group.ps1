<#
.SYNOPSIS
Limits Clawback to the mailboxes of one group, with Exchange Online's RBAC for Applications.

.DESCRIPTION
Exchange adds what it grants to what Entra grants: the limit holds only while pipeline has no mailbox permission in
Graph. So deploy infra/bicep/graph with limitedByExchange=true (or grant.py --limited-by-exchange), and take away what was
granted before. This script refuses to finish quietly while such a grant is there.

A mailbox outside of the group ends as "denied" in the incident; the rest of the incident goes on.

Without -Apply everything runs with -WhatIf. Doing it twice changes nothing the second time. Changes take up to two
hours to work (Exchange caches permissions); Test-ServicePrincipalAuthorization at the end does not use that cache.

Needs: the modules ExchangeOnlineManagement and Microsoft.Graph.Applications; Connect-ExchangeOnline as an Exchange
administrator (Organization Management); Connect-MgGraph -Scopes Application.Read.All.

.EXAMPLE
./limit-to-group.ps1 -PipelineName id-clawback-pipeline-prod-2vnmkb -Group clawback-mailboxes@contoso.example `
    -Inside alice@contoso.example -Outside ceo@contoso.example
#>
[CmdletBinding()]
param(
    # Name of pipeline's identity (a managed identity is a service principal of the same name).
    [Parameter(Mandatory)] [string] $PipelineName,
    # Mail-enabled security group, or distribution group, whose direct members may be touched. Nested groups do not count.
    [Parameter(Mandatory)] [string] $Group,
    # A mailbox that is in the group, and one that is not: the proof.
    [Parameter(Mandatory)] [string] $Inside,
    [Parameter(Mandatory)] [string] $Outside,
    [switch] $Apply
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$WhatIf = @{ WhatIf = -not $Apply }

# The same list as for Graph: a permission with an exchangeRole is granted here instead.
$permissions = (Get-Content -Raw "$PSScriptRoot/../bicep/graph/permissions.json" | ConvertFrom-Json).pipeline
$limited = @($permissions.PSObject.Properties | Where-Object { $_.Value.PSObject.Properties.Name -contains 'exchangeRole' })

$principal = @(Get-MgServicePrincipal -Filter "displayName eq '$($PipelineName.Replace("'", "''"))'")
if ($principal.Count -ne 1) { throw "There are $($principal.Count) service principals of the name $PipelineName" }
$principal = $principal[0]

# 1. Exchange's own pointer to the service principal in Entra.
if (-not (Get-ServicePrincipal | Where-Object { $_.AppId -eq $principal.AppId })) {
    New-ServicePrincipal -AppId $principal.AppId -ObjectId $principal.Id -DisplayName $PipelineName @WhatIf
}

# 2. The scope: who is in the group.
$scope = "$PipelineName-mailboxes"
$members = "MemberOfGroup -eq '$((Get-Group $Group).DistinguishedName.Replace("'", "''"))'"
if (-not (Get-ManagementScope | Where-Object { $_.Name -eq $scope })) {
    New-ManagementScope -Name $scope -RecipientRestrictionFilter $members @WhatIf
}

# 3. Each role, for that scope only.
foreach ($permission in $limited) {
    $role = $permission.Value.exchangeRole
    $name = "$($permission.Name)-$($principal.AppId)"
    if (Get-ManagementRoleAssignment | Where-Object { $_.Name -eq $name }) { continue }
    if (-not $Apply) {
        # Even with -WhatIf it looks up the principal and the scope, which are not there yet.
        Write-Host "What if: $name, the role $role for the scope $scope"
    }
    else {
        New-ManagementRoleAssignment -Name $name -App $principal.AppId -Role $role -CustomResourceScope $scope
    }
}

# 4. What Entra grants reaches everybody, whatever Exchange says.
$held = @(Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id)
$ids = @($held | ForEach-Object AppRoleId)
$everybody = @($limited | Where-Object { $ids -contains $_.Value.appRoleId })
foreach ($permission in $everybody) {
    $assignment = $held | Where-Object { $_.AppRoleId -eq $permission.Value.appRoleId }
    Write-Warning ("$($permission.Name) is granted in Entra and reaches every mailbox. Take it away: " +
        "Remove-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $($principal.Id) -AppRoleAssignmentId $($assignment.Id)")
}

if (-not $Apply) { Write-Host 'Nothing was changed. Run again with -Apply.'; return }

# 5. The proof.
foreach ($mailbox in @($Inside, $Outside)) {
    $found = @(Test-ServicePrincipalAuthorization -Identity $principal.AppId -Resource $mailbox)
    $found | Format-Table RoleName, GrantedPermissions, AllowedResourceScope, InScope
    $wrong = @($found | Where-Object { $_.InScope -ne ($mailbox -eq $Inside) })
    if ($found.Count -lt $limited.Count -or $wrong.Count) { throw "$mailbox is not as it should be" }
}
if ($everybody.Count) { throw 'The limit does not hold: see the warnings' }
