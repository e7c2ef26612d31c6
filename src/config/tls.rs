//! `[tls]`: the files for TLS endpoints, and the oldest version. Knows their syntax; reads none of them.

use std::path::PathBuf;

use super::draft::Draft;
use super::table::Table;
use super::value::{Text, Value, typed};

/// The files for TLS endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority, as PEM. `%d` at its beginning is the directory of the
    /// service's credentials.
    pub certificate: PathBuf,
    /// The certificate's private key, as PEM.
    pub key: PathBuf,
    /// The authorities whose certificates clients must have, as PEM; `None`: they need none.
    pub client_ca: Option<PathBuf>,
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
            client_ca: None,
            minimum: TlsVersion::Tls12,
        }
    }
}

fn path(value: Value<'_>) -> Result<Option<PathBuf>, String> {
    let right = || {
        "it must be an absolute path, or one in the credentials directory, for example \"/etc/ipcd/tls/key.pem\" or \"%d/key.pem\""
            .to_owned()
    };
    let Text(text) = typed(value).map_err(|_| right())?;
    match text.as_str() {
        "" => Ok(None),
        text if (text.starts_with('/') || text.starts_with("%d/"))
            && !text.ends_with('/')
            && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text.into()))
        }
        _ => Err(right()),
    }
}

fn required(value: Value<'_>) -> Result<PathBuf, String> {
    path(value)?
        .ok_or_else(|| "TLS endpoints need it; name a file, for example \"/etc/ipcd/tls/key.pem\"".into())
}

pub(super) fn certificate(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.tls.certificate = required(value)?;
    Ok(())
}

pub(super) fn key(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.tls.key = required(value)?;
    Ok(())
}

pub(super) fn client_ca(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.tls.client_ca = path(value)?;
    Ok(())
}

pub(super) fn minimum(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || "it must be \"1.2\" or \"1.3\", in quotes".to_owned();
    let Text(text) = typed(value).map_err(|_| right())?;
    draft.config.tls.minimum = match text.as_str() {
        "1.2" => TlsVersion::Tls12,
        "1.3" => TlsVersion::Tls13,
        _ => return Err(right()),
    };
    Ok(())
}
