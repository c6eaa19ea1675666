# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
The observations of accept.ps1 outside SQL Server. Get-NAMEFact belongs to the checks with
"collect: NAME"; each line it returns is an observation. It changes nothing.
#>
#Requires -Version 5.1
Set-StrictMode -Version Latest

function Get-PolicyValue([string] $Key, [string] $Name) {
    $item = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $item) {
        return 'not set'
    }
    return [string] $item.$Name
}

function Get-MachineFact {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $process = Get-CimInstance -ClassName Win32_Service -Filter "Name = '$($service.Replace('\', '\\'))'"
    $kind = switch -Regex ($process.StartName) {
        '^NT SERVICE\\' { 'virtual'; break }
        '\$$' { 'gMSA'; break }
        '^(LocalSystem|NT AUTHORITY\\)' { 'built-in'; break }
        default { 'domain or local account' }
    }
    $sidType = & sc.exe qsidtype $service
    if ($LASTEXITCODE -ne 0) {
        $sidType = "sc.exe failed with $LASTEXITCODE"
    }
    "row`tname=os`tvalue=$($system.Caption) $($system.Version)"
    "row`tname=account kind`tvalue=$kind"
    "row`tname=service SID type`tvalue=$((@($sidType) -join ' ') -replace '\s+', ' ')"
    "row`tname=FIPS policy`tvalue=$(Get-PolicyValue `
        'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa\FipsAlgorithmPolicy' 'Enabled')"
    "row`tname=language mode`tvalue=$($ExecutionContext.SessionState.LanguageMode)"
    $guard = Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName Win32_DeviceGuard `
        -ErrorAction SilentlyContinue
    if ($null -ne $guard) {
        "row`tname=code integrity`tvalue=$($guard.UsermodeCodeIntegrityPolicyEnforcementStatus)"
    }
    foreach ($name in 'AppIDSvc', 'WinDefend', 'Sense') {
        $one = Get-Service -Name $name -ErrorAction SilentlyContinue
        "row`tname=service $name`tvalue=$(if ($null -eq $one) { 'none' } else { $one.Status })"
    }
}

function Get-InstalledFile {
    foreach ($folder in $Installed, (Join-Path $kit 'bin'), (Join-Path $kit 'stubs')) {
        if (Test-Path -LiteralPath $folder) {
            Get-ChildItem -LiteralPath $folder -Recurse -File |
                Where-Object { $_.Extension -eq '.dll' -or $_.Extension -eq '.exe' }
        }
    }
}

# Checks only the files of the kit that must have a valid signature: some stubs have a bad one.
function Get-SignaturesFact {
    $bad = 'unsigned', 'tampered', 'untrusted', 'expired'
    foreach ($file in Get-InstalledFile | Where-Object { $bad -notcontains $_.BaseName }) {
        $signature = Get-AuthenticodeSignature -LiteralPath $file.FullName
        $days = -1
        if ($null -ne $signature.SignerCertificate) {
            $days = [int] [Math]::Floor(($signature.SignerCertificate.NotAfter - (Get-Date)).TotalDays)
        }
        $stamp = if ($null -ne $signature.TimeStamperCertificate) { 'yes' } else { 'no' }
        "row`tfile=$($file.Name)`tstatus=$($signature.Status)`tdays=$days`ttimestamp=$stamp"
    }
}

# doctor checks the access of the account of the service to each file; its report is kept with the others.
function Get-DoctorFact {
    $tool = Get-ChildItem -LiteralPath $Installed -Recurse -Filter 'p11ekm.exe' -File `
        -ErrorAction SilentlyContinue | Sort-Object -Property LastWriteTime | Select-Object -Last 1
    if ($null -eq $tool) {
        "skip`tno p11ekm.exe below $Installed"
        return
    }
    $report = & $tool.FullName doctor --account "NT SERVICE\$service" --json
    "value`tdoctor_exit=$LASTEXITCODE"
    [IO.File]::WriteAllLines((Join-Path $Out 'doctor.json'), [string[]] @($report))
}

function Get-EventsFact {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\p11ekm'
    $registered = Test-Path -LiteralPath $key
    "value`tsource_registered=$(if ($registered) { 'yes' } else { 'no' })"
    if (-not $registered) {
        "value`ttext_readable=no"
        return
    }
    $newest = Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'p11ekm' } `
        -MaxEvents 1 -ErrorAction SilentlyContinue
    $readable = $null -ne $newest -and $newest.Message -and
        $newest.Message -notmatch 'description for Event ID'
    if ($null -eq $newest) {
        "skip`tno event of p11ekm yet: set log = syslog and start the provider"
        return
    }
    "value`ttext_readable=$(if ($readable) { 'yes' } else { 'no' })"
}

function Get-DependencyFact {
    if (-not $VendorService) {
        "skip`tno -VendorService was named"
        return
    }
    $needed = @((Get-Service -Name $service).ServicesDependedOn | ForEach-Object { $_.Name })
    "value`tdepends=$(if ($needed -contains $VendorService) { 'yes' } else { 'no' })"
}

function Get-PathsFact {
    foreach ($file in Get-InstalledFile) {
        "row`tpath=$($file.FullName)`tlength=$($file.FullName.Length)"
    }
}
