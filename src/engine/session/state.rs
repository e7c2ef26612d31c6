//! What a session says of itself in a status report, and its part in giving one.

use super::{Phase, Session, State};
use crate::engine::World;
use crate::engine::limits::STATUS_BYTES_LOW;
use crate::engine::message::{Kind, Moment};
use crate::engine::service::status::{ConnectionPart, Progress};

impl Session {
    /// How far the report is that it is being given.
    pub(in crate::engine) fn report(&self) -> Option<Progress> {
        match (&self.phase, &self.state) {
            (Phase::Serving, State::Status(progress)) => *progress,
            _ => None,
        }
    }

    /// Whether its report can go on: it keeps up with reading.
    pub(in crate::engine) fn can_report(&self) -> bool {
        self.report().is_some() && !self.flags.blocked && self.outbox.len() < STATUS_BYTES_LOW
    }

    /// Marks that it stands in the list of those whose report goes on (or no longer); whether it did.
    pub(in crate::engine) fn mark_reporting(&mut self, reporting: bool) -> bool {
        std::mem::replace(&mut self.flags.reporting, reporting)
    }

    /// The next piece of its report; `None`: it was the last.
    pub(in crate::engine) fn go_on_reporting(
        &mut self,
        world: &mut World,
        now: Moment,
        text: &[u8],
        progress: Option<Progress>,
    ) {
        self.outbox.push(text);
        self.state = State::Status(progress);
        self.resume(world, now);
    }

    /// What a status report says of it.
    pub(in crate::engine) fn describe<'a>(&'a self, world: &'a World, now: Moment) -> ConnectionPart<'a> {
        let state = match (&self.phase, &self.state) {
            (Phase::Draining(..), _) => "draining",
            (Phase::Parting(..), _) => "parting",
            (Phase::Lingering(..), _) => "lingering",
            (Phase::Serving, State::Mux) => "choosing",
            (Phase::Serving, State::Chat(Err(_))) => "naming",
            (Phase::Serving, State::Talk(_)) if self.is_alone(world) => "waiting",
            (Phase::Serving, _) => "serving",
        };
        let reason = match self.phase {
            Phase::Serving => None,
            Phase::Draining(reason, _) | Phase::Parting(reason, _) | Phase::Lingering(reason, _) => {
                Some(reason.to_string())
            }
        };
        let kind = match self.framing.kind() {
            Some(Kind::Line) => Some("line"),
            Some(Kind::Raw) => Some("raw"),
            Some(Kind::Packet) => Some("packets"),
            None => None,
        };
        ConnectionPart {
            service: self.service().name(),
            endpoint: &self.door.endpoint,
            peer: self.origin.to_string(),
            kind,
            state,
            reason,
            name: self.seat().map(|seat| world.room.name(seat)),
            age: now.since(self.opened).as_secs_f64(),
            idle: now.since(self.active).as_secs_f64(),
            inbox: self.inbox.len(),
            outbox: self.outbox.len(),
            behind: self.seat().map_or(0, |seat| world.room.behind(seat)),
        }
    }
}
