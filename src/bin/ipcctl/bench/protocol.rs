//! Constants shared by the parts of a measurement.

/// The largest message, in bytes: far longer than any that is used.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024;

/// The first argument of this program as the bench's responder.
pub(crate) const RESPONDER: &str = "bench-responder";

/// The log text of a daemon that is ready.
pub(crate) const READY: &str = "is ready";

/// Variables from a service manager that must not reach a daemon that we start.
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
