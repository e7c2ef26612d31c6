//! The state of the uplink, for status reports and metrics. Knows figures.

use std::time::Duration;

use super::ids::InstanceId;
use super::why::Why;

/// How far the uplink has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection; one is being made, or waits for its time.
    Connecting,
    /// Connected; the stream is looked at, or made.
    Opening,
    /// The log is read; it is not at its end yet.
    CatchingUp,
    /// The room is whole.
    Up,
    /// Connected, but nothing is stored.
    CutOff,
}

/// The state of the uplink.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How far it is.
    pub state: State,
    /// Why it is not up.
    pub why: Option<Why>,
    /// This instance.
    pub instance: InstanceId,
    /// The server it is connected to, as configured or told.
    pub server: Option<String>,
    /// That server's own name.
    pub server_name: Option<String>,
    /// That server's version.
    pub version: Option<String>,
    /// Whether that connection is encrypted.
    pub is_encrypted: bool,
    /// The time between the last ping and its answer.
    pub round_trip: Option<Duration>,
    /// Entries that were sent and not heard from the log yet.
    pub unacknowledged: usize,
    /// Entries that wait to be sent.
    pub queued: usize,
    /// Bytes of both.
    pub queued_bytes: usize,
    /// The sequence of the last message that was read.
    pub sequence: u64,
    /// Messages of the room in the log that were not read yet.
    pub lag: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Batches of ours that the log has.
    pub published: u64,
    /// Entries that the server refused.
    pub refused: u64,
    /// Messages that were trimmed before we read them.
    pub missed: u64,
    /// Living instances, with this one.
    pub instances: usize,
    /// Members of the room, everywhere.
    pub members: usize,
}
