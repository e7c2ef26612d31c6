//! How the events of a connection's encryption affect its session.

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
            EncryptionEvent::Failed(reason) => self.fail_encryption(shared, now, reason),
        }
    }

    /// Handles a complete handshake. The name in the client's certificate decides whether the client is admitted.
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

    /// Handles plain text on an encrypted endpoint. The peer gets only this error, even if more was queued.
    fn refuse_plain_text(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.outbox.clear();
        self.dialogue.end_lines_with_lf();
        self.dialogue.fail(shared, now, CloseReason::PeerInClear, words::SPEAKS_TLS.to_owned());
        self.dialogue.outbox.end_pause();
    }

    /// Handles failed encryption: nothing more can be sent, and the session ends.
    fn fail_encryption(&mut self, shared: &mut EngineState, now: Timestamp, reason: &str) {
        self.dialogue.note(shared, EventKind::Unsecured(reason.to_owned()));
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::PeerUnsecured, None);
        }
        self.dialogue.outbox.clear();
    }

    /// Closes it with a message about the restart, while another process continues the other connections.
    pub(in crate::engine) fn part_at_restart(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::Stopping, Some(words::RESTARTING));
        }
        if self.dialogue.encoding().is_paced() {
            self.dialogue.outbox.join(); // the process ends before a pause would
        }
    }
}
