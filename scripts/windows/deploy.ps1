# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Deploys a new version of p11ekm: copies and checks it, then DISABLE, FROM FILE, ENABLE, and one restart
of the instance.

.DESCRIPTION
Run it from the unpacked zip of the new version, as an administrator of Windows and of SQL Server.
Before the outage it copies the files to the folder of the new version, checks signature and hash of
the copy, and checks that it is connected to the right instance. Then it alters the provider and restarts
the service, with the services that depend on it (SQL Server Agent). If a step fails, the changes are
undone: the provider is set to its old file and the service is started. The old version is kept.

Availability group: run it on the secondaries first, fail over, then on the former primary. It refuses
to run on a primary replica, unless -AllowPrimary is given. Databases come up with the new library at the
restart, so no SET ONLINE is needed, which SQL Server refuses for databases of an availability group.

Failover cluster instance: run install.ps1 of the new version on every node, then this on the active
node with -NoRestart, and take the role offline and online (or move it) with the tools of the cluster.

.PARAMETER Server
Server name as clients use it. Default: this machine and -InstanceName. A cluster's instance has
the name of its network name.

.PARAMETER NoRestart
Ends after ENABLE. You restart the instance; until then the old library is used.

.PARAMETER WaitSeconds
How long databases may take to come online after the restart; after that the old version is restored.

.PARAMETER TrustServerCertificate
Encrypts the connection and accepts any certificate of the server.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [string] $InstanceName = 'MSSQLSERVER',
    [string] $Server,
    [string] $Provider = 'P11EKM',
    [string] $Target = "$env:ProgramFiles\p11ekm",
    [switch] $NoRestart,
    [switch] $AllowPrimary,
    [switch] $AllowUntimestamped,
    [switch] $AllowOutsideProgramFiles,
    [switch] $TrustServerCertificate,
    [ValidateRange(10, 3600)] [int] $WaitSeconds = 300
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'common.ps1')
Assert-Process64

# SqlClient instead of sqlcmd: it is part of Windows, and the encryption does not depend on its version.
function Get-ConnectionString {
    $builder = New-Object Data.SqlClient.SqlConnectionStringBuilder
    $builder['Data Source'] = $Server
    $builder['Integrated Security'] = $true
    $builder['Initial Catalog'] = 'master'
    # A pooled connection does not survive the restart.
    $builder['Pooling'] = $false
    $builder['Connect Timeout'] = 15
    $builder['Application Name'] = 'p11ekm deploy.ps1'
    if ($TrustServerCertificate) {
        $builder['Encrypt'] = $true
        $builder['TrustServerCertificate'] = $true
    }
    return $builder.ConnectionString
}

# Runs `Action` with a prepared command, and closes the connection.
function Use-Command([string] $Statement, [hashtable] $Parameters, [scriptblock] $Action) {
    $connection = New-Object Data.SqlClient.SqlConnection (Get-ConnectionString)
    try {
        $connection.Open()
        $command = $connection.CreateCommand()
        $command.CommandText = $Statement
        $command.CommandTimeout = 300
        foreach ($name in $Parameters.Keys) {
            $command.Parameters.AddWithValue($name, $Parameters[$name]) | Out-Null
        }
        & $Action $command
    } finally {
        $connection.Dispose()
    }
}

# The rows of a query, as separate outputs: callers that count or index them put the call into @().
function Get-Row([string] $Statement, [hashtable] $Parameters = @{}) {
    $table = New-Object Data.DataTable
    Use-Command $Statement $Parameters { param($command) $table.Load($command.ExecuteReader()) }
    foreach ($row in $table.Rows) {
        $row
    }
}

function Invoke-Statement([string] $Statement) {
    Write-Output "> $Statement"
    Use-Command $Statement @{} { param($command) $command.ExecuteNonQuery() | Out-Null }
}

function Get-QuotedName([string] $Name) {
    return '[' + $Name.Replace(']', ']]') + ']'
}

function Disable-Provider {
    Invoke-Statement ("IF EXISTS (SELECT 1 FROM sys.cryptographic_providers " +
        "WHERE name = N'$($Provider.Replace("'", "''"))' AND is_enabled = 1) " +
        "ALTER CRYPTOGRAPHIC PROVIDER $(Get-QuotedName $Provider) DISABLE;")
}

function Set-ProviderFile([string] $Path) {
    $name = Get-QuotedName $Provider
    $file = $Path.Replace("'", "''")
    Invoke-Statement "ALTER CRYPTOGRAPHIC PROVIDER $name FROM FILE = N'$file';"
    Invoke-Statement "ALTER CRYPTOGRAPHIC PROVIDER $name ENABLE;"
}

# All running services that depend on the service, each after the services that it depends on.
function Get-RunningDependent([string] $Name) {
    foreach ($dependent in (Get-Service -Name $Name).DependentServices) {
        if ($dependent.Status -eq 'Running') {
            $dependent.Name
            Get-RunningDependent $dependent.Name
        }
    }
}

function Start-Instance([string] $Name, [string[]] $Dependent) {
    Start-Service -Name $Name
    (Get-Service -Name $Name).WaitForStatus('Running', [TimeSpan]::FromSeconds($WaitSeconds))
    foreach ($other in $Dependent | Select-Object -Unique) {
        # Do not restore the old version if only the Agent does not start.
        Start-Service -Name $other -ErrorAction Continue
    }
}

function Wait-Connection {
    $until = (Get-Date).AddSeconds($WaitSeconds)
    while ($true) {
        try {
            Get-Row 'SELECT 1 AS one;' | Out-Null
            return
        } catch {
            if ((Get-Date) -gt $until) {
                throw
            }
            Start-Sleep -Seconds 2
        }
    }
}

# Databases that were online before and are not online now.
function Get-LostDatabase([string[]] $Before) {
    $now = @(Get-Row "SELECT name FROM sys.databases WHERE state_desc = N'ONLINE';" |
        ForEach-Object { $_.name })
    return @($Before | Where-Object { $now -notcontains $_ })
}

function Wait-Database([string[]] $Before) {
    $until = (Get-Date).AddSeconds($WaitSeconds)
    while ($true) {
        $lost = @(Get-LostDatabase $Before)
        if ($lost.Count -eq 0) {
            return
        }
        if ((Get-Date) -gt $until) {
            throw "not online after $WaitSeconds s: $($lost -join ', ') (see SQL Server's error log)"
        }
        Start-Sleep -Seconds 2
    }
}

# Checks the properties of the instance that the deployment depends on.
function Get-Instance {
    $row = @(Get-Row @'
SELECT CAST(ISNULL(SERVERPROPERTY('InstanceName'), N'MSSQLSERVER') AS nvarchar(128)) AS instance,
       CAST(SERVERPROPERTY('ComputerNamePhysicalNetBIOS') AS nvarchar(128)) AS machine,
       CAST(SERVERPROPERTY('IsClustered') AS int) AS clustered,
       CAST(ISNULL(SERVERPROPERTY('IsHadrEnabled'), 0) AS int) AS hadr,
       CAST(IS_SRVROLEMEMBER('sysadmin') AS int) AS administrator;
'@)[0]
    if ($row.instance -ne $InstanceName) {
        throw "$Server is instance $($row.instance), not $InstanceName; name it with -Server"
    }
    if ($row.machine -ne $env:COMPUTERNAME) {
        throw "$Server runs on $($row.machine), not on this machine ($env:COMPUTERNAME)"
    }
    if ($row.administrator -ne 1) {
        throw "you are not a member of sysadmin on $Server"
    }
    if ($row.clustered -eq 1 -and -not $NoRestart) {
        throw 'a cluster would move the role when its service stops: use -NoRestart, then restart the role'
    }
    if ($row.hadr -eq 1 -and -not $AllowPrimary) {
        $primary = @(Get-Row ("SELECT group_id FROM sys.dm_hadr_availability_replica_states " +
            "WHERE is_local = 1 AND role_desc = N'PRIMARY';"))
        if ($primary.Count -gt 0) {
            throw 'this replica is primary: deploy to the secondaries, fail over, then run this here ' +
                '(or -AllowPrimary)'
        }
    }
    return $row
}

if (-not $Server) {
    $Server = if ($InstanceName -eq 'MSSQLSERVER') { '.' } else { ".\$InstanceName" }
}
$service = Get-ServiceName $InstanceName
Get-Service -Name $service | Out-Null
$bin = Join-Path (Split-Path -Path $PSScriptRoot -Parent) 'bin'
$version = Get-FileVersion (Join-Path $bin 'p11ekm.dll')
$folder = Join-Path $Target $version
$dll = Join-Path $folder 'p11ekm.dll'

# 1. All checks that are possible before the outage.
Assert-Target $Target -AllowOutside:$AllowOutsideProgramFiles
Assert-NoReparsePoint $folder
Assert-Signature (Join-Path $bin 'p11ekm.dll') -AllowUntimestamped:$AllowUntimestamped
Get-Instance | Out-Null
$registered = @(Get-Row ('SELECT dll_path, CAST(is_enabled AS int) AS enabled ' +
    'FROM sys.cryptographic_providers WHERE name = @name;') @{ '@name' = $Provider })
if ($registered.Count -ne 1) {
    throw "$Server has no provider $Provider"
}
$old = $registered[0].dll_path
$wasEnabled = $registered[0].enabled -eq 1
if (-not (Test-Path -LiteralPath $old)) {
    throw "${old}: the registered library does not exist, so it could not be restored; repair that first"
}
if ($old -eq $dll) {
    Write-Output "$Provider is registered from $dll already"
    return
}
$online = @(Get-Row "SELECT name FROM sys.databases WHERE state_desc = N'ONLINE';" |
    ForEach-Object { $_.name })
if (-not $PSCmdlet.ShouldProcess("$Server ($service)", "replace $old by $dll")) {
    return
}

# 2. The copy, while the old version is in use.
[IO.Directory]::CreateDirectory($folder) | Out-Null
$copied = @(Copy-Changed $bin $folder)
Write-Output "$($copied.Count) files copied to $folder"
if (-not (Test-SameFile (Join-Path $bin 'p11ekm.dll') $dll)) {
    throw "${dll}: it differs from the library of this zip"
}
Assert-Signature $dll -AllowUntimestamped:$AllowUntimestamped

# 3. The change. Each flag is set before its step, so that a failed step is undone, too.
$altered = $false
$stopped = $false
$dependents = @(Get-RunningDependent $service)
try {
    $altered = $true
    Disable-Provider
    Set-ProviderFile $dll
    if ($NoRestart) {
        Write-Output ("Restart $service now (of a cluster: its role). Until then the old library is used. " +
            "To go back: ALTER CRYPTOGRAPHIC PROVIDER ... DISABLE, FROM FILE = '$old', ENABLE, and restart")
        return
    }
    $stopped = $true
    Stop-Service -Name $service -Force
    Start-Instance $service $dependents
    Wait-Connection
    Wait-Database $online
} catch {
    $cause = $_
    Write-Warning "failed: $($cause.Exception.Message); restoring the old version"
    try {
        if ($stopped) {
            Start-Instance $service @()
            Wait-Connection
        }
        if ($altered) {
            Disable-Provider
            Set-ProviderFile $old
        }
        if ($altered -and -not $wasEnabled) {
            Disable-Provider
        }
        if ($stopped) {
            Stop-Service -Name $service -Force
            Start-Instance $service $dependents
            Wait-Connection
            Wait-Database $online
        }
        Write-Warning "the old version is in use again: $old"
    } catch {
        Write-Warning ("restoring it failed, too: $($_.Exception.Message). To do it manually: start $service, " +
            "then ALTER CRYPTOGRAPHIC PROVIDER $(Get-QuotedName $Provider) DISABLE, FROM FILE = '$old', " +
            'ENABLE, and restart the service')
    }
    throw $cause
}
Get-Row 'SELECT name, [version], dll_path, is_enabled FROM sys.cryptographic_providers;' |
    ForEach-Object { Write-Output "$($_.name) $($_.version) $($_.dll_path) enabled: $($_.is_enabled)" }
Write-Output "online again: $($online -join ', ')"
