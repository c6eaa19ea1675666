# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Installs p11ekm beside a SQL Server instance: files, folders with their rights, event source.

.DESCRIPTION
Run it from the unpacked zip, as an administrator. It changes nothing in SQL Server; it prints the
T-SQL that does. Files go to a folder with the version in its name, so that the next version can be
put beside it while this one is loaded. It may be run again, also for a second instance: files that
are the same are not touched, and the other instance's rights stay.

.PARAMETER InstanceName
MSSQLSERVER for the default instance, else the name of the instance.

.PARAMETER Target
Where the folder of the version is made. Below Program Files, unless -AllowOutsideProgramFiles.

.PARAMETER TrustTestCertificate
Imports p11ekm-test.cer of the zip into LocalMachine\Root: for test servers only.

.PARAMETER AllowUntimestamped
Takes files whose signature ends with its certificate.
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

# Rights as security descriptors, set as a whole: the owner is Administrators, nothing is inherited,
# and no entry that somebody made before survives. 0x1200a9 is read and execute, 0x1301bf modify.
$administrators = 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
$folderEntry = '(A;OICI;0x1200a9;;;{0})'
$logEntry = '(A;OICI;0x1301bf;;;{0})'

# The service's own SID: it is in the process whatever account the service runs as.
function Get-ServiceSid([string] $Service) {
    $account = New-Object Security.Principal.NTAccount('NT SERVICE', $Service)
    return $account.Translate([Security.Principal.SecurityIdentifier]).Value
}

# SIDs of the other SQL Server instances here that have an entry on the folder already.
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

# Files that lay there before keep their owner, and p11ekm refuses them: better said now.
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
    throw "no service $service here; name the instance with -InstanceName"
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
# With -WhatIf the certificate above was not imported.
if (-not $WhatIfPreference) {
    Assert-Signature $dll -AllowUntimestamped:$AllowUntimestamped
}

if ($PSCmdlet.ShouldProcess($folder, 'copy the files')) {
    [IO.Directory]::CreateDirectory($folder) | Out-Null
    $copied = @(Copy-Changed $bin $folder)
    Write-Output "$folder`: $($copied.Count) files copied, the others are there already"
}
if ($PSCmdlet.ShouldProcess($data, "rights for NT SERVICE\$service")) {
    $sids = @(Get-ServiceSid $service) + @(Get-OtherInstanceSid $data $service)
    foreach ($path in $data, $logs) {
        [IO.Directory]::CreateDirectory($path) | Out-Null
        # Again, now that nobody else can put a link there any more.
        Set-FolderRight $path $(if ($path -eq $logs) { $logEntry } else { $folderEntry }) $sids
        Assert-NoReparsePoint $path
    }
    Show-ForeignFile $data $sids
}

# EventCreate.exe is Windows' own, and its messages 1 to 1000 are the bare text.
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
