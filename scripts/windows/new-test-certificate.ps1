# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Makes a self-signed certificate for code signing and lets this machine trust it.

.DESCRIPTION
SQL Server loads a provider only when its Authenticode signature leads to a certificate in
LocalMachine\Root. For a test server a self-signed one does. Its private key stays in
LocalMachine\My of this machine; the certificate is written to a file, for other machines.
In production, sign with a certificate of your own authority instead (sign.ps1 -Thumbprint).

.EXAMPLE
.\new-test-certificate.ps1 -Path C:\Temp\p11ekm-test.cer
#>
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Path,
    [string] $Subject = 'CN=p11ekm test signature',
    [int] $Days = 365
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$certificate = New-SelfSignedCertificate -Type CodeSigningCert -Subject $Subject `
    -KeyAlgorithm RSA -KeyLength 3072 -HashAlgorithm SHA256 -KeyExportPolicy NonExportable `
    -NotAfter (Get-Date).AddDays($Days) -CertStoreLocation 'Cert:\LocalMachine\My'
Export-Certificate -Cert $certificate -FilePath $Path | Out-Null
Import-Certificate -FilePath $Path -CertStoreLocation 'Cert:\LocalMachine\Root' | Out-Null
Write-Output "thumbprint $($certificate.Thumbprint), written to $Path and trusted on this machine"
