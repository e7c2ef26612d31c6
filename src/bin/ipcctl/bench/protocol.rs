//! Constants shared by the parts of a measurement.

/// The largest message, in bytes: far longer than any that is used.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024;

/// Requests in flight at once, when they are pipelined, unless others are asked for: their replies fit into the queue of a Unix
/// datagram socket (net.unix.max_dgram_qlen, 10 messages) and of a POSIX message queue, so that every mechanism can do it.
pub(crate) const IN_FLIGHT: u64 = 4;

/// The most requests that may be in flight: the requests and their replies fit into every buffer of a stream.
pub(crate) const IN_FLIGHT_MAX: u64 = 64;

/// The first argument of this program as the bench's responder.
pub(crate) const RESPONDER: &str = "bench-responder";

/// The end of the line that tells that this responder, or a daemon, is ready.
pub(crate) use ipcd::daemon::ready::IS_READY as READY;

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
