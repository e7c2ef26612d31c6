//! The state of the uplink, for status reports and metrics.

use std::time::Duration;

use super::ids::InstanceId;
use super::reason::Reason;

/// The phases of the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no connection; one is being made or is due later.
    Connecting,
    /// It is connected; the stream is checked or created.
    Opening,
    /// The log is being read, and its end is not reached.
    CatchingUp,
    /// The room is whole.
    Up,
    /// It is connected, but nothing can be stored.
    CutOff,
}

/// The state of the uplink.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The phase.
    pub state: State,
    /// Why it is not up.
    pub reason: Option<Reason>,
    /// This instance.
    pub instance: InstanceId,
    /// The server, from the configuration or from another server.
    pub server: Option<String>,
    /// That server's own name.
    pub server_name: Option<String>,
    /// That server's version.
    pub version: Option<String>,
    /// Whether that connection is encrypted.
    pub is_encrypted: bool,
    /// The time between the last ping and its answer.
    pub round_trip: Option<Duration>,
    /// Entries that were sent and have not come back from the log.
    pub unacknowledged: usize,
    /// Entries that wait to be sent.
    pub queued: usize,
    /// The bytes of `unacknowledged` and `queued` together.
    pub queued_bytes: usize,
    /// The sequence number of the last message that was read.
    pub sequence: u64,
    /// Messages of the room in the log that were not read yet.
    pub lag: u64,
    /// Connections after the first one.
    pub reconnects: u64,
    /// Batches of ours that are in the log.
    pub published: u64,
    /// Entries that the server refused.
    pub refused: u64,
    /// Messages that were removed before we read them.
    pub missed: u64,
    /// Living instances, including this one.
    pub instances: usize,
    /// Members of the room on all machines.
    pub members: usize,
}
