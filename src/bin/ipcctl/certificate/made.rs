//! What was made, for what is printed.

use std::path::PathBuf;
use std::time::SystemTime;

use super::names::ServerName;

/// A certificate with its key, as files.
pub(crate) struct Pair {
    /// Whose it is.
    pub(crate) name: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) ends: SystemTime,
}

/// What was made.
pub(crate) struct Made {
    /// The authority's certificate.
    pub(crate) authority: PathBuf,
    /// The authority, if it is new.
    pub(crate) new_authority: Option<Pair>,
    pub(crate) names: Vec<ServerName>,
    pub(crate) server: Option<Pair>,
    pub(crate) clients: Vec<Pair>,
}
