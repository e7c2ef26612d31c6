//! What a server needs for TLS, made from the contents of certificate files and checked as a whole. Knows bytes and times; reads no
//! file and no clock.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert, UnbufferedServerConnection,
    VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, KeyLog, KeyLogFile, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::material::{self, Certificates};
use super::provider::provider;
use super::revoked::Revoked;

/// The oldest version of TLS that is accepted.
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

/// A certificate and its key.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The certificate, and those between it and its authority, as PEM, in any order.
    pub certificate: &'a [u8],
    /// Its private key, as PEM.
    pub key: &'a [u8],
}

/// The contents of the files.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// The certificates, each with its key. The first one is for clients that ask for no name, or for one that no certificate has.
    pub pairs: &'a [Pair<'a>],
    /// The authorities of clients' certificates, as PEM; `None`: clients are not asked for a certificate.
    pub client_ca: Option<&'a [u8]>,
    /// Lists of certificates that these authorities have revoked, as PEM; `None`: there are none.
    pub client_crl: Option<&'a [u8]>,
    /// The oldest version that is accepted.
    pub minimum: Version,
}

/// Which file cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The certificate of this pair.
    Certificate(usize, String),
    /// The key of this pair.
    Key(usize, String),
    /// The authorities of clients.
    ClientCa(String),
    /// The lists of revoked certificates.
    ClientCrl(String),
}

/// Makes the wires of new connections.
#[derive(Clone, Debug)]
pub struct Acceptor {
    /// For connections without a client's certificate.
    config: Configs,
    /// For connections that need one. Its tickets have keys of their own, so a session that began without a certificate continues
    /// without one.
    asking: Option<Configs>,
    certificates: Vec<Certificates>,
    /// Until when the lists of revoked certificates are valid, in seconds since 1970; `None`: they do not say.
    crl_until: Option<u64>,
}

/// Configurations for the services, and for the page, because browsers name another application protocol.
#[derive(Clone, Debug)]
struct Configs {
    services: Arc<ServerConfig>,
    page: Arc<ServerConfig>,
}

impl Configs {
    fn of(services: ServerConfig) -> Configs {
        let mut page = services.clone();
        page.alpn_protocols = application_protocols(true);
        Configs { services: Arc::new(services), page: Arc::new(page) }
    }
}

impl Acceptor {
    /// Checks the contents of the files. It does not check dates and names: see [`certificates`](Self::certificates).
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn new(material: Material<'_>) -> Result<Acceptor, Rejected> {
        let mut provider = provider();
        if material.minimum == Version::Tls13 {
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        }
        let provider = Arc::new(provider);
        let mut certificates = Vec::with_capacity(material.pairs.len());
        let mut choices = Vec::with_capacity(material.pairs.len());
        for (index, pair) in material.pairs.iter().enumerate() {
            let (certified, chain) = certified(&provider, index, *pair)?;
            choices.push((chain.clone(), Arc::new(certified)));
            certificates.push(chain);
        }
        let resolver: Arc<dyn ResolvesServerCert> = Arc::new(Choice(choices));
        let revoked = match material.client_crl {
            None => Revoked::default(),
            Some(text) => Revoked::read(text).map_err(Rejected::ClientCrl)?,
        };
        let crl_until = revoked.until;
        let asking = match material.client_ca {
            None => None,
            Some(authorities) => {
                let verifier = verifier(&provider, authorities, revoked)?;
                Some(config(&provider, material.minimum, verifier, Arc::clone(&resolver))?)
            }
        };
        let config = config(&provider, material.minimum, Arc::new(NoClientAuth), resolver)?;
        Ok(Acceptor { config, asking, certificates, crl_until })
    }

    /// The certificates that are presented, in the order of their pairs.
    pub fn certificates(&self) -> &[Certificates] {
        &self.certificates
    }

    /// Until when the lists of revoked certificates are valid, in seconds since 1970, if they say so.
    pub fn crl_until(&self) -> Option<u64> {
        self.crl_until
    }

    /// The server's side of one more connection.
    ///
    /// # Errors
    /// If there are no random numbers, or no authority for the certificate that is asked for.
    pub(super) fn connection(
        &self,
        asks_for_certificate: bool,
        serves_page: bool,
    ) -> Result<UnbufferedServerConnection, Error> {
        let configs = match asks_for_certificate {
            false => &self.config,
            true => self.asking.as_ref().ok_or_else(|| Error::General("no authority of clients".into()))?,
        };
        let config = if serves_page { &configs.page } else { &configs.services };
        UnbufferedServerConnection::new(Arc::clone(config))
    }
}

/// The certificates, from which the name that a client asks for (server_name, RFC 6066) selects one.
#[derive(Debug)]
struct Choice(Vec<(Certificates, Arc<CertifiedKey>)>);

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name();
        let fits =
            |(certificates, _): &&(Certificates, _)| asked.is_some_and(|name| certificates.are_for(name));
        let (_, certified) = match &self.0[..] {
            [only] => only,
            several => several.iter().find(fits).or(several.first())?,
        };
        Some(Arc::clone(certified))
    }
}

/// A certificate with its chain, in order, and its key.
fn certified(
    provider: &CryptoProvider,
    index: usize,
    pair: Pair<'_>,
) -> Result<(CertifiedKey, Certificates), Rejected> {
    let wrong = |error| Rejected::Certificate(index, error);
    let chain = material::certificates(pair.certificate).map_err(wrong)?;
    let key = material::key(pair.key).map_err(|error| Rejected::Key(index, error))?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        let right = "it is of no kind that can be used; use ECDSA (P-256, P-384), Ed25519 or RSA";
        Rejected::Key(index, right.to_owned())
    })?;
    let matches = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key)).keys_match().is_ok()
    };
    let chain = material::in_order(chain, matches).map_err(wrong)?;
    let certificates = Certificates::of(&chain).map_err(wrong)?;
    Ok((CertifiedKey::new(chain, key), certificates))
}

/// The application protocols of an endpoint (RFC 7301), which ipcctl names too. A client that names none is served, and one that
/// names only others is refused. `serves_page`: HTTP.
#[must_use]
pub fn application_protocols(serves_page: bool) -> Vec<Vec<u8>> {
    match serves_page {
        true => vec![b"http/1.1".to_vec()],
        false => vec![b"ipcd/1".to_vec()],
    }
}

/// Makes the check of clients' certificates.
fn verifier(
    provider: &Arc<CryptoProvider>,
    authorities: &[u8],
    revoked: Revoked,
) -> Result<Arc<dyn ClientCertVerifier>, Rejected> {
    let mut roots = RootCertStore::empty();
    for authority in material::certificates(authorities).map_err(Rejected::ClientCa)? {
        roots
            .add(authority)
            .map_err(|_| Rejected::ClientCa("it contains a certificate that is not an authority's".into()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.with_crls(revoked.lists).build().map_err(|error| match error {
        VerifierBuilderError::InvalidCrl(error) => Rejected::ClientCrl(format!(
            "it contains a list that cannot be used ({error:?}); create it again"
        )),
        error => Rejected::ClientCa(error.to_string()),
    })
}

/// The keys of connections, without the secrets that are not derived (see wire/tls/hkdf.rs).
#[derive(Debug)]
struct UsedKeys(KeyLogFile);

impl KeyLog for UsedKeys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.0.log(label, client_random, secret);
    }

    fn will_log(&self, label: &str) -> bool {
        !["CLIENT_EARLY_TRAFFIC_SECRET", "EXPORTER_SECRET"].contains(&label)
    }
}

fn config(
    provider: &Arc<CryptoProvider>,
    minimum: Version,
    verifier: Arc<dyn ClientCertVerifier>,
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<Configs, Rejected> {
    let wrong = |error: Error| Rejected::Certificate(0, error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(minimum.and_later())
        .map_err(wrong)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    // Clients keep the sessions, in tickets under keys that change every six hours. The server keeps nothing.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(wrong)?;
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0; // early data could be replayed
    config.alpn_protocols = application_protocols(false);
    if cfg!(debug_assertions) {
        config.key_log = Arc::new(UsedKeys(KeyLogFile::new())); // SSLKEYLOGFILE, which reveals everything to its readers
    }
    Ok(Configs::of(config))
}
