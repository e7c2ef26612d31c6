//! A session's part in a status report: its own entry, and how it receives one.

use super::Session;
use super::dialogue::{Dialogue, Phase, State};
use crate::engine::EngineState;
use crate::engine::limits::STATUS_BYTES_LOW;
use crate::engine::message::{FramingMode, Timestamp};
use crate::engine::service::status::{ConnectionPart, Progress};
use crate::engine::text::quote;

impl Session {
    /// The progress of the current report.
    pub(in crate::engine) fn report(&self) -> Option<Progress> {
        self.dialogue.report()
    }

    /// Whether its report can go on: it reads fast enough.
    pub(in crate::engine) fn can_report(&self) -> bool {
        self.report().is_some()
            && !self.dialogue.is_blocked()
            && self.dialogue.outbox.len() < STATUS_BYTES_LOW
    }

    /// The next piece of its report; `None`: this was the last.
    pub(in crate::engine) fn go_on_reporting(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        text: &[u8],
        progress: Option<Progress>,
    ) {
        self.dialogue.outbox.push(text);
        if let State::Page(Some(request)) = self.dialogue.state {
            self.dialogue.end_metrics(shared, now, request);
        } else {
            self.dialogue.state = State::Status(progress);
        }
        self.resume(shared, now);
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
