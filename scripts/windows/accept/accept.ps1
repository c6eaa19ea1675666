# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Runs the acceptance checks on a SQL Server and writes report.md and report.json.

.DESCRIPTION
Level static reads: versions, signatures, rights, services. Level register also creates providers from
the stub libraries of the kit, credentials and keys, all named P11ACC_*, and removes them again. It may
crash the instance (that is one of the checks). It needs -Destructive, and refuses an instance with any
database, credential or provider that is not named P11ACC_*: use an instance made for this.

Every check is a file in checks\. The observations are written to OUT\seen; p11accept.exe compares them
with the expectations of the file. No PIN and no key material is written: the stubs have neither.

Exit status: 0 all as assumed, 1 a check failed, 2 findings only (an assumption about SQL Server is
wrong, and its number is in the report), 3 the checks could not run.

.EXAMPLE
.\accept.ps1 -Server .\P11ACC -Out C:\Temp\accept
.\accept.ps1 -Server .\P11ACC -Out C:\Temp\accept -Level register -Destructive -TrustKitCertificates

.PARAMETER TrustKitCertificates
Imports the certificates of the kit into LocalMachine\Root and removes them after the checks.

.PARAMETER VendorService
Name of the service of the HSM client, for the check of the start-up order.

.PARAMETER Anonymize
Writes hashes instead of the names of machine, domain and server.

.PARAMETER Keep
Leaves the objects of the last check in the instance.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [Parameter(Mandatory)] [string] $Server,
    [Parameter(Mandatory)] [string] $Out,
    [ValidateSet('static', 'register')] [string] $Level = 'static',
    [string] $InstanceName = 'MSSQLSERVER',
    [string] $Installed = "$env:ProgramFiles\p11ekm",
    [string] $VendorService,
    [switch] $Destructive,
    [switch] $TrustKitCertificates,
    [switch] $TrustServerCertificate,
    [switch] $Anonymize,
    [switch] $Keep
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'collect.ps1')

$kit = Split-Path -Path $PSScriptRoot -Parent
$judge = Join-Path $kit 'bin\p11accept.exe'
$checks = Join-Path $PSScriptRoot 'checks'
$seen = Join-Path $Out 'seen'
# SQL Server must read the stubs, and only administrators may change them.
$place = Join-Path $env:ProgramFiles 'P11ACC'
$delaySeconds = 120
$service = if ($InstanceName -eq 'MSSQLSERVER') { 'MSSQLSERVER' } else { 'MSSQL$' + $InstanceName }

function Get-Connection {
    $builder = New-Object Data.SqlClient.SqlConnectionStringBuilder
    $builder['Data Source'] = $Server
    $builder['Integrated Security'] = $true
    $builder['Initial Catalog'] = 'master'
    $builder['Pooling'] = $false
    $builder['Application Name'] = 'P11ACC'
    if ($TrustServerCertificate) {
        $builder['Encrypt'] = $true
        $builder['TrustServerCertificate'] = $true
    }
    return New-Object Data.SqlClient.SqlConnection $builder.ConnectionString
}

# One line for each observation. Tabs separate the fields, so tabs inside a field are replaced.
function Get-Field($Value) {
    if ($Value -is [DBNull] -or $null -eq $Value) {
        return 'NULL'
    }
    if ($Value -is [bool]) {
        return [string] [int] $Value
    }
    if ($Value -is [byte[]]) {
        return '0x' + [BitConverter]::ToString($Value).Replace('-', '')
    }
    return ([string] $Value) -replace '[\t\r\n]', ' '
}

function Get-HashedName([string] $Name) {
    $sha = [Security.Cryptography.SHA256]::Create()
    $bytes = $sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($Name.ToUpperInvariant()))
    return 'HOST-' + [BitConverter]::ToString($bytes).Replace('-', '').Substring(0, 12)
}

function Write-Seen([string] $Id, [string[]] $Line) {
    if ($Anonymize) {
        foreach ($name in $env:COMPUTERNAME, $env:USERDOMAIN, $Server.Split('\')[0]) {
            if ($name -and $name -ne '.') {
                $Line = $Line -replace [regex]::Escape($name), (Get-HashedName $name)
            }
        }
    }
    [IO.File]::WriteAllLines((Join-Path $seen "$Id.seen"), $Line)
}

# Header lines "-- key: value", then batches, and after "-- cleanup" the batches that remove everything.
function Read-Check([string] $Path) {
    $check = @{ id = ''; level = ''; collect = ''; expect = @(); body = @(); cleanup = @() }
    $inHeader = $true
    $part = 'body'
    foreach ($line in [IO.File]::ReadAllLines($Path)) {
        if ($inHeader -and $line -match '^-- ([A-Za-z-]+): (.*)$') {
            if ($Matches[1] -eq 'expect') {
                $check.expect += $Matches[2]
            } elseif ($check.ContainsKey($Matches[1])) {
                $check[$Matches[1]] = $Matches[2]
            }
            continue
        }
        $inHeader = $false
        if ($line -eq '-- cleanup') {
            $part = 'cleanup'
        } else {
            $check[$part] += $line
        }
    }
    return $check
}

function Split-Batch([string[]] $Line, [hashtable] $Variable) {
    $batch = ''
    foreach ($one in @($Line) + 'GO') {
        if ($one -match '^\s*GO\s*$') {
            foreach ($name in $Variable.Keys) {
                $batch = $batch.Replace('$(' + $name + ')', $Variable[$name])
            }
            if ($batch.Trim()) {
                $batch
            }
            $batch = ''
        } else {
            $batch += $one + "`r`n"
        }
    }
}

function Get-ErrorLine($SqlErrors) {
    foreach ($one in $SqlErrors) {
        "msg`t$($one.Number)`t$($one.Class)`t$($one.State)`t$(Get-Field $one.Message)"
    }
}

# All results and messages of batches, in order. An error of the server becomes a line; an error that
# breaks the connection ends the check.
function Invoke-Batch([string[]] $Batch) {
    $lines = New-Object Collections.Generic.List[string]
    $connection = Get-Connection
    $connection.FireInfoMessageEventOnUserErrors = $true
    # A handler has no access to the variables of this function and the functions of the script: the
    # closure has the list, and the text is made here.
    $connection.add_InfoMessage({
        param($origin, $report)
        foreach ($one in $report.Errors) {
            $text = $one.Message -replace '[\t\r\n]', ' '
            $lines.Add("msg`t$($one.Number)`t$($one.Class)`t$($one.State)`t$text")
        }
    }.GetNewClosure())
    try {
        $connection.Open()
        foreach ($text in $Batch) {
            $command = $connection.CreateCommand()
            $command.CommandText = $text
            $command.CommandTimeout = 3 * $delaySeconds
            $reader = $command.ExecuteReader()
            try {
                do {
                    while ($reader.Read()) {
                        $fields = for ($i = 0; $i -lt $reader.FieldCount; $i++) {
                            $reader.GetName($i) + '=' + (Get-Field $reader.GetValue($i))
                        }
                        $lines.Add("row`t" + (@($fields) -join "`t"))
                    }
                } while ($reader.NextResult())
            } finally {
                $reader.Dispose()
            }
        }
    } catch [Data.SqlClient.SqlException] {
        foreach ($line in Get-ErrorLine $_.Exception.Errors) { $lines.Add($line) }
    } finally {
        $connection.Dispose()
    }
    return $lines.ToArray()
}

function Get-Value([string] $Query) {
    $row = @(Invoke-Batch $Query | Where-Object { $_ -like "row`t*" })
    if ($row.Count -eq 0) {
        throw "no answer to: $Query"
    }
    return $row[0].Split('=', 2)[1]
}

# The calls of providers are read from an event of SQL Server, not from the providers.
$traceStart = @'
CREATE EVENT SESSION P11ACC_CALLS ON SERVER ADD EVENT sqlserver.sec_ekm_provider_called
    ADD TARGET package0.ring_buffer (SET max_memory = 16384)
    WITH (MAX_DISPATCH_LATENCY = 1 SECONDS, EVENT_RETENTION_MODE = NO_EVENT_LOSS);
ALTER EVENT SESSION P11ACC_CALLS ON SERVER STATE = START;
'@
$traceRead = @'
SELECT CAST(t.target_data AS nvarchar(max)) AS data
FROM sys.dm_xe_session_targets AS t JOIN sys.dm_xe_sessions AS s ON s.address = t.event_session_address
WHERE s.name = N'P11ACC_CALLS';
'@
$traceStop = @'
IF EXISTS (SELECT 1 FROM sys.server_event_sessions WHERE name = N'P11ACC_CALLS')
    DROP EVENT SESSION P11ACC_CALLS ON SERVER;
'@

function Get-CallLine {
    Start-Sleep -Seconds 2
    [xml] $data = Get-Value $traceRead
    foreach ($call in $data.SelectNodes('//event')) {
        $api = $call.SelectSingleNode("data[@name='cred_prov_api']")
        $result = $call.SelectSingleNode("data[@name='cred_prov_result']/value").InnerText
        $name = $api.SelectSingleNode('text')
        $name = if ($null -ne $name -and $name.InnerText) { $name.InnerText } else {
            $api.SelectSingleNode('value').InnerText
        }
        if ($name -notlike 'SqlCrypt*') {
            $name = 'SqlCrypt' + $name
        }
        "call`t$name`t$result"
    }
}

# Runs each batch separately, so that one that fails does not stop the others.
function Invoke-Cleanup([hashtable] $Check, [hashtable] $Variable) {
    foreach ($batch in Split-Batch $Check.cleanup $Variable) {
        Invoke-Batch $batch | Out-Null
    }
}

function Invoke-Check([hashtable] $Check, [hashtable] $Variable) {
    if ($Check.collect) {
        Write-Seen $Check.id @(& "Get-$($Check.collect)Fact")
        return
    }
    # An earlier check may have crashed the instance before its cleanup.
    Invoke-Cleanup $Check $Variable
    $wantsCalls = @($Check.expect | Where-Object { $_ -match '^(calls|order) ' }).Count -gt 0
    if ($wantsCalls) {
        $refused = @(Invoke-Batch $traceStop, $traceStart | Where-Object { $_ -like "msg`t*" })
        if ($refused.Count -gt 0) {
            Write-Seen $Check.id "skip`tthe event sec_ekm_provider_called cannot be recorded: $refused"
            return
        }
    }
    try {
        $clock = [Diagnostics.Stopwatch]::StartNew()
        $lines = @(Invoke-Batch @(Split-Batch $Check.body $Variable))
        $slow = $clock.Elapsed.TotalSeconds -ge $delaySeconds
        $lines += "value`tslow=$(if ($slow) { 'yes' } else { 'no' })"
        if ($wantsCalls) {
            $lines += @(Get-CallLine)
        }
        Write-Seen $Check.id $lines
    } finally {
        if (-not $Keep) {
            Invoke-Cleanup $Check $Variable
        }
        if ($wantsCalls) {
            Invoke-Batch $traceStop | Out-Null
        }
    }
}

function Assert-OwnInstance {
    $list = Join-Path $Out 'guard.txt'
    $batches = @(Split-Batch ([IO.File]::ReadAllLines((Join-Path $PSScriptRoot 'guard.sql'))) @{})
    [IO.File]::WriteAllLines($list, @(Invoke-Batch $batches))
    & $judge guard $list
    if ($LASTEXITCODE -ne 0) {
        throw "$Server holds more than objects of the kit ($list): use an instance made for this"
    }
}

function Get-Option([string] $Name) {
    return Get-Value "SELECT CAST(value_in_use AS int) AS value FROM sys.configurations WHERE name = N'$Name';"
}

function Set-Option([string] $Name, [string] $Value) {
    Invoke-Batch "EXEC sp_configure N'$Name', $Value; RECONFIGURE;" | Out-Null
}

# Imports the missing certificates and returns their thumbprints.
function Add-KitCertificate {
    foreach ($file in Get-ChildItem -LiteralPath $kit -Filter '*.cer' -File) {
        $certificate = New-Object Security.Cryptography.X509Certificates.X509Certificate2 $file.FullName
        if ($file.Name -ne 'untrusted.cer' -and
            -not (Test-Path -LiteralPath "Cert:\LocalMachine\Root\$($certificate.Thumbprint)")) {
            Import-Certificate -FilePath $file.FullName -CertStoreLocation 'Cert:\LocalMachine\Root' |
                Out-Null
            $certificate.Thumbprint
        }
    }
}

# True if the instance answers; waits two minutes for one that crashed.
function Test-Server {
    for ($try = 0; $try -lt 24; $try++) {
        $connection = Get-Connection
        try {
            $connection.Open()
            return $true
        } catch [Data.SqlClient.SqlException] {
            Start-Sleep -Seconds 5
        } finally {
            $connection.Dispose()
        }
    }
    return $false
}

# The lines of p11trace, which the service has written.
function Copy-Trace {
    $logs = Join-Path $env:ProgramData 'p11ekm\log'
    if (Test-Path -LiteralPath $logs) {
        foreach ($file in Get-ChildItem -LiteralPath $logs -Filter 'p11trace-*.jsonl' -File) {
            Copy-Item -LiteralPath $file.FullName -Destination $Out
        }
    }
}

function Invoke-Register([hashtable[]] $Check) {
    Assert-OwnInstance
    if (-not $PSCmdlet.ShouldProcess($Server, 'create, use, crash and remove providers')) {
        return
    }
    $trusted = @()
    $enabled = Get-Option 'EKM provider enabled'
    $advanced = Get-Option 'show advanced options'
    $login = (Get-Value 'SELECT ORIGINAL_LOGIN() AS login;').Replace(']', ']]')
    $variables = @{ STUBS = (Join-Path $place 'stubs') + '\'; EXT = '.dll'; SECRET = 'P11ACC-PIN'
        LOGIN = $login; TRACE = Join-Path $place 'bin\p11trace.dll' }
    try {
        if ($TrustKitCertificates) {
            $trusted = @(Add-KitCertificate)
        }
        [IO.Directory]::CreateDirectory($place) | Out-Null
        foreach ($part in 'stubs', 'bin') {
            Copy-Item -LiteralPath (Join-Path $kit $part) -Destination $place -Recurse -Force
        }
        Set-Option 'show advanced options' 1
        Set-Option 'EKM provider enabled' 1
        foreach ($one in $Check) {
            Write-Output "$($one.id) ..."
            if (Test-Server) {
                Invoke-Check $one $variables
            } else {
                Write-Seen $one.id "skip`tthe instance does not answer (does the check before crash it?)"
            }
        }
        Copy-Trace
    } finally {
        [void] (Test-Server)
        Set-Option 'EKM provider enabled' $enabled
        Set-Option 'show advanced options' $advanced
        foreach ($thumbprint in $trusted) {
            Remove-Item -LiteralPath "Cert:\LocalMachine\Root\$thumbprint"
        }
        # SQL Server may keep a library until it restarts.
        Remove-Item -LiteralPath $place -Recurse -Force -ErrorAction SilentlyContinue
        if (Test-Path -LiteralPath $place) {
            Write-Warning "restart the instance, then remove $place"
        }
    }
}

if ($Level -eq 'register' -and -not $Destructive) {
    throw 'level register changes the instance and may crash it: it needs -Destructive'
}
[IO.Directory]::CreateDirectory($seen) | Out-Null
$all = @(Get-ChildItem -LiteralPath $checks -Filter '*.sql' -File | Sort-Object -Property Name |
    ForEach-Object { Read-Check $_.FullName })
foreach ($one in $all | Where-Object { $_.level -eq 'static' }) {
    Write-Output "$($one.id) ..."
    Invoke-Check $one @{}
}
if ($Level -eq 'register') {
    Invoke-Register @($all | Where-Object { $_.level -eq 'register' })
}
& $judge judge $checks $seen $Out
$status = $LASTEXITCODE
Write-Output "$(Join-Path $Out 'report.md')"
exit $status
