# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Functions that the other scripts share. It changes nothing when it is loaded.
#>
#Requires -Version 5.1
Set-StrictMode -Version Latest

# A 32-bit PowerShell has another Program Files folder and another view of the registry.
function Assert-Process64 {
    if (-not [Environment]::Is64BitProcess) {
        throw 'run this in a 64-bit PowerShell'
    }
}

function Get-ServiceName([string] $InstanceName) {
    if ($InstanceName -eq 'MSSQLSERVER') {
        return 'MSSQLSERVER'
    }
    return 'MSSQL$' + $InstanceName
}

# If a user can create a link in the path, later steps would change another folder.
function Assert-NoReparsePoint([string] $Path) {
    $at = [IO.Path]::GetFullPath($Path)
    while ($at) {
        if (Test-Path -LiteralPath $at) {
            $item = Get-Item -LiteralPath $at -Force
            if ($item.Attributes -band [IO.FileAttributes]::ReparsePoint) {
                throw "${at}: it is a link to another folder; remove it, or name the real folder"
            }
        }
        $at = [IO.Path]::GetDirectoryName($at)
    }
}

# Installation and removal only change a separate folder, never Program Files itself.
function Assert-Target([string] $Path, [switch] $AllowOutside) {
    $full = [IO.Path]::GetFullPath($Path).TrimEnd('\')
    $root = [IO.Path]::GetFullPath($env:ProgramFiles).TrimEnd('\')
    if ($full.Length -le 3 -or $full -eq $root -or $full -eq $env:SystemRoot) {
        throw "${full}: name a separate folder, for example $root\p11ekm"
    }
    if (-not $AllowOutside -and -not $full.StartsWith($root + '\', 'OrdinalIgnoreCase')) {
        throw "${full}: not below $root, where only administrators can write " +
            '(-AllowOutsideProgramFiles, if its rights and those of the folders above are as strict)'
    }
}

function Get-FileVersion([string] $Path) {
    return (Get-Item -LiteralPath $Path).VersionInfo.ProductVersion
}

function Test-SameFile([string] $One, [string] $Other) {
    return (Get-FileHash -LiteralPath $One -Algorithm SHA256).Hash -eq
        (Get-FileHash -LiteralPath $Other -Algorithm SHA256).Hash
}

# -LiteralPath, because Get-AuthenticodeSignature resolves wildcards in -FilePath.
function Assert-Signature([string] $Path, [switch] $AllowUntimestamped) {
    $signature = Get-AuthenticodeSignature -LiteralPath $Path
    if ($signature.Status -ne 'Valid') {
        throw "${Path}: signature $($signature.Status): $($signature.StatusMessage) SQL Server would " +
            'refuse it with Msg 33027; sign it (sign.ps1), or trust its signer'
    }
    $end = $signature.SignerCertificate.NotAfter
    $name = $signature.SignerCertificate.Subject
    if ($null -ne $signature.TimeStamperCertificate) {
        Write-Output "${Path}: signed by $name, with a time stamp"
        return
    }
    Write-Warning ("${Path}: signed by $name without a time stamp. After " +
        "$($end.ToString('yyyy-MM-dd')) SQL Server does not load it any more, and databases that " +
        'its keys protect cannot be opened: sign it again before that')
    $isTest = $name -eq 'CN=p11ekm test signature'
    if (-not $isTest -and -not $AllowUntimestamped) {
        throw "${Path}: sign it with a time stamp (sign.ps1 -TimestampServer), or pass -AllowUntimestamped"
    }
}

# Copies the files of a folder that differ, because SQL Server may have the others loaded. Outputs the
# names of the copied files.
function Copy-Changed([string] $From, [string] $To) {
    foreach ($file in Get-ChildItem -LiteralPath $From -File) {
        $target = Join-Path $To $file.Name
        if ((Test-Path -LiteralPath $target) -and (Test-SameFile $file.FullName $target)) {
            continue
        }
        try {
            Copy-Item -LiteralPath $file.FullName -Destination $target -Force
        } catch [IO.IOException] {
            throw "${target}: another file of this name is in use; a changed file needs a new version, " +
                "or the instance that has loaded it must be stopped ($($_.Exception.Message))"
        }
        if (-not (Test-SameFile $file.FullName $target)) {
            throw "${target}: the copy differs from $($file.FullName)"
        }
        Unblock-File -LiteralPath $target
        $file.Name
    }
}
