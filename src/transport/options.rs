//! How a place is to be opened: what the configuration says of it.

use std::path::PathBuf;

/// How to open a place. What a kind of place has no use for is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many connections may wait to be accepted (listen(2)); the kernel caps it at net.core.somaxconn.
    pub backlog: i32,
    /// The mode of a Unix socket's file, for example 0o660. To connect, a process needs to be allowed to write.
    pub mode: u32,
    /// The group of a Unix socket's file; empty: our own. One that there is not, or that we may not give it to,
    /// is a warning.
    pub group: String,
    /// A directory to make (mode 0755) if it is not there, and to remove again if it is empty then. Only that one:
    /// what it is in must be there.
    pub make_directory: Option<PathBuf>,
}
