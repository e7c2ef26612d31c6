//! Options for opening a place, from the configuration.

use std::path::PathBuf;
use std::time::Duration;

/// Options for opening a place. Options without meaning for a kind of place are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many connections may wait to be accepted (listen(2)); the kernel caps it at net.core.somaxconn.
    pub backlog: i32,
    /// Whether other sockets of the same user may have the same network address (SO_REUSEPORT, socket(7)).
    pub share_port: bool,
    /// The mode of a Unix socket's file, for example 0o660. A process needs write permission to connect.
    pub mode: u32,
    /// The group of a Unix socket's file; empty: our own. A group that does not exist, or that we may not use,
    /// is a warning.
    pub group: String,
    /// The longest message of the service, in bytes, which a message queue that is created has to hold.
    pub message_bytes: usize,
    /// How long a message may take from its beginning to its end: for so long a writer may keep a buffer to itself.
    pub message_timeout: Duration,
    /// A directory to create (mode 0755) if it does not exist, and to remove at the end if it is empty. Its parent
    /// must exist.
    pub make_directory: Option<PathBuf>,
}
