//! The effects of a connection's encryption on its session.

use super::Session;
use crate::engine::client::Client;
use crate::engine::encryption::EncryptionEvent;
use crate::engine::message::{CloseReason, EventKind, Timestamp};
use crate::engine::text::quote;
use crate::engine::{EngineState, allow, words};

impl Session {
    // Rare, so not inlined: otherwise every input would save registers for it.
    #[cold]
    #[inline(never)]
    pub(in crate::engine) fn handle_encryption(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        event: EncryptionEvent<'_>,
    ) {
        match event {
            EncryptionEvent::Begun { how, name } => self.begin_encryption(shared, now, how, name),
            EncryptionEvent::Truncated => self.note(shared, EventKind::Truncated),
            EncryptionEvent::Missing => self.refuse_plain_text(shared, now),
            EncryptionEvent::Failed(why) => self.fail_encryption(shared, now, why),
        }
    }

    /// The handshake is complete. The name in the client's certificate decides whether it is admitted.
    fn begin_encryption(&mut self, shared: &mut EngineState, now: Timestamp, how: &str, name: Option<&str>) {
        self.note(shared, EventKind::Secured(how.to_owned()));
        if let Some(name) = name {
            let client = Client::from(self.remote());
            let shown = quote(name.as_bytes());
            shared.roster.set_certificate_name(now, client, &shown);
            shared.certified.set(self.peer(), name.into());
            self.note(shared, EventKind::Identified(shown));
        }
        let allowed = self.binding().allowed.as_ref();
        if !self.is_serving() {
            return;
        }
        if !allowed.is_none_or(|allowed| allowed.lets_in_name(name)) {
            self.dialogue.outbox.clear();
            let service = self.dialogue.service();
            let words = allow::refusal_of_name(name);
            self.dialogue.refuse(shared, now, service, CloseReason::NameNotAllowed, &words);
            self.dialogue.outbox.end_pause();
        } else {
            self.dialogue.come_to_talk(shared);
        }
    }

    /// The peer speaks plain text on an encrypted endpoint. It gets only this error, even if more was queued.
    fn refuse_plain_text(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.outbox.clear();
        self.dialogue.end_lines_with_lf();
        self.dialogue.fail(shared, now, CloseReason::PeerInClear, words::SPEAKS_TLS.to_owned());
        self.dialogue.outbox.end_pause();
    }

    /// The encryption failed: nothing more can be sent, and the peer leaves.
    fn fail_encryption(&mut self, shared: &mut EngineState, now: Timestamp, why: &str) {
        self.dialogue.note(shared, EventKind::Unsecured(why.to_owned()));
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::PeerUnsecured, None);
        }
        self.dialogue.outbox.clear();
    }

    /// Another process continues the other connections; this peer gets a message about the restart.
    pub(in crate::engine) fn part_at_restart(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::Stopping, Some(words::RESTARTING));
        }
        if self.dialogue.encoding().is_paced() {
            self.dialogue.outbox.join(); // there is no time for pauses
        }
    }
}
