//! The options of TLS.

use std::path::PathBuf;

use clap::Args;

/// How to use TLS.
#[derive(Args, Clone)]
pub(crate) struct TlsOptions {
    /// tls://: trust the certificate authorities in this file, instead of those of the system
    #[arg(long, value_name = "FILE", global = true, requires = "to", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,

    /// tls://: do not check the server's certificate: anyone on the network can read and change everything
    #[arg(long, global = true, requires = "to")]
    pub(crate) insecure: bool,

    /// tls://: the certificate to show to a server that asks for one
    #[arg(long, value_name = "FILE", global = true, requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,

    /// tls://: its key
    #[arg(long, value_name = "FILE", global = true, requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,
}
