//! The new and reused certificates, for the printed report.

use std::path::PathBuf;
use std::time::SystemTime;

use super::names::ServerName;

/// A certificate with its key, as files.
pub(crate) struct Pair {
    /// Its owner.
    pub(crate) name: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) ends: SystemTime,
}

/// The certificates.
pub(crate) struct Made {
    /// The authority's certificate.
    pub(crate) authority: PathBuf,
    /// The authority, if it is new.
    pub(crate) new_authority: Option<Pair>,
    pub(crate) names: Vec<ServerName>,
    pub(crate) server: Option<Pair>,
    pub(crate) clients: Vec<Pair>,
}
