//! `ipcctl certificate NAME…`

#[cfg(feature = "tls")]
mod advice;
#[cfg(feature = "tls")]
mod authority;
mod code;
#[cfg(feature = "tls")]
mod files;
#[cfg(feature = "tls")]
mod make;
#[cfg(feature = "tls")]
mod names;

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::output;
use code::Language;

/// Make a certificate authority, and certificates of it, for tls:// endpoints
///
/// The authority, a certificate and its key are files in PEM form: ca.pem (for every client), ca-key.pem, server-NAME.pem and
/// server-NAME-key.pem. An authority that this command has made there before is used again. Nothing is overwritten.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Host names and addresses of the server, for example teacher.local 192.168.1.7; localhost includes its addresses
    #[arg(value_name = "NAME", required_unless_present_any = ["clients", "code"])]
    names: Vec<String>,

    /// Also make a certificate for a client with this name: client-NAME.pem and client-NAME-key.pem; may be repeated
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,

    /// The directory of the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Print a client in this language, and make nothing
    #[arg(long, value_name = "LANGUAGE", conflicts_with_all = ["names", "clients", "json"])]
    code: Option<Language>,

    /// Print JSON: the paths of the files, the names, and when each certificate ends
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    if let Some(language) = arguments.code {
        return output::print(language.code().trim_end());
    }
    #[cfg(feature = "tls")]
    return make::run(arguments);
    #[cfg(not(feature = "tls"))]
    Err(CliError::Usage("this ipcctl was built without TLS (cargo's feature tls)".to_owned()))
}
