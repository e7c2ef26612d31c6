//! What of a session goes into the record for the process that follows, and how it comes out again.

use std::rc::Rc;

use thin_vec::ThinVec;

use super::dialogue::{Dialogue, Facts, Heard, Phase, State};
use super::intake::{Burst, Intake};
use super::{Lists, Session};
use crate::engine::EngineState;
use crate::engine::message::{ConnectionId, Timestamp};
use crate::engine::record::piece::RUNS;
use crate::engine::record::{BindingOf, SavedPhase, SavedSession, SavedState};
use crate::engine::service::Service;
use crate::engine::timer_queue::Timer;

impl Session {
    /// All that the process which follows has to know of it, with the number of its binding, and beside it the bytes of its
    /// queues; `None`: it is not carried over.
    pub(in crate::engine) fn save<'s>(
        &'s self,
        world: &'s EngineState,
        binding: u32,
    ) -> Option<(SavedSession, [Vec<&'s [u8]>; RUNS])> {
        let dialogue = &self.dialogue;
        let mut asides = Vec::new();
        let state = match &dialogue.state {
            State::Outside | State::Control | State::Status(_) | State::Watch(_) => return None,
            State::Multiply => SavedState::Multiply,
            State::Greeting => SavedState::Greeting,
            State::Mux => SavedState::Mux,
            State::Plain(service) => SavedState::Plain(*service),
            State::Stats(telling) => SavedState::Stats(telling.as_deref().cloned()),
            State::Talk(None) => SavedState::Parted,
            State::Talk(Some(chair)) if world.talk.partner(*chair).is_none() => SavedState::Waiting,
            State::Talk(Some(chair)) => SavedState::Talking(chair.line()),
            State::Chat(_) if !self.is_serving() => SavedState::Left,
            State::Chat(Err(since)) => match world.guests.get(dialogue.peer) {
                Some(guest) => SavedState::Guest(*since, guest.clone()),
                None => SavedState::Nameless(*since),
            },
            State::Chat(Ok(seat)) => {
                let (name, joined, place) = world.room.save_member(*seat, &mut asides);
                let claim = world.room.claim(*seat).cloned().map(Box::new);
                SavedState::Member { name, joined, place: Some(place), claim }
            }
        };
        let phase = match dialogue.phase {
            Phase::Serving => SavedPhase::Serving,
            Phase::Draining(reason, since) => SavedPhase::Draining(reason, since),
            Phase::Parting(reason, until) => SavedPhase::Parting(reason, until),
            Phase::Lingering(reason, until) => SavedPhase::Lingering(reason, until),
        };
        let runs = [vec![self.intake.bytes()], vec![dialogue.outbox.waiting()], asides];
        let saved = dialogue.flags.counted.then(|| SavedSession {
            binding: BindingOf::Number(binding),
            origin: dialogue.origin,
            state,
            phase,
            kind: dialogue.kind,
            guess: self.intake.guess.clone(),
            framing: None,
            inbox: ThinVec::new(),
            outbox: dialogue.outbox.without_bytes(),
            asides: Vec::new(),
            opened: dialogue.opened,
            begun: self.intake.begun(),
            active: dialogue.active,
            ended: self.intake.has_ended(),
            tail_is_message: !self.intake.goes_on(),
            stalled: self.intake.stalled,
            spoke: dialogue.heard == Heard::Message,
            skipping: self.intake.is_skipping(),
        });
        Some((saved?, runs))
    }

    /// Goes on where the process before left off; `None`: it came in nowhere that is known. A member of the room takes its
    /// place there without a word.
    pub(in crate::engine) fn restore(
        world: &mut EngineState,
        now: Timestamp,
        peer: ConnectionId,
        saved: SavedSession,
    ) -> Option<Session> {
        let binding = Rc::clone(saved.binding()?);
        let state = match saved.state {
            SavedState::Multiply => State::Multiply,
            SavedState::Greeting => State::Greeting,
            SavedState::Mux => State::Mux,
            SavedState::Plain(service) => State::Plain(service),
            SavedState::Hello => State::Plain(Service::Hello),
            SavedState::Stats(telling) => State::Stats(telling.map(Box::new)),
            SavedState::Waiting => State::Talk(Some(world.talk.sit(peer))),
            SavedState::Talking(line) => State::Talk(Some(world.talk.restore(peer, line))),
            SavedState::Parted => State::Talk(None),
            SavedState::Left => State::Chat(Err(now)),
            SavedState::Nameless(since) => State::Chat(Err(since)),
            SavedState::Guest(since, guest) => {
                world.guests.set(peer, guest);
                State::Chat(Err(since))
            }
            SavedState::Member { name, joined, place, claim } => {
                let seat = world.room.restore_member(peer, &name, joined);
                if let (Some(seat), Some(claim)) = (seat, claim) {
                    world.room.set_claim(seat, *claim);
                }
                if let (Some(seat), Some(place)) = (seat, place) {
                    world.room.restore_place(seat, place, &saved.asides);
                }
                State::Chat(seat.ok_or(now))
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
        // What waits there may have been told to it alone: it is not known any more.
        let is_confided = matches!(state, State::Chat(_)) && !saved.outbox.is_empty();
        let dialogue = Dialogue {
            held: 0,
            lists: Lists::default(),
            requests: 0,
            errors: 0,
            peer,
            binding,
            origin: saved.origin,
            opened: saved.opened,
            active: saved.active,
            state,
            phase,
            kind: saved.kind,
            outbox: saved.outbox,
            // Perhaps it has said something: nobody is told of its silence.
            heard: if saved.spoke { Heard::Message } else { Heard::Bytes },
            flags: Facts { counted: true, confided: is_confided, ..Facts::default() },
        };
        let mut intake = Intake::restore(saved.inbox, saved.guess, saved.begun, burst, saved.skipping);
        intake.stalled = saved.stalled;
        let session = Session { timer: Timer::default(), intake, dialogue };
        if let (true, Some(seat)) = (session.is_on_fifo(), session.seat()) {
            world.room.set_lossy(seat);
        }
        world.connection_counts.count(session.service(), session.origin());
        session.dialogue.enter_roster(world, now);
        if let Some(seat) = session.seat() {
            let name = world.room.name(seat).to_owned();
            world.roster.set_name(now, session.dialogue.client(), &name);
        }
        Some(session)
    }
}
