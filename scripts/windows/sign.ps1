# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Signs the files of p11ekm with a certificate of this machine, and checks the result.

.EXAMPLE
.\sign.ps1 -Thumbprint 1234... -File ..\bin\p11ekm.dll, ..\bin\p11ekm.exe
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [string] $Thumbprint,
    [Parameter(Mandatory)] [string[]] $File,
    [string] $TimestampServer
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$certificate = Get-ChildItem -Path 'Cert:\LocalMachine\My', 'Cert:\CurrentUser\My' |
    Where-Object { $_.Thumbprint -eq $Thumbprint -and $_.HasPrivateKey } |
    Select-Object -First 1
if ($null -eq $certificate) {
    throw "no certificate $Thumbprint with a private key in LocalMachine\My or CurrentUser\My"
}
$options = @{ Certificate = $certificate; HashAlgorithm = 'SHA256' }
if ($TimestampServer) {
    $options.TimestampServer = $TimestampServer
}
if (-not $TimestampServer) {
    Write-Warning ("without -TimestampServer the signature expires with the certificate, on " +
        "$($certificate.NotAfter.ToString('yyyy-MM-dd')); after that SQL Server does not load the provider")
}
foreach ($name in $File) {
    if (-not $PSCmdlet.ShouldProcess($name, "sign with $($certificate.Subject)")) {
        continue
    }
    $signature = Set-AuthenticodeSignature -LiteralPath $name @options
    if ($signature.Status -ne 'Valid') {
        throw "${name}: $($signature.Status): $($signature.StatusMessage)"
    }
    Write-Output "${name}: signed by $($certificate.Subject)"
}
