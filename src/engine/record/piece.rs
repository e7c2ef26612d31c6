//! The format of a record: piece by piece, each with a short text and then the bytes of its queues, unchanged. Knows lengths, and
//! no contents of a queue.
//!
//! A piece is four lengths of eight bytes each, little-endian, and then that many bytes: JSON, and three runs of bytes.

use serde::{Deserialize, Serialize};

use super::SavedSession;
use crate::engine::limits::Settings;
#[cfg(feature = "nats")]
use crate::engine::linking::SavedShared;
use crate::engine::machines::{self, Machine};
use crate::engine::message::{Binding, Timestamp};
use crate::engine::service::Service;

/// Runs of bytes after a piece's JSON.
pub const RUNS: usize = 3;

/// Bytes of a piece's lengths.
pub const SIZES_BYTES: usize = 8 * (1 + RUNS);

/// The longest JSON of a piece, in bytes: of all pieces the one with the endpoints is the longest.
pub const JSON_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of the JSON of a session, including its lengths. The most that was seen is 600.
const SESSION_BYTES: usize = 1024;

/// The largest record in bytes: the contents of queues, room and machines, unchanged, and all JSON.
pub fn bytes_max(settings: &Settings) -> usize {
    let chat = settings.of(Service::Chat).backlog_bytes_max;
    // In text, a number of a machine's history is up to twice as long.
    let (log, history, machines) = (chat, chat, 2 * settings.machines_max * machines::MACHINE_BYTES_MAX);
    let backlog = settings.services.iter().map(|service| service.backlog_bytes_max).max().unwrap_or(0);
    let held = settings.queued_bytes_max + log + history + machines + settings.standing * backlog;
    held + held / 10 + (settings.connections_max + settings.standing) * SESSION_BYTES
}

/// The contents of a piece. Only one exists at a time, so the larger ones are not boxed.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)]
pub(in crate::engine) enum Content {
    /// The first piece: its timestamp, the bindings of sessions, and the position in the room's log at which its bytes begin.
    /// After it: those bytes, and the history, one message a line.
    Head {
        now: Timestamp,
        #[serde(rename = "doors")] // its name in the records of earlier versions
        bindings: Vec<Binding>,
        base: u64,
        /// The state of a shared room.
        #[cfg(feature = "nats")]
        #[serde(default)]
        shared: Option<Box<SavedShared>>,
    },
    /// A machine. After it: its last report.
    Machine(String, Machine),
    /// A session, and the number of its descriptor. After it: its inbox, its outbox, and its direct messages.
    Session(u64, Box<SavedSession>),
    /// The last piece: the number of machines and sessions.
    End { machines: usize, sessions: usize },
}

/// One piece.
#[derive(Debug)]
pub struct Piece<'a> {
    json: Vec<u8>,
    runs: [Vec<&'a [u8]>; RUNS],
}

impl<'a> Piece<'a> {
    pub(in crate::engine) fn new(content: &Content, runs: [Vec<&'a [u8]>; RUNS]) -> Piece<'a> {
        // This cannot fail: every map has text as keys, and every value can be written.
        let json = serde_json::to_vec(content).unwrap_or_default();
        Piece { json, runs }
    }

    /// Its bytes in the order of writing: lengths and JSON together, and the runs as slices.
    pub fn parts(&self) -> (Vec<u8>, impl Iterator<Item = &'a [u8]>) {
        let length = |run: &Vec<&[u8]>| run.iter().map(|bytes| bytes.len()).sum::<usize>();
        let sizes = [self.json.len()].into_iter().chain(self.runs.iter().map(length));
        let mut start: Vec<u8> = sizes.flat_map(|size| (size as u64).to_le_bytes()).collect();
        start.extend_from_slice(&self.json);
        (start, self.runs.iter().flatten().copied())
    }
}

/// The lengths at the beginning of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The length of the JSON, in bytes.
    pub json: u64,
    /// The lengths of the runs after it.
    pub runs: [u64; RUNS],
}

impl Sizes {
    /// Reads the lengths; that many bytes follow.
    ///
    /// # Errors
    /// If fewer bytes are left, or the JSON is too long.
    pub fn read(bytes: &[u8; SIZES_BYTES], left: u64) -> Result<Sizes, String> {
        let mut sizes = [0; 1 + RUNS];
        for (size, bytes) in sizes.iter_mut().zip(bytes.as_chunks().0) {
            *size = u64::from_le_bytes(*bytes);
        }
        let [json, runs @ ..] = sizes;
        let sum = sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size));
        if sum.is_none_or(|sum| sum > left) {
            return Err(format!("a piece of it is longer than the remaining {left} bytes"));
        }
        if json > JSON_BYTES_MAX {
            return Err(format!("a piece of it has {json} bytes of JSON; {JSON_BYTES_MAX} is the most"));
        }
        Ok(Sizes { json, runs })
    }
}
