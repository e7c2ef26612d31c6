//! How long a peer has accepted nothing of its queued data, which must have an end.

use std::fmt::Display;
use std::time::Duration;

use ipcd::engine::limits::Settings;
use ipcd::engine::message::Timestamp;

/// The longest time between two turns that counts: after a longer one, every deadline is due.
const TURN_MAX: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Blockage {
    /// Since when its kernel accepts nothing and it has read nothing; and the time of the last turn.
    since: Option<(Timestamp, Timestamp)>,
    pub longest: Duration,
    counted: Duration,
}

impl Blockage {
    /// Called after a turn.
    pub fn check(&mut self, now: Timestamp, blocked: bool, took: bool, seen: &[Settings], who: &dyn Display) {
        if !blocked || took {
            (self.since, self.counted) = (None, Duration::ZERO);
        }
        if !blocked {
            return;
        }
        let (since, last) = *self.since.get_or_insert((now, now));
        self.since = Some((since, now));
        self.longest = self.longest.max(now.since(since));
        self.counted += now.since(last).min(TURN_MAX);
        let linger = seen.iter().map(|settings| settings.linger).max().unwrap_or_default();
        let timeout = seen.iter().map(|settings| settings.send_timeout).max().unwrap_or_default();
        // It may have accepted something right after the kernel was asked, and then there are its last message and a lingering
        // close.
        let most = 2 * timeout + 2 * linger + 4 * TURN_MAX;
        assert!(
            self.counted <= most,
            "{who}: takes nothing since {since:?}, at {now:?}, and keeps its place"
        );
    }
}
