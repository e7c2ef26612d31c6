//! What of a session goes into the record for the process that follows, and how it comes out again.

use std::rc::Rc;

use super::{Flags, Phase, Session, State};
use crate::engine::World;
use crate::engine::deadlines::Alarm;
use crate::engine::message::{Kind, Moment, Peer};
use crate::engine::record::{SavedPhase, SavedSession, SavedState};

impl Session {
    /// All that the process which follows has to know of it; `None`: it is not carried over.
    pub(in crate::engine) fn save(&self, world: &World) -> Option<SavedSession> {
        let mut outbox = self.outbox.clone();
        let state = match &self.state {
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
        let phase = match self.phase {
            Phase::Serving => SavedPhase::Serving,
            Phase::Draining(reason, since) => SavedPhase::Draining(reason, since),
            Phase::Parting(reason, until) => SavedPhase::Parting(reason, until),
            Phase::Lingering(reason, until) => SavedPhase::Lingering(reason, until),
        };
        self.flags.counted.then(|| SavedSession {
            door: Rc::clone(&self.door),
            origin: self.origin,
            state,
            phase,
            framing: self.framing.clone(),
            inbox: self.inbox.clone(),
            outbox,
            opened: self.opened,
            begun: self.begun,
            active: self.active,
            ended: self.flags.ended,
            tail_is_message: self.flags.tail_is_message,
            stalled: self.flags.stalled,
            spoke: self.flags.spoke,
            skipping: self.flags.skipping,
        })
    }

    /// Goes on where the process before left off. A member of the room takes its place there without a word.
    pub(in crate::engine) fn restore(
        world: &mut World,
        now: Moment,
        peer: Peer,
        saved: SavedSession,
    ) -> Session {
        let bare = saved.framing.kind() == Some(Kind::Raw);
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
        let session = Session {
            peer,
            door: saved.door,
            origin: saved.origin,
            alarm: Alarm::default(),
            opened: saved.opened,
            state,
            phase,
            framing: saved.framing,
            inbox: saved.inbox,
            scanned: 0,
            outbox: saved.outbox,
            begun: saved.begun,
            active: saved.active,
            held: 0,
            flags: Flags {
                ended: saved.ended,
                tail_is_message: saved.tail_is_message,
                stalled: saved.stalled,
                spoke: saved.spoke,
                skipping: saved.skipping,
                counted: true,
                heard: true, // perhaps: nobody is told of its silence
                ..Flags::default()
            },
        };
        if let (true, Some(seat)) = (session.is_on_fifo(), session.seat()) {
            world.room.set_lossy(seat);
        }
        world.census.count(session.service(), session.origin);
        session
    }
}
