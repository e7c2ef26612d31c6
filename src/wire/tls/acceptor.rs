//! What a server needs for TLS, made from what certificates' files hold: checked as a whole. Knows bytes and moments; reads
//! no file and no clock.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::material::{self, Certificates};

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Version {
    fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Version::Tls12 => &BOTH,
            Version::Tls13 => &BOTH[..1],
        }
    }
}

/// What the files hold.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// The certificate, and those between it and its authority, as PEM, in any order.
    pub certificate: &'a [u8],
    /// Its private key, as PEM.
    pub key: &'a [u8],
    /// The authorities whose certificates clients must have, as PEM; `None`: they need none.
    pub client_ca: Option<&'a [u8]>,
    /// The oldest version to speak.
    pub minimum: Version,
}

/// Which file cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The certificate.
    Certificate(String),
    /// The key.
    Key(String),
    /// The authorities of clients.
    ClientCa(String),
}

/// Makes the wires of those who connect.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    certificates: Certificates,
}

impl Acceptor {
    /// Checks what the files hold. Dates and names are no matter here: see [`certificates`](Self::certificates).
    ///
    /// # Errors
    /// The first of them that cannot be used.
    pub fn new(material: Material<'_>) -> Result<Acceptor, Rejected> {
        let mut provider = ring::default_provider();
        if material.minimum == Version::Tls13 {
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        }
        let provider = Arc::new(provider);
        let chain = material::certificates(material.certificate).map_err(Rejected::Certificate)?;
        let key = material::key(material.key).map_err(Rejected::Key)?;
        let key = provider.key_provider.load_private_key(key).map_err(|_| {
            Rejected::Key(
                "it is of no kind that can be used; use ECDSA (P-256, P-384), Ed25519 or RSA".into(),
            )
        })?;
        let matches = |certificate: &CertificateDer<'static>| {
            CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key)).keys_match().is_ok()
        };
        let chain = material::in_order(chain, matches).map_err(Rejected::Certificate)?;
        let certificates = Certificates::of(&chain).map_err(Rejected::Certificate)?;
        let certified = SingleCertAndKey::from(CertifiedKey::new(chain, key));

        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(material.minimum.and_later())
            .map_err(|error| Rejected::Certificate(error.to_string()))?;
        let builder = match material.client_ca {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in material::certificates(authorities).map_err(Rejected::ClientCa)? {
                    roots.add(authority).map_err(|_| {
                        Rejected::ClientCa("it holds a certificate that is none of an authority".into())
                    })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| Rejected::ClientCa(error.to_string()))?,
                )
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(certified));
        // Sessions are kept by the clients, in tickets under keys that change every six hours; nothing is kept here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(|error| Rejected::Certificate(error.to_string()))?;
        config.send_tls13_tickets = 1;
        config.max_early_data_size = 0; // what can be replayed is not heard
        Ok(Acceptor { config: Arc::new(config), certificates })
    }

    /// The certificates that are shown.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The server's side of one more connection.
    ///
    /// # Errors
    /// There are no random numbers.
    pub(super) fn connection(&self) -> Result<UnbufferedServerConnection, Error> {
        UnbufferedServerConnection::new(Arc::clone(&self.config))
    }
}
