# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Installs p11ekm for a SQL Server instance: files, folders with their permissions, event source.

.DESCRIPTION
Run it from the unpacked zip, as an administrator. It changes nothing in SQL Server; it prints the
T-SQL for that. Files are copied to a folder with the version in its name, so that another version can
be installed while this one is loaded. It may be run again, also for another instance: files that are
the same are not changed, and the permissions of other instances are kept.

.PARAMETER InstanceName
Name of the instance; MSSQLSERVER is the default instance.

.PARAMETER Target
Folder in which the folder of the version is made. It must be below Program Files, unless
-AllowOutsideProgramFiles is given.

.PARAMETER TrustTestCertificate
Imports p11ekm-test.cer of the zip into LocalMachine\Root: for test servers only.

.PARAMETER AllowUntimestamped
Accepts files whose signature has no time stamp, so that it expires with its certificate.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $InstanceName = 'MSSQLSERVER',
    [string] $Target = "$env:ProgramFiles\p11ekm",
    [switch] $TrustTestCertificate,
    [switch] $AllowUntimestamped,
    [switch] $AllowOutsideProgramFiles
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'common.ps1')
Assert-Process64

# Permissions as complete security descriptors: the owner is Administrators, nothing is inherited, and
# all previous entries are removed. 0x1200a9 is read and execute, 0x1301bf is modify.
$administrators = 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
$folderEntry = '(A;OICI;0x1200a9;;;{0})'
$logEntry = '(A;OICI;0x1301bf;;;{0})'

# The SID of the service. The process has it, whatever account the service runs as.
function Get-ServiceSid([string] $Service) {
    $account = New-Object Security.Principal.NTAccount('NT SERVICE', $Service)
    return $account.Translate([Security.Principal.SecurityIdentifier]).Value
}

# SIDs of the other SQL Server instances on this machine that have an entry on the folder.
function Get-OtherInstanceSid([string] $Path, [string] $Service) {
    if (-not (Test-Path -LiteralPath $Path)) {
        return
    }
    $there = (Get-Acl -LiteralPath $Path).Sddl
    foreach ($other in Get-Service -Name 'MSSQLSERVER', 'MSSQL$*' -ErrorAction SilentlyContinue) {
        if ($other.Name -ne $Service) {
            $sid = Get-ServiceSid $other.Name
            if ($there.Contains(";;;$sid)")) {
                $sid
            }
        }
    }
}

function Set-FolderRight([string] $Path, [string] $Entry, [string[]] $Sid) {
    $security = New-Object Security.AccessControl.DirectorySecurity
    $entries = $Sid | ForEach-Object { $Entry -f $_ }
    $security.SetSecurityDescriptorSddlForm($administrators + ($entries -join ''),
        [Security.AccessControl.AccessControlSections] 'Owner, Group, Access')
    Set-Acl -LiteralPath $Path -AclObject $security
}

# Existing files keep their owner, and p11ekm refuses them: warn about it now.
function Show-ForeignFile([string] $Path, [string[]] $Sid) {
    $known = @('S-1-5-18', 'S-1-5-32-544') + $Sid
    foreach ($file in Get-ChildItem -LiteralPath $Path -Recurse -Force) {
        $owner = (Get-Acl -LiteralPath $file.FullName).GetOwner([Security.Principal.SecurityIdentifier])
        if ($known -notcontains $owner.Value) {
            Write-Warning ("$($file.FullName) belongs to $($owner.Value); p11ekm refuses it for the " +
                "service. If it is yours: icacls ""$($file.FullName)"" /setowner *S-1-5-32-544")
        }
    }
}

$service = Get-ServiceName $InstanceName
if ($null -eq (Get-Service -Name $service -ErrorAction SilentlyContinue)) {
    throw "there is no service $service on this machine; name the instance with -InstanceName"
}
$source = Split-Path -Path $PSScriptRoot -Parent
$bin = Join-Path $source 'bin'
$dll = Join-Path $bin 'p11ekm.dll'
$version = Get-FileVersion $dll
$folder = Join-Path $Target $version
$data = Join-Path $env:ProgramData 'p11ekm'
$logs = Join-Path $data 'log'
Assert-Target $Target -AllowOutside:$AllowOutsideProgramFiles
foreach ($path in $folder, $logs) {
    Assert-NoReparsePoint $path
}

if ($TrustTestCertificate) {
    $test = Join-Path $source 'p11ekm-test.cer'
    if ($PSCmdlet.ShouldProcess('LocalMachine\Root', "import $test")) {
        Import-Certificate -FilePath $test -CertStoreLocation 'Cert:\LocalMachine\Root' | Out-Null
    }
}
# With -WhatIf the certificate was not imported, so the signature may not be valid.
if (-not $WhatIfPreference) {
    Assert-Signature $dll -AllowUntimestamped:$AllowUntimestamped
}

if ($PSCmdlet.ShouldProcess($folder, 'copy the files')) {
    [IO.Directory]::CreateDirectory($folder) | Out-Null
    $copied = @(Copy-Changed $bin $folder)
    Write-Output "$folder`: $($copied.Count) files copied, the others are unchanged"
}
if ($PSCmdlet.ShouldProcess($data, "permissions for NT SERVICE\$service")) {
    $sids = @(Get-ServiceSid $service) + @(Get-OtherInstanceSid $data $service)
    foreach ($path in $data, $logs) {
        [IO.Directory]::CreateDirectory($path) | Out-Null
        # Check again after the permissions are set, when no user can create a link any more.
        Set-FolderRight $path $(if ($path -eq $logs) { $logEntry } else { $folderEntry }) $sids
        Assert-NoReparsePoint $path
    }
    Show-ForeignFile $data $sids
}

# EventCreate.exe is part of Windows; its messages 1 to 1000 consist of the text only.
$key = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\p11ekm'
if ($PSCmdlet.ShouldProcess($key, 'register the event source')) {
    if (-not (Test-Path -LiteralPath $key)) {
        New-Item -Path $key | Out-Null
    }
    New-ItemProperty -LiteralPath $key -Name EventMessageFile -PropertyType ExpandString -Force `
        -Value '%SystemRoot%\System32\EventCreate.exe' | Out-Null
    New-ItemProperty -LiteralPath $key -Name TypesSupported -PropertyType DWord -Value 7 -Force |
        Out-Null
}

Write-Output @"
p11ekm $version is in $folder
1. Make the configuration, and check it:
     & '$folder\p11ekm.exe' init --conf '$data\p11ekm.conf' --module 'C:\path\of\vendor.dll' --token LABEL
     icacls '$data\p11ekm.conf' /grant 'NT SERVICE\${service}:R'
     & '$folder\p11ekm.exe' doctor
2. In SQL Server:
     EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
     EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;
     CREATE CRYPTOGRAPHIC PROVIDER P11EKM FROM FILE = '$folder\p11ekm.dll';
"@
