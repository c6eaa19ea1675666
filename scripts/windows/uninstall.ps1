# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Removes p11ekm's files and event source. Configuration, PIN files and logs stay unless asked for.

.DESCRIPTION
First remove it from SQL Server: decrypt or re-protect what its keys protect, drop the keys and
credentials, then DROP CRYPTOGRAPHIC PROVIDER (docs: windows.md, "Removal"). Files that SQL Server
still has loaded cannot be deleted, and the script says so. The keys on the token are not touched.
#>
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [string] $Target = "$env:ProgramFiles\p11ekm",
    [switch] $RemoveData
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$paths = @($Target, 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\p11ekm')
if ($RemoveData) {
    $paths += Join-Path $env:ProgramData 'p11ekm'
}
foreach ($path in $paths) {
    if ((Test-Path -LiteralPath $path) -and $PSCmdlet.ShouldProcess($path, 'remove')) {
        Remove-Item -LiteralPath $path -Recurse -Force
    }
}
