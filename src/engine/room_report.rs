//! The state of a room that several machines share, for status reports and metrics. Knows figures and words; has never seen a
//! server.

use serde::Serialize;

/// Its state. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct RoomReport {
    /// `connecting`, `opening`, `catching up`, `whole` or `cut off`.
    pub state: &'static str,
    /// Why it is not whole.
    pub reason: Option<String>,
    /// The server, as configured or told by another one.
    pub server: Option<String>,
    /// That server's own name.
    pub server_name: Option<String>,
    /// That server's version.
    pub server_version: Option<String>,
    /// Whether the connection to it is encrypted.
    pub is_encrypted: bool,
    /// Between the last ping and its answer.
    pub round_trip: Option<f64>,
    /// Lines that were sent and are not in the log yet.
    pub unacknowledged: usize,
    /// Lines that wait to be sent.
    pub queued: usize,
    /// Bytes of both.
    pub queued_bytes: usize,
    /// The last message of the log that was read.
    pub sequence: u64,
    /// Messages of the log that were not read yet.
    pub lag: u64,
    /// Connections to servers after the first.
    pub reconnects: u64,
    /// Messages to the log, with any number of lines each, that it has.
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
