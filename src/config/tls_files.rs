//! The files for TLS endpoints, and the oldest version of TLS.

use std::path::PathBuf;

/// The files for TLS endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority, as PEM. `%d` at its beginning is the directory of the
    /// service's credentials.
    pub certificate: PathBuf,
    /// The certificate's private key, as PEM.
    pub key: PathBuf,
    /// Further certificates, each with its key, for clients that ask for names in them.
    pub more: Vec<(PathBuf, PathBuf)>,
    /// The authorities that issue the required client certificates, as PEM; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
    /// Lists of the certificates that these authorities have revoked, as PEM; `None`: none is.
    pub client_crl: Option<PathBuf>,
    /// The oldest version of TLS.
    pub minimum: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Default for TlsFiles {
    fn default() -> TlsFiles {
        TlsFiles {
            certificate: "/etc/ipcd/tls/certificate.pem".into(),
            key: "/etc/ipcd/tls/key.pem".into(),
            more: Vec::new(),
            client_ca: None,
            client_crl: None,
            minimum: TlsVersion::Tls12,
        }
    }
}
