//! A session's part in a status report: its own entry, and how it receives one.

use super::Session;
use super::dialogue::{Dialogue, Phase, State};
use crate::engine::EngineState;
use crate::engine::codec::websocket;
use crate::engine::limits::STATUS_BYTES_LOW;
use crate::engine::message::{FramingMode, Timestamp};
use crate::engine::service::status::{ConnectionPart, Progress};
use crate::engine::text::quote;

/// More bytes than the head of any frame to a client.
const FRAME_HEAD_BYTES: usize = 10;

impl Session {
    /// The progress of the current report.
    pub(in crate::engine) fn report(&self) -> Option<Progress> {
        self.dialogue.report()
    }

    /// Whether the page's token admitted it: on the page, nobody else gets a report.
    pub(in crate::engine) fn has_shown_token(&self) -> bool {
        self.dialogue.transport().is_web
    }

    /// Whether its report can go on: the peer reads fast enough.
    pub(in crate::engine) fn can_report(&self) -> bool {
        self.report().is_some()
            && !self.dialogue.is_blocked()
            && self.dialogue.outbox.len() < STATUS_BYTES_LOW
    }

    /// Queues the next piece of its report; `None`: this was the last one.
    pub(in crate::engine) fn go_on_reporting(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        text: &[u8],
        progress: Option<Progress>,
    ) {
        match self.dialogue.kind {
            Some(FramingMode::WebSocket) => self.push_fragment(text, progress.is_none()),
            _ => self.dialogue.outbox.push(text),
        }
        if let State::Page(Some(request)) = self.dialogue.state {
            self.dialogue.end_metrics(shared, now, request);
        } else {
            self.dialogue.state = State::Status(progress);
        }
        self.resume(shared, now);
    }

    /// Queues a piece of a report in a WebSocket, where the whole report is one message.
    #[cold]
    fn push_fragment(&mut self, text: &[u8], is_last: bool) {
        let is_first =
            matches!(self.dialogue.state, State::Status(Some(Progress::Begun | Progress::ClientsAlone)));
        if is_last || !text.is_empty() {
            let mut frame = Vec::with_capacity(text.len() + FRAME_HEAD_BYTES);
            websocket::encode_fragment(text, is_first, is_last, &mut frame);
            self.dialogue.outbox.push(&frame);
        }
    }

    /// Its entry in a status report.
    pub(in crate::engine) fn describe<'a>(
        &'a self,
        shared: &'a EngineState,
        now: Timestamp,
    ) -> ConnectionPart<'a> {
        let dialogue = &self.dialogue;
        let state = match (&dialogue.phase, &dialogue.state) {
            (Phase::Draining(..), _) => "draining",
            (Phase::AwaitingReset(..), _) => "closing",
            (Phase::Lingering(..), _) => "lingering",
            (Phase::Serving, State::Mux) => "choosing",
            (Phase::Serving, State::Chat(Err(_))) => "naming",
            (Phase::Serving, State::Joining) => "joining",
            (Phase::Serving, State::Talk(_)) if dialogue.is_alone(shared) => "waiting",
            (Phase::Serving | Phase::Withdrawn, _) => "serving",
        };
        let reason = match dialogue.phase {
            Phase::Serving | Phase::Withdrawn => None,
            Phase::Draining(reason, _) | Phase::AwaitingReset(reason, _) | Phase::Lingering(reason, _) => {
                Some(reason.to_string())
            }
        };
        let kind = dialogue.kind.map(FramingMode::name);
        ConnectionPart {
            service: self.service().name(),
            endpoint: &dialogue.binding.endpoint,
            peer: dialogue.remote.to_string(),
            kind,
            state,
            reason,
            name: self.member_id().map(|member_id| shared.room.name(member_id)),
            certificate: shared.certified.get(dialogue.peer).map(|name| quote(name.as_bytes())),
            age: now.since(dialogue.opened).as_secs_f64(),
            idle: now.since(dialogue.active).as_secs_f64(),
            inbox: self.intake.len(),
            outbox: dialogue.outbox.len(),
            behind: self.member_id().map_or(0, |member_id| shared.room.behind(member_id)),
        }
    }
}

impl Dialogue {
    pub(super) fn report(&self) -> Option<Progress> {
        match (&self.phase, &self.state) {
            (Phase::Serving | Phase::Withdrawn, State::Status(progress)) => *progress,
            (Phase::Serving | Phase::Withdrawn, State::Page(request)) => request.map(Progress::Metrics),
            _ => None,
        }
    }
}
