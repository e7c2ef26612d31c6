//! What of a session goes into the record for the process that follows, and how it comes out again.

use std::rc::Rc;

use super::dialogue::{Dialogue, Facts, Heard, Phase, State};
use super::intake::{Burst, Intake};
use super::{Lists, Session};
use crate::engine::World;
use crate::engine::deadlines::Alarm;
use crate::engine::message::{Kind, Moment, Peer};
use crate::engine::record::{SavedPhase, SavedSession, SavedState};

impl Session {
    /// All that the process which follows has to know of it; `None`: it is not carried over.
    pub(in crate::engine) fn save(&self, world: &World) -> Option<SavedSession> {
        let dialogue = &self.dialogue;
        let mut outbox = dialogue.outbox.clone();
        let state = match &dialogue.state {
            State::Outside | State::Control | State::Status(_) | State::Watch(_) => return None,
            State::Multiply => SavedState::Multiply,
            State::Greeting => SavedState::Greeting,
            State::Mux => SavedState::Mux,
            State::Hello => SavedState::Hello,
            State::Stats(telling) => SavedState::Stats(telling.as_deref().cloned()),
            State::Talk(None) => SavedState::Parted,
            State::Talk(Some(chair)) if world.talk.partner(*chair).is_none() => SavedState::Waiting,
            State::Talk(Some(chair)) => SavedState::Talking(chair.line()),
            State::Chat(_) if !self.is_serving() => SavedState::Left,
            State::Chat(Err(since)) => SavedState::Nameless(*since),
            State::Chat(Ok(seat)) => {
                let mut unheard = Vec::new();
                let (name, joined) = world.room.save_member(*seat, &mut unheard);
                outbox.push(&unheard);
                SavedState::Member { name, joined }
            }
        };
        let phase = match dialogue.phase {
            Phase::Serving => SavedPhase::Serving,
            Phase::Draining(reason, since) => SavedPhase::Draining(reason, since),
            Phase::Parting(reason, until) => SavedPhase::Parting(reason, until),
            Phase::Lingering(reason, until) => SavedPhase::Lingering(reason, until),
        };
        dialogue.flags.counted.then(|| SavedSession {
            door: Rc::clone(&dialogue.door),
            origin: dialogue.origin,
            state,
            phase,
            kind: dialogue.kind,
            guess: self.intake.guess.clone(),
            inbox: self.intake.bytes().into(),
            outbox,
            opened: dialogue.opened,
            begun: self.intake.begun(),
            active: dialogue.active,
            ended: self.intake.has_ended(),
            tail_is_message: !self.intake.goes_on(),
            stalled: self.intake.stalled,
            spoke: dialogue.heard == Heard::Message,
            skipping: self.intake.is_skipping(),
        })
    }

    /// Goes on where the process before left off. A member of the room takes its place there without a word.
    pub(in crate::engine) fn restore(
        world: &mut World,
        now: Moment,
        peer: Peer,
        saved: SavedSession,
    ) -> Session {
        let bare = saved.kind == Some(Kind::Raw);
        let state = match saved.state {
            SavedState::Multiply => State::Multiply,
            SavedState::Greeting => State::Greeting,
            SavedState::Mux => State::Mux,
            SavedState::Hello => State::Hello,
            SavedState::Stats(telling) => State::Stats(telling.map(Box::new)),
            SavedState::Waiting => State::Talk(Some(world.talk.sit(peer))),
            SavedState::Talking(line) => State::Talk(Some(world.talk.restore(peer, line))),
            SavedState::Parted => State::Talk(None),
            SavedState::Left => State::Chat(Err(now)),
            SavedState::Nameless(since) => State::Chat(Err(since)),
            SavedState::Member { name, joined } => {
                State::Chat(world.room.restore_member(peer, &name, joined, bare).ok_or(now))
            }
        };
        let phase = match saved.phase {
            SavedPhase::Serving => Phase::Serving,
            SavedPhase::Draining(reason, since) => Phase::Draining(reason, since),
            SavedPhase::Parting(reason, until) => Phase::Parting(reason, until),
            SavedPhase::Lingering(reason, until) => Phase::Lingering(reason, until),
        };
        let burst = match (saved.ended, saved.tail_is_message) {
            (true, _) => Burst::EndOfStream,
            (false, true) => Burst::Ended,
            (false, false) => Burst::GoesOn { full_reads: 0 },
        };
        let dialogue = Dialogue {
            peer,
            door: saved.door,
            origin: saved.origin,
            opened: saved.opened,
            active: saved.active,
            state,
            phase,
            kind: saved.kind,
            outbox: saved.outbox,
            // Perhaps it has said something: nobody is told of its silence.
            heard: if saved.spoke { Heard::Message } else { Heard::Bytes },
            flags: Facts { counted: true, ..Facts::default() },
        };
        let mut intake = Intake::restore(saved.inbox, saved.guess, saved.begun, burst, saved.skipping);
        intake.stalled = saved.stalled;
        let session = Session { alarm: Alarm::default(), intake, dialogue, held: 0, lists: Lists::default() };
        if let (true, Some(seat)) = (session.is_on_fifo(), session.seat()) {
            world.room.set_lossy(seat);
        }
        world.census.count(session.service(), session.origin());
        session
    }
}
