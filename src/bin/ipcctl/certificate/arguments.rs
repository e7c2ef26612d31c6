//! The arguments of `ipcctl certificate`.

use std::path::PathBuf;

use clap::Args;

use super::code::Language;

/// Make a certificate authority, and certificates signed by it, for tls:// endpoints
///
/// The authority, a certificate and its key are files in PEM form: ca.pem (for every client), ca-key.pem, server-NAME.pem and
/// server-NAME-key.pem. An authority that this command has made there before is used again. Nothing is overwritten.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Host names and addresses of the server, for example teacher.local 192.168.1.7; localhost includes its addresses
    #[arg(value_name = "NAME", required_unless_present_any = ["clients", "code"])]
    pub(super) names: Vec<String>,

    /// Also make a certificate for a client with this name: client-NAME.pem and client-NAME-key.pem; may be repeated
    #[arg(long = "client", value_name = "NAME")]
    pub(super) clients: Vec<String>,

    /// The directory of the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) directory: PathBuf,

    /// Print a client in this language, and make nothing
    #[arg(long, value_name = "LANGUAGE", conflicts_with_all = ["names", "clients", "json"])]
    pub(super) code: Option<Language>,

    /// Print JSON: the paths of the files, the names, and when each certificate ends
    #[arg(long)]
    pub(super) json: bool,
}
