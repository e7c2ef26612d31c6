//! Memory that is no longer needed: what the start alone used, and what connections left.

use std::time::Duration;

use super::Daemon;
use crate::engine::message::Timestamp;
use crate::host::raw::{allocator, pages};

/// Connections below which their memory is not worth the time to return it.
const MANY: usize = 64;

/// How long nothing must happen after the start before its pages are returned: nobody waits meanwhile.
const QUIET: Duration = Duration::from_millis(20);

impl Daemon {
    /// Returns free memory when three quarters of many connections have gone.
    pub(super) fn return_memory(&mut self) {
        let count = self.reactor.engine().len();
        self.peak = self.peak.max(count);
        if self.peak >= MANY && count <= self.peak / 4 {
            self.peak = count;
            allocator::return_free_pages();
        }
    }

    /// From now on, waits for nothing to happen.
    pub(super) fn await_quiet(&mut self) {
        self.quiet = Some((self.reactor.now() + QUIET, QUIET));
    }

    /// When nothing has happened for long enough.
    pub(super) fn quiet_at(&self) -> Option<Timestamp> {
        self.quiet.map(|(at, _)| at)
    }

    /// Returns, once, what only the start needed, as soon as nothing has happened for a moment. While a thread looks up a name, it
    /// waits for the next moment, which is twice as long, so that a thread that stays costs nothing.
    pub(super) fn return_pages_of_start(&mut self) {
        let Some((at, moment)) = self.quiet else { return };
        let now = self.reactor.now();
        self.quiet = if now < at {
            Some((now + moment, moment))
        } else if pages::return_pages_of_files() {
            allocator::return_free_pages();
            None
        } else {
            Some((now + 2 * moment, 2 * moment))
        };
    }
}
