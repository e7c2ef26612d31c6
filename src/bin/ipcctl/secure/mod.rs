//! TLS for the client: the authorities that it trusts, its own certificate, and the encrypted connection. Without the
//! feature `tls`, only the error that it is missing.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod connection;
mod options;
#[cfg(feature = "tls")]
mod trust;
#[cfg(feature = "tls")]
mod words;

use super::error::CliError;
use super::target::Target;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{Secure, SecureConnection};
#[cfg(feature = "tls")]
pub(crate) use connection::SecureConnection;
pub(crate) use options::TlsOptions;
#[cfg(feature = "tls")]
pub(crate) use trust::Secure;

impl TlsOptions {
    /// The first of these options that was given.
    fn given(&self) -> Option<&'static str> {
        [
            (self.ca.is_some(), "--ca"),
            (self.insecure, "--insecure"),
            (self.client_certificate.is_some(), "--client-certificate"),
        ]
        .into_iter()
        .find_map(|(is_given, option)| is_given.then_some(option))
    }

    /// What is needed for TLS at this target; `None`: nothing, because it has none.
    ///
    /// # Errors
    /// These options without TLS; a file of theirs that cannot be used.
    pub(crate) fn at(&self, target: Option<&Target>) -> Result<Option<Secure>, CliError> {
        match (target, self.given()) {
            #[cfg(feature = "tls")]
            (Some(target), _) if target.is_encrypted() => {
                Secure::new(self, &target.host(), target.is_web()).map(Some)
            }
            (_, Some(option)) => Err(CliError::Usage(format!(
                "{option} is for endpoints with TLS; give one with --to, for example tls://teacher.local:65443"
            ))),
            (_, None) => Ok(None),
        }
    }
}
