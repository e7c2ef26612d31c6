//! The authorities that the client trusts, and its own certificate: from the options to rustls's configuration.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use ipcd::wire::tls::application_protocols;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use socket2::Socket;

use super::super::error::CliError;
use super::super::output;
use super::connection::SecureConnection;
use super::options::TlsOptions;
use ipcd::os_error::describe;

/// The largest file of authorities: several times what a system trusts.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The most certificates in the chain of a client.
const CHAIN_MAX: usize = 16;

/// The configuration for every connection to the server.
#[derive(Clone)]
pub(crate) struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The authority's file, for errors.
    ca: Option<String>,
}

impl Secure {
    /// For a server with this name or address. Warns if its certificate is not checked. `is_web`: it is the endpoint of a page.
    ///
    /// # Errors
    /// A file that cannot be used; a system without authorities.
    pub(super) fn new(options: &TlsOptions, host: &str, is_web: bool) -> Result<Secure, CliError> {
        let name = host.strip_suffix('.').unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| {
            CliError::Usage(format!("{host}: no certificate can have this name; use another one with --to"))
        })?;
        let provider = Arc::new(ipcd::wire::tls::provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| CliError::Failed(format!("TLS: {error}")))?;
        let builder = match options.insecure {
            true => {
                output::warn(
                    "the server's certificate is not checked (--insecure): anyone on the network can read and change everything",
                );
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
            }
            false => builder.with_root_certificates(match &options.ca {
                Some(file) => authorities(file)?,
                None => system()?,
            }),
        };
        let mut config = match (&options.client_certificate, &options.client_key) {
            (Some(certificate), Some(key)) => identified(builder, certificate, key)?,
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = application_protocols(is_web);
        let ca = options.ca.as_ref().map(|file| file.display().to_string());
        Ok(Secure { config: Arc::new(config), name, ca })
    }

    /// The encrypted connection over this socket, which does not block.
    pub(crate) fn over(&self, socket: Socket) -> io::Result<SecureConnection> {
        let tls = ClientConnection::new(self.config.clone(), self.name.clone()).map_err(io::Error::other)?;
        Ok(SecureConnection::new(socket, tls, self.ca.clone()))
    }
}

/// The error of an option's file.
fn wrong(option: &str, file: &Path, what: &str) -> CliError {
    CliError::Usage(format!("{option} {}: {what}", file.display()))
}

fn read(option: &str, file: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file);
    let count = opened.and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match count {
        Ok(count) if count as u64 <= FILE_BYTES_MAX => Ok(bytes),
        Ok(_) => Err(wrong(option, file, "this is longer than any list of certificates (4 MiB)")),
        Err(error) => Err(wrong(option, file, &describe(&error))),
    }
}

/// The certificates of a PEM file: at least one.
fn certificates(option: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let bytes = read(option, file)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|error| wrong(option, file, &format!("this is not PEM: {error}")))?;
    match all.is_empty() {
        true => Err(wrong(
            option,
            file,
            "there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----",
        )),
        false => Ok(all),
    }
}

/// The authorities of a file.
fn authorities(file: &Path) -> Result<RootCertStore, CliError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("--ca", file)? {
        roots
            .add(certificate)
            .map_err(|error| wrong("--ca", file, &format!("a certificate in it is broken: {error}")))?;
    }
    Ok(roots)
}

/// The authorities that the system trusts.
fn system() -> Result<RootCertStore, CliError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Some systems have old certificates that no longer conform.
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        true => Err(CliError::Failed(
            "this system trusts no certificate authority (Debian: apt install ca-certificates); give the server's with --ca".to_owned(),
        )),
        false => Ok(roots),
    }
}

/// With a certificate and its key to show to the server.
fn identified(
    builder: rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    certificate: &Path,
    key: &Path,
) -> Result<ClientConfig, CliError> {
    let chain = certificates("--client-certificate", certificate)?;
    if chain.len() > CHAIN_MAX {
        return Err(wrong("--client-certificate", certificate, "there are more than 16 certificates in it"));
    }
    let secret = PrivateKeyDer::from_pem_slice(&read("--client-key", key)?).map_err(|error| {
        wrong("--client-key", key, &format!("there is no key in it that can be read: {error}"))
    })?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            wrong("--client-key", key, &format!("this is not the key of {}", certificate.display()))
        }
        other => wrong("--client-key", key, &other.to_string()),
    })
}

/// Accepts every certificate, but only from the owner of its key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
