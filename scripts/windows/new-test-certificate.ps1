# SPDX-License-Identifier: Apache-2.0
<#
.SYNOPSIS
Makes a self-signed certificate for code signing that this machine trusts.

.DESCRIPTION
SQL Server loads a provider only if its Authenticode signature leads to a certificate in
LocalMachine\Root. For a test server a self-signed certificate is sufficient. Its private key stays in
LocalMachine\My of this machine; the certificate is written to a file, for other machines.
In production, sign with a certificate of your certification authority (sign.ps1 -Thumbprint).
The certificate is valid for ten years. A signature without a time stamp expires with its certificate;
after that SQL Server does not load the provider. uninstall.ps1 removes the certificate.

.EXAMPLE
.\new-test-certificate.ps1 -Path C:\Temp\p11ekm-test.cer
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [string] $Path,
    [string] $Subject = 'CN=p11ekm test signature',
    [ValidateRange(1, 36500)] [int] $Days = 3650
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (-not $PSCmdlet.ShouldProcess('LocalMachine\My and LocalMachine\Root', "make and trust $Subject")) {
    return
}
$certificate = New-SelfSignedCertificate -Type CodeSigningCert -Subject $Subject `
    -KeyAlgorithm RSA -KeyLength 3072 -HashAlgorithm SHA256 -KeyExportPolicy NonExportable `
    -NotAfter (Get-Date).AddDays($Days) -CertStoreLocation 'Cert:\LocalMachine\My'
Export-Certificate -Cert $certificate -FilePath $Path | Out-Null
Import-Certificate -FilePath $Path -CertStoreLocation 'Cert:\LocalMachine\Root' | Out-Null
Write-Output "thumbprint $($certificate.Thumbprint), written to $Path and trusted on this machine"
