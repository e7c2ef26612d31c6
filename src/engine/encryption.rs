//! What the encryption of a connection means for its session.

use super::Engine;
use super::message::{ConnectionId, EventKind, Timestamp};
use super::secrecy::Secrecy;

impl Engine {
    pub(super) fn handle_secrecy(&mut self, now: Timestamp, peer: ConnectionId, secrecy: Secrecy<'_>) {
        self.with(now, peer, |session, shared| match secrecy {
            Secrecy::Begun(how) => session.note(shared, EventKind::Secured(how.to_owned())),
            Secrecy::Truncated => session.note(shared, EventKind::Truncated),
            Secrecy::Missing => session.refuse_plain_text(shared, now),
            Secrecy::Failed(why) => session.give_up_secrecy(shared, now, why),
        });
    }
}
