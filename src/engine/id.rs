//! Points in time, connection ids and remote addresses: the values that every other file knows.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since the daemon started, on a clock that never runs backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Timestamp(NonZeroU64); // microseconds + 1, so that `Option<Timestamp>` needs no more space

impl From<u64> for Timestamp {
    fn from(micros: u64) -> Timestamp {
        Timestamp::at(micros)
    }
}

impl From<Timestamp> for u64 {
    fn from(timestamp: Timestamp) -> u64 {
        timestamp.micros()
    }
}

impl Default for Timestamp {
    fn default() -> Timestamp {
        Timestamp::at(0)
    }
}

impl Timestamp {
    /// The time this many microseconds after the start; at most half a million years.
    pub const fn at(micros: u64) -> Timestamp {
        Timestamp(NonZeroU64::MIN.saturating_add(micros))
    }

    /// Microseconds since the start.
    pub const fn micros(self) -> u64 {
        self.0.get() - 1
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.micros().saturating_sub(earlier.micros()))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Duration) -> Timestamp {
        Timestamp::at(self.micros().saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// The number of a connection: an index in a table, and a generation, so that nothing for a closed connection can
/// reach a later one at the same index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The index in the table.
    pub index: u32,
    /// The generation of that index.
    pub generation: u32,
}

/// No group: the number for "none" in chown(2), which no list can contain.
pub const NO_GROUP: u32 = u32::MAX;

/// The peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemoteAddress {
    /// An address and port (TCP).
    Address(SocketAddr),
    /// A process on this machine (SO_PEERCRED on a Unix socket).
    Process {
        /// User id.
        uid: u32,
        /// Group id of the process, not of all groups that its user has; [`NO_GROUP`] if the kernel does not report it.
        gid: u32,
        /// Process id; 0: a process outside our PID namespace (pid_namespaces(7)).
        pid: u32,
    },
    /// A process whose user the kernel cannot identify: it equals no user and is on no list.
    Unknown {
        /// Process id; 0: a process outside our PID namespace.
        pid: u32,
    },
    /// The writer to our standard input.
    Input,
    /// All writers to a FIFO or message queue, which cannot be told apart.
    Writers,
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteAddress::Address(address) => write!(f, "{address}"),
            RemoteAddress::Process { uid, pid: 0, .. } => write!(f, "pid unknown (uid {uid})"),
            RemoteAddress::Process { uid, pid, .. } => write!(f, "pid {pid} (uid {uid})"),
            RemoteAddress::Unknown { pid: 0 } => f.write_str("pid unknown (uid unknown)"),
            RemoteAddress::Unknown { pid } => write!(f, "pid {pid} (uid unknown)"),
            RemoteAddress::Input => f.write_str("standard input"),
            RemoteAddress::Writers => f.write_str("writers"),
        }
    }
}
