//! TLS for the client: whom it trusts, who it is, and the encrypted connection. Without the feature `tls`, that there is none.

#[cfg(feature = "tls")]
mod link;
#[cfg(feature = "tls")]
mod trust;
#[cfg(feature = "tls")]
mod words;

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::target::Target;

#[cfg(feature = "tls")]
pub(crate) use link::SecureLink;
#[cfg(feature = "tls")]
pub(crate) use trust::Secure;

/// How to use TLS.
#[derive(Args)]
pub(crate) struct TlsOptions {
    /// tls://: trust the certificate authorities in this file, instead of those of the system
    #[arg(long, value_name = "FILE", global = true, requires = "to", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,

    /// tls://: do not check the server's certificate: anybody on the way can read and change everything
    #[arg(long, global = true, requires = "to")]
    pub(crate) insecure: bool,

    /// tls://: the certificate to show to a server that asks for one
    #[arg(long, value_name = "FILE", global = true, requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,

    /// tls://: its key
    #[arg(long, value_name = "FILE", global = true, requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,
}

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
            (Some(Target::Secure(inner)), _) => Secure::new(self, &inner.host()).map(Some),
            (_, Some(option)) => Err(CliError::Usage(format!(
                "{option} is for endpoints with TLS; give one with --to, for example tls://teacher.local:65443"
            ))),
            (_, None) => Ok(None),
        }
    }
}

/// Never there: this program was built without TLS.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(crate) enum Secure {}

/// Never there: this program was built without TLS.
#[cfg(not(feature = "tls"))]
pub(crate) enum SecureLink {}

#[cfg(not(feature = "tls"))]
mod absent {
    use std::io;
    use std::os::fd::BorrowedFd;

    use socket2::Socket;

    use super::{Secure, SecureLink};

    impl Secure {
        pub(crate) fn over(&self, _: Socket) -> io::Result<SecureLink> {
            match *self {}
        }
    }

    impl SecureLink {
        pub(crate) fn socket(&self) -> &Socket {
            match *self {}
        }
        pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
            match *self {}
        }
        pub(crate) fn is_open(&self) -> bool {
            match *self {}
        }
        pub(crate) fn is_ended(&self) -> bool {
            match *self {}
        }
        pub(crate) fn wants_write(&self) -> bool {
            match *self {}
        }
        pub(crate) fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            match *self {}
        }
        pub(crate) fn read(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
            match *self {}
        }
        pub(crate) fn end(&mut self) -> io::Result<()> {
            match *self {}
        }
    }
}
