//! The log, and a member's progress in it, in the record of a restart.

use serde::{Deserialize, Serialize};

/// A member's progress, for the process after a restart.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedProgress {
    /// The position in the log up to which it has been sent.
    pub(super) cursor: u64,
    /// Direct messages to it: the position, length, and sent bytes of each.
    #[serde(rename = "asides")] // its name in the records of earlier versions
    pub(super) direct_messages: Vec<(u64, usize, usize)>,
}

/// The room's log.
#[derive(Debug, Default)]
pub struct SavedLog {
    /// The position of its first byte.
    pub base: u64,
    /// The messages, in lines.
    pub bytes: Vec<u8>,
}
