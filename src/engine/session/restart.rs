//! What a session writes into the record of a restart, and how it is restored.

use std::rc::Rc;

use thin_vec::ThinVec;

use super::Session;
use super::dialogue::{Dialogue, Heard, Phase, Sending, State, Talk};
use super::intake::{Burst, Intake, Taking};
use super::unreported::Unreported;
use crate::engine::EngineState;
use crate::engine::message::{ConnectionId, Timestamp};
use crate::engine::ready_list::Membership;
use crate::engine::record::piece::RUNS;
use crate::engine::record::{BindingOf, SavedPhase, SavedSession, SavedState};
use crate::engine::service::Service;
use crate::engine::timer_queue::Timer;

impl Session {
    /// What the next process must know of it, with the number of its binding, and separately the bytes of its queues; `None`: it is
    /// not carried over.
    pub(in crate::engine) fn save<'s>(
        &'s self,
        shared: &'s EngineState,
        binding: u32,
    ) -> Option<(SavedSession, [Vec<&'s [u8]>; RUNS])> {
        let dialogue = &self.dialogue;
        let mut direct_messages = Vec::new();
        let state = match &dialogue.state {
            State::Outside
            | State::Control
            | State::Ordered
            | State::Guarded(_)
            | State::Status(_)
            | State::Watch(_)
            | State::Page(Some(_)) => return None,
            State::Multiply | State::Advised => SavedState::Multiply,
            State::Greeting => SavedState::Greeting,
            State::Mux => SavedState::Mux,
            State::Page(None) => SavedState::Page,
            State::Plain(service) => SavedState::Plain(*service),
            State::Stats(telling) => SavedState::Stats(telling.as_deref().cloned()),
            State::Talk(talk) => match talk.end() {
                None => SavedState::Parted,
                Some(pair_end) if shared.talk.partner(pair_end).is_none() => SavedState::Waiting,
                Some(pair_end) => SavedState::Talking(pair_end.pair()),
            },
            State::Chat(_) if !self.is_serving() => SavedState::Left,
            State::Joining => match shared.room.newcomer(dialogue.peer) {
                Some((name, rest)) => SavedState::Joining(name.to_owned(), rest.to_owned()),
                None => SavedState::Left,
            },
            State::Chat(Err(since)) => match shared.guests.get(dialogue.peer) {
                Some(guest) => SavedState::Guest(*since, guest.clone()),
                None => SavedState::Nameless(*since),
            },
            State::Chat(Ok(member_id)) => {
                let (name, joined, progress) = shared.room.save_member(*member_id, &mut direct_messages);
                let claim = shared.room.claim(*member_id).cloned().map(Box::new);
                SavedState::Member { name, joined, progress: Some(progress), claim }
            }
        };
        let phase = match dialogue.phase {
            Phase::Serving | Phase::Withdrawn => SavedPhase::Serving,
            Phase::Draining(reason, since) => SavedPhase::Draining(reason, since),
            Phase::AwaitingReset(reason, until) => SavedPhase::AwaitingReset(reason, until),
            Phase::Lingering(reason, until) => SavedPhase::Lingering(reason, until),
        };
        let runs = [vec![self.intake.bytes()], vec![dialogue.outbox.waiting()], direct_messages];
        let saved = dialogue.is_counted().then(|| SavedSession {
            binding: BindingOf::Number(binding),
            remote: dialogue.remote,
            state,
            phase,
            kind: dialogue.kind,
            guess: self.intake.guess.clone(),
            framing: None,
            inbox: ThinVec::new(),
            outbox: dialogue.outbox.without_bytes(),
            direct_messages: Vec::new(),
            opened: dialogue.opened,
            begun: self.intake.begun(),
            active: dialogue.active,
            ended: self.intake.has_ended(),
            tail_is_message: !self.intake.goes_on(),
            stalled: self.intake.is_stalled(),
            first_message_seen: dialogue.heard == Heard::Message,
            skipping: self.intake.is_skipping(),
            advised: matches!(dialogue.state, State::Advised),
        });
        Some((saved?, runs))
    }

    /// Restores a session of the previous process; `None`: its endpoint is unknown. A member returns to the room without an
    /// announcement.
    pub(in crate::engine) fn restore(
        shared: &mut EngineState,
        now: Timestamp,
        peer: ConnectionId,
        saved: SavedSession,
    ) -> Option<Session> {
        let binding = Rc::clone(saved.binding()?);
        let state = match restore_state(shared, now, peer, saved.state, &saved.direct_messages) {
            State::Multiply if saved.advised => State::Advised,
            state => state,
        };
        let phase = saved.phase.into();
        let burst = match (saved.ended, saved.tail_is_message) {
            (true, _) if saved.guess.signals_its_end() => Burst::EndOfInput, // its stream tells again if it has ended
            (true, _) => Burst::EndOfStream,
            (false, true) => Burst::Ended,
            (false, false) => Burst::GoesOn { full_reads: 0 },
        };
        // The waiting bytes may be private, which the record does not say.
        let mut outbox = saved.outbox;
        if matches!(state, State::Chat(_) | State::Joining) && !outbox.is_empty() {
            outbox.mark_private();
        }
        let is_standing = binding.transport.is_standing();
        let dialogue = Dialogue {
            held: 0,
            membership: Membership::default(),
            unreported: Unreported::default(),
            peer,
            binding,
            remote: saved.remote,
            opened: saved.opened,
            active: saved.active,
            state,
            phase,
            kind: saved.kind,
            outbox,
            // It may have sent something, so watchers are not told about its silence.
            heard: if saved.first_message_seen || is_standing { Heard::Message } else { Heard::Bytes },
            sending: Sending::default(),
        };
        let taking = match (saved.skipping, saved.stalled) {
            (true, _) => Taking::RestOfOverlong,
            (false, true) => Taking::Nothing,
            (false, false) => Taking::Messages,
        };
        let intake = Intake::restore(saved.inbox, saved.guess, saved.begun, burst, taking);
        let session = Session { timer: Timer::default(), intake, dialogue };
        if let (true, Some(member_id)) = (session.is_lossy(), session.member_id()) {
            shared.room.set_lossy(member_id);
        }
        shared.connection_counts.count(session.service(), session.remote());
        session.dialogue.enter_roster(shared, now);
        if let Some(member_id) = session.member_id() {
            let name = shared.room.name(member_id).to_owned();
            shared.roster.set_name(now, session.dialogue.client(), &name);
        }
        Some(session)
    }
}

/// The state of its service.
fn restore_state(
    shared: &mut EngineState,
    now: Timestamp,
    peer: ConnectionId,
    saved: SavedState,
    direct_messages: &[u8],
) -> State {
    match saved {
        SavedState::Multiply => State::Multiply,
        SavedState::Greeting => State::Greeting,
        SavedState::Mux => State::Mux,
        SavedState::Page => State::Page(None),
        SavedState::Plain(service) => State::Plain(service),
        SavedState::Hello => State::Plain(Service::Hello),
        SavedState::Stats(telling) => State::Stats(telling.map(Box::new)),
        SavedState::Waiting => State::Talk(Talk::Here(shared.talk.join(peer))),
        SavedState::Talking(line) => State::Talk(Talk::Here(shared.talk.restore(peer, line))),
        SavedState::Parted => State::Talk(Talk::Over),
        SavedState::Left => State::Chat(Err(now)),
        SavedState::Nameless(since) => State::Chat(Err(since)),
        SavedState::Joining(name, rest) => match shared.room.wait_again(peer, &name, &rest) {
            true => State::Joining,
            false => State::Chat(Err(now)),
        },
        SavedState::Guest(since, guest) => {
            shared.guests.set(peer, guest);
            State::Chat(Err(since))
        }
        SavedState::Member { name, joined, progress, claim } => {
            let member_id = shared.room.restore_member(peer, &name, joined);
            if let (Some(member_id), Some(claim)) = (member_id, claim) {
                shared.room.set_claim(member_id, *claim);
            }
            if let (Some(member_id), Some(progress)) = (member_id, progress) {
                shared.room.restore_progress(member_id, progress, direct_messages);
            }
            State::Chat(member_id.ok_or(now))
        }
    }
}

impl From<SavedPhase> for Phase {
    fn from(saved: SavedPhase) -> Phase {
        match saved {
            SavedPhase::Serving => Phase::Serving,
            SavedPhase::Draining(reason, since) => Phase::Draining(reason, since),
            SavedPhase::AwaitingReset(reason, until) => Phase::AwaitingReset(reason, until),
            SavedPhase::Lingering(reason, until) => Phase::Lingering(reason, until),
        }
    }
}
