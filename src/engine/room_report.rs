//! The state of a shared room, for status reports and metrics. Knows figures and words, and no server.

use serde::Serialize;

/// Its state. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct RoomReport {
    /// `connecting`, `opening`, `catching up`, `whole` or `cut off`.
    pub state: &'static str,
    /// Why it is not `whole`.
    pub reason: Option<String>,
    /// The server, from the configuration or from another server.
    pub server: Option<String>,
    /// That server's own name.
    pub server_name: Option<String>,
    /// That server's version.
    pub server_version: Option<String>,
    /// Whether the connection to it is encrypted.
    pub is_encrypted: bool,
    /// The time from the last ping to its answer.
    pub round_trip: Option<f64>,
    /// Lines that were sent and are not in the log yet.
    pub unacknowledged: usize,
    /// Lines that wait to be sent.
    pub queued: usize,
    /// The bytes of `unacknowledged` and `queued` together.
    pub queued_bytes: usize,
    /// The sequence number of the last message that was read from the log.
    pub sequence: u64,
    /// Messages of the log that were not read yet.
    pub lag: u64,
    /// Connections to servers, without the first one.
    pub reconnects: u64,
    /// Messages that are in the log, each with one or more lines.
    pub published: u64,
    /// Lines that the servers refused.
    pub refused: u64,
    /// Lines that were deleted from the log before they were read.
    pub missed: u64,
    /// Daemons that share the room.
    pub machines: usize,
    /// Members of the room on all of them.
    pub members: usize,
}
