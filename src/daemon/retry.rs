//! The port of a listener that has just been closed can stay in use for a moment: a child of its process that has not called
//! execve(2) yet has a copy, or a copy is on its way through a Unix socket. A start waits for that.

use std::thread::sleep;
use std::time::Duration;

use crate::transport::open::OpenError;

/// Attempts at a start, in sum for all endpoints: a second.
const AT_START: u32 = 20;
const INTERVAL: Duration = Duration::from_millis(50);

/// The attempts to open a port that are left.
pub(super) struct Retries(u32);

impl Retries {
    /// At a start, where no client waits.
    pub(super) fn at_start() -> Retries {
        Retries(AT_START)
    }

    /// At a reload, which must not keep clients waiting.
    pub(super) fn none() -> Retries {
        Retries(0)
    }

    /// Waits before another attempt after this error; returns false if there shall be none.
    pub(super) fn wait_for(&mut self, error: &OpenError) -> bool {
        if self.0 == 0 || !error.is_in_use() || error.place.network().is_none() {
            return false;
        }
        if self.0 == AT_START {
            log::info!(
                "{}: address already in use, though no process is seen that holds it; trying again for a second",
                error.place
            );
        }
        self.0 -= 1;
        sleep(INTERVAL);
        true
    }
}
