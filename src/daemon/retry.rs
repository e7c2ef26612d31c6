//! The port of a listener that has just been closed can stay in use for a moment: a child of its process that has not called
//! execve(2) yet has a copy, or a copy is on its way through a Unix socket. A start waits for that.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::transport::open::OpenError;

/// How long a start waits, in sum for all endpoints. An attempt also looks for the holder, which takes time on a large machine.
const AT_START: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(50);

/// The time that is left for attempts to open a port.
pub(super) enum Retries {
    /// At a reload, which must not keep clients waiting.
    None,
    /// At a start, where no client waits, before the first attempt.
    AtStart,
    Until(Instant),
}

impl Retries {
    /// Waits before another attempt after this error; returns false if there shall be none.
    pub(super) fn wait_for(&mut self, error: &OpenError) -> bool {
        if !error.is_in_use() || error.place.network().is_none() {
            return false;
        }
        match *self {
            Retries::None => return false,
            Retries::Until(end) if Instant::now() >= end => return false,
            Retries::Until(_) => {}
            Retries::AtStart => {
                let seen =
                    if error.owner().is_none() { ", though no process is seen that holds it" } else { "" };
                log::info!("{}: address already in use{seen}; trying again for a second", error.place);
                *self = Retries::Until(Instant::now() + AT_START);
            }
        }
        sleep(INTERVAL);
        true
    }
}
