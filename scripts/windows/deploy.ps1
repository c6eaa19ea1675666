# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Puts a new version of p11ekm into service: disable, stop, copy, start, alter, enable.

.DESCRIPTION
Run it from the unpacked zip of the new version, as an administrator of Windows and of SQL Server.
The instance is restarted; databases that are encrypted with keys of the provider are away until the
end. The old version stays in its folder: to go back, run the last three statements with its path.
On a failover cluster instance, copy the files to all nodes first (install.ps1 on each), then run it
on the active node with -NoRestart and move the role by the cluster's own means.

.PARAMETER Server
As sqlcmd's -S takes it.

.PARAMETER NoRestart
Neither stops nor starts the service: somebody else does, when asked to.
#>
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [string] $InstanceName = 'MSSQLSERVER',
    [string] $Server = '.',
    [string] $Provider = 'P11EKM',
    [string] $Target = "$env:ProgramFiles\p11ekm",
    [switch] $NoRestart
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

# -b: an error of SQL Server becomes sqlcmd's exit status.
function Invoke-Statement([string] $Statement) {
    Write-Output "> $Statement"
    & sqlcmd.exe -S $Server -E -b -h -1 -W -Q "SET NOCOUNT ON; $Statement"
    if ($LASTEXITCODE -ne 0) {
        throw "SQL Server refused: $Statement"
    }
}

$service = 'MSSQLSERVER'
if ($InstanceName -ne 'MSSQLSERVER') {
    $service = 'MSSQL$' + $InstanceName
}
$source = Split-Path -Path $PSScriptRoot -Parent
$dll = Join-Path $source 'bin\p11ekm.dll'
$version = (Get-Item -LiteralPath $dll).VersionInfo.ProductVersion
$folder = Join-Path $Target $version
$name = '[' + $Provider.Replace(']', ']]') + ']'
$file = (Join-Path $folder 'p11ekm.dll').Replace("'", "''")

$signature = Get-AuthenticodeSignature -FilePath $dll
if ($signature.Status -ne 'Valid') {
    throw "${dll}: signature $($signature.Status): $($signature.StatusMessage)"
}
if (Test-Path -LiteralPath (Join-Path $folder 'p11ekm.dll')) {
    $there = Get-FileHash -LiteralPath (Join-Path $folder 'p11ekm.dll')
    if ($there.Hash -ne (Get-FileHash -LiteralPath $dll).Hash) {
        throw "$folder holds another p11ekm.dll of the same version"
    }
}
if (-not $PSCmdlet.ShouldProcess($service, "replace provider $Provider by version $version")) {
    return
}

Invoke-Statement "ALTER CRYPTOGRAPHIC PROVIDER $name DISABLE;"
if (-not $NoRestart) {
    Stop-Service -Name $service -Force
}
New-Item -ItemType Directory -Force -Path $folder | Out-Null
Copy-Item -Path (Join-Path $source 'bin\*') -Destination $folder -Force
if ($NoRestart) {
    Read-Host "restart $service now, and press Enter when it is up" | Out-Null
} else {
    Start-Service -Name $service
}
Invoke-Statement "ALTER CRYPTOGRAPHIC PROVIDER $name FROM FILE = N'$file';"
Invoke-Statement "ALTER CRYPTOGRAPHIC PROVIDER $name ENABLE;"

# Encrypted databases could not open while the provider was disabled.
Invoke-Statement @'
DECLARE @do nvarchar(max) = N'';
SELECT @do += N'ALTER DATABASE ' + QUOTENAME(name) + N' SET ONLINE;'
FROM sys.databases WHERE state_desc = N'RECOVERY_PENDING';
EXEC (@do);
SELECT name + N': ' + state_desc FROM sys.databases WHERE state_desc <> N'ONLINE';
SELECT name + N' ' + [version] + N' ' + dll_path FROM sys.cryptographic_providers;
'@
