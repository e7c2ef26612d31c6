//! What the parts of a measurement agree on.

/// The largest message, in bytes: far longer than any here.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024;

/// The first argument of this program as the bench's partner.
pub(crate) const PARTNER: &str = "bench-partner";

/// What the log of a daemon says that can be spoken to.
pub(crate) const READY: &str = "is ready";

/// What another service manager has told us is not for a daemon that we start.
pub(crate) const VARIABLES: [&str; 8] = [
    "RUST_LOG",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];
