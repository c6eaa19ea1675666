# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Installs p11ekm beside a SQL Server instance: files, folders with their rights, event source.

.DESCRIPTION
Run it from the unpacked zip, as an administrator. It changes nothing in SQL Server; it prints the
T-SQL that does. Files go to a folder with the version in its name, so that the next version can be
put beside it while this one is loaded. It may be run again.

.PARAMETER InstanceName
MSSQLSERVER for the default instance, else the name of the instance.

.PARAMETER TrustTestCertificate
Imports p11ekm-test.cer of the zip into LocalMachine\Root: for test servers only.
#>
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $InstanceName = 'MSSQLSERVER',
    [string] $Target = "$env:ProgramFiles\p11ekm",
    [switch] $TrustTestCertificate
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

# icacls reports failure by its exit status only. SIDs, because the names are translated.
function Grant-Access([string] $Path, [string] $Account, [string] $Right) {
    & icacls.exe $Path /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' `
        "${Account}:(OI)(CI)$Right" | Out-Null
    if ($LASTEXITCODE -ne 0) {
        throw "${Path}: icacls failed with $LASTEXITCODE"
    }
}

$service = 'MSSQLSERVER'
if ($InstanceName -ne 'MSSQLSERVER') {
    $service = 'MSSQL$' + $InstanceName
}
if ($null -eq (Get-Service -Name $service -ErrorAction SilentlyContinue)) {
    throw "no service $service here; name the instance with -InstanceName"
}
# The service's own SID: it is in the process whatever account the service runs as.
$account = "NT SERVICE\$service"

$source = Split-Path -Path $PSScriptRoot -Parent
$dll = Join-Path $source 'bin\p11ekm.dll'
$version = (Get-Item -LiteralPath $dll).VersionInfo.ProductVersion

if ($TrustTestCertificate) {
    $test = Join-Path $source 'p11ekm-test.cer'
    if ($PSCmdlet.ShouldProcess('LocalMachine\Root', "import $test")) {
        Import-Certificate -FilePath $test -CertStoreLocation 'Cert:\LocalMachine\Root' | Out-Null
    }
}
$signature = Get-AuthenticodeSignature -FilePath $dll
if ($signature.Status -ne 'Valid' -and -not $WhatIfPreference) {
    throw "${dll}: signature $($signature.Status): $($signature.StatusMessage) SQL Server would " +
        'refuse it with Msg 33027; sign it (sign.ps1), or trust its signer'
}

$folder = Join-Path $Target $version
$data = Join-Path $env:ProgramData 'p11ekm'
$logs = Join-Path $data 'log'
if ($PSCmdlet.ShouldProcess($folder, 'copy the files')) {
    New-Item -ItemType Directory -Force -Path $folder, $data, $logs | Out-Null
    Copy-Item -Path (Join-Path $source 'bin\*') -Destination $folder -Force
}
if ($PSCmdlet.ShouldProcess($data, "rights for $account")) {
    Grant-Access $data $account 'RX'
    Grant-Access $logs $account 'M'
}

# EventCreate.exe is Windows' own, and its messages 1 to 1000 are the bare text.
$key = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\p11ekm'
if ($PSCmdlet.ShouldProcess($key, 'register the event source')) {
    New-Item -Path $key -Force | Out-Null
    New-ItemProperty -Path $key -Name EventMessageFile -PropertyType ExpandString -Force `
        -Value '%SystemRoot%\System32\EventCreate.exe' | Out-Null
    New-ItemProperty -Path $key -Name TypesSupported -PropertyType DWord -Value 7 -Force | Out-Null
}

Write-Output @"
p11ekm $version is in $folder
1. Make the configuration, and check it:
     & '$folder\p11ekm.exe' init --conf '$data\p11ekm.conf' --module 'C:\path\of\vendor.dll' --token LABEL
     icacls '$data\p11ekm.conf' /grant '${account}:R'
     & '$folder\p11ekm.exe' doctor
2. In SQL Server:
     EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
     EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;
     CREATE CRYPTOGRAPHIC PROVIDER P11EKM FROM FILE = '$folder\p11ekm.dll';
"@
