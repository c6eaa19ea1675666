# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Removes the files, event source and test certificate of p11ekm. Keeps configuration, PIN files and logs,
unless -RemoveData is given.

.DESCRIPTION
First remove it from SQL Server: decrypt or re-protect the data that its keys protect, drop the keys and
credentials, then DROP CRYPTOGRAPHIC PROVIDER, and restart the service (docs: windows.md, "Removal").
If a file is in use, nothing is removed. The keys on the token are not changed. The event source and the
data are kept while another version is installed.

.PARAMETER Version
Removes only this version, for example 1.0.0. Default: all versions in the target folder.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [string] $Target = "$env:ProgramFiles\p11ekm",
    [string] $Version,
    [switch] $RemoveData,
    [switch] $AllowOutsideProgramFiles
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'common.ps1')
Assert-Process64
Assert-Target $Target -AllowOutside:$AllowOutsideProgramFiles
Assert-NoReparsePoint $Target

# The folders that install.ps1 made: those with the name of a version that contain the library.
function Get-VersionFolder {
    if (Test-Path -LiteralPath $Target) {
        Get-ChildItem -LiteralPath $Target -Directory | Where-Object {
            $_.Name -match '^\d+\.\d+\.\d+$' -and
            (Test-Path -LiteralPath (Join-Path $_.FullName 'p11ekm.dll'))
        }
    }
}

# A library that a process has loaded cannot be opened for writing.
function Assert-NotInUse([string] $Path) {
    foreach ($file in Get-ChildItem -LiteralPath $Path -Recurse -File) {
        try {
            $stream = [IO.File]::Open($file.FullName, 'Open', 'ReadWrite', 'None')
            $stream.Dispose()
        } catch [IO.IOException] {
            throw "$($file.FullName) is in use: DROP CRYPTOGRAPHIC PROVIDER, restart the service " +
                'that has loaded it, then run this again. Nothing was removed'
        }
    }
}

$all = @(Get-VersionFolder)
$folders = @($all | Where-Object { -not $Version -or $_.Name -eq $Version })
if ($Version -and $folders.Count -eq 0) {
    throw "no version $Version in $Target"
}
foreach ($folder in $folders) {
    Assert-NotInUse $folder.FullName
}
$removed = 0
foreach ($folder in $folders) {
    if ($PSCmdlet.ShouldProcess($folder.FullName, 'remove')) {
        Remove-Item -LiteralPath $folder.FullName -Recurse -Force
        $removed++
    }
}
if ($removed -lt $all.Count) {
    Write-Output "$($all.Count - $removed) other versions stay in $Target; event source and data are kept for them"
    return
}
if ((Test-Path -LiteralPath $Target) -and @(Get-ChildItem -LiteralPath $Target -Force).Count -eq 0) {
    Remove-Item -LiteralPath $Target
}

$paths = @('HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\p11ekm')
if ($RemoveData) {
    $data = Join-Path $env:ProgramData 'p11ekm'
    Assert-NoReparsePoint $data
    $paths += $data
}
foreach ($path in $paths) {
    if ((Test-Path -LiteralPath $path) -and $PSCmdlet.ShouldProcess($path, 'remove')) {
        Remove-Item -LiteralPath $path -Recurse -Force
    }
}
# The owner of the private key of the test certificate can sign libraries for this machine.
foreach ($store in 'Cert:\LocalMachine\Root', 'Cert:\LocalMachine\My') {
    foreach ($certificate in Get-ChildItem -LiteralPath $store) {
        if ($certificate.Subject -eq 'CN=p11ekm test signature' -and
            $PSCmdlet.ShouldProcess("$store\$($certificate.Thumbprint)", 'remove the test certificate')) {
            Remove-Item -LiteralPath "$store\$($certificate.Thumbprint)"
        }
    }
}
