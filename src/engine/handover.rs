//! How the engine survives a restart: its state for the next process, piece by piece, and how that process restores it.

use std::collections::HashMap;
use std::rc::Rc;

use super::Engine;
use super::effect::SessionEvent;
use super::machines::Machine;
use super::message::{Binding, ConnectionId, Output, Timestamp};
use super::record::SavedSession;
use super::record::piece::{Content, Piece};
use super::session::Session;
use crate::engine::record::SavedLog;

/// A hand-over, during which nothing changes: a piece for the room, one for each machine, one for each session, and the end.
#[derive(Debug)]
pub struct Handover<'e> {
    engine: &'e Engine,
    now: Timestamp,
    /// The bindings of sessions, each with its number.
    bindings: Vec<&'e Rc<Binding>>,
    numbers: HashMap<*const Binding, u32>,
    sessions: usize,
}

impl Engine {
    /// Begins to hand over. Sessions without a piece are not carried over.
    pub fn hand_over(&self, now: Timestamp) -> Handover<'_> {
        let (mut bindings, mut numbers) = (Vec::new(), HashMap::new());
        for session in self.sessions.iter() {
            numbers.entry(Rc::as_ptr(session.binding())).or_insert_with(|| {
                bindings.push(session.binding());
                bindings.len() as u32 - 1
            });
        }
        Handover { engine: self, now, bindings, numbers, sessions: 0 }
    }

    /// Takes the machines' reports of the previous process.
    pub fn restore_machines(&mut self, now: Timestamp, saved: Vec<(String, Machine)>) {
        self.shared.machines.restore(now, saved, self.shared.settings.machines_max);
    }

    /// Continues the work of the previous process: `present` are sessions with their connections, `missing` are those without. A
    /// session in an impossible state is closed.
    pub fn restore(
        &mut self,
        now: Timestamp,
        (history, log): (Vec<String>, SavedLog),
        present: Vec<(ConnectionId, SavedSession)>,
        missing: Vec<SavedSession>,
    ) {
        self.shared.room.restore_history(history);
        self.shared.room.restore_log(log);
        let (mut present, unsound): (Vec<_>, Vec<_>) =
            present.into_iter().partition(|(_, saved)| saved.is_sound());
        unsound.into_iter().for_each(|(peer, _)| self.outputs.push(Output::Close(peer)));
        present.sort_by_key(|(_, saved)| saved.joined());
        let mut peers = Vec::with_capacity(present.len());
        let mut nameless = Vec::new();
        for (peer, saved) in present {
            let name = saved.name().map(str::to_owned);
            let Some(session) = Session::restore(&mut self.shared, now, peer, saved) else { continue };
            nameless.extend(name.filter(|_| session.member_id().is_none()).map(|name| (peer, name)));
            self.sessions.insert(session);
            peers.push(peer);
        }
        for peer in self.shared.talk.take_orphaned() {
            self.with(now, peer, |session, shared| session.handle_event(shared, now, SessionEvent::Left));
        }
        missing.iter().filter_map(SavedSession::name).for_each(|name| self.shared.room.announce_left(name));
        for (peer, name) in nameless {
            self.shared.room.announce_left(&name);
            self.with(now, peer, |session, shared| session.lose_name(shared, &name));
        }
        for peer in peers {
            self.with(now, peer, |session, shared| session.resume(shared, now));
            // The previous process has seen the end of its stream.
            if self.sessions.get(peer).is_some_and(Session::is_at_end) {
                self.outputs.push(Output::Reading(peer, false));
            }
        }
        self.apply_effects(now);
    }
}

impl<'e> Handover<'e> {
    /// The first piece.
    pub fn head(&self) -> Piece<'e> {
        let bindings = self.bindings.iter().map(|binding| Binding::clone(binding)).collect();
        let (base, log) = self.engine.shared.room.save_log();
        let history = self.engine.shared.room.history().flat_map(|line| [line.as_bytes(), b"\n"]).collect();
        let head = Content::Head {
            now: self.now,
            bindings,
            base,
            #[cfg(feature = "nats")]
            shared: self.engine.sharing().map(|sharing| Box::new(sharing.save())),
        };
        Piece::new(&head, [log, history, Vec::new()])
    }

    /// A piece for each machine that reports.
    pub fn machines(&self) -> impl Iterator<Item = Piece<'e>> {
        self.engine.shared.machines.save().map(|(host, machine, report)| {
            Piece::new(&Content::Machine(host, machine), [vec![report], Vec::new(), Vec::new()])
        })
    }

    /// Every connection, carried over or not.
    pub fn peers(&self) -> impl Iterator<Item = ConnectionId> + use<'e> {
        self.engine.sessions.iter().map(|session| session.peer())
    }

    /// The piece for a session whose descriptor has this number; `None`: it is not carried over.
    pub fn session(&mut self, peer: ConnectionId, number: u64) -> Option<Piece<'e>> {
        let session = self.engine.sessions.get(peer)?;
        let binding = *self.numbers.get(&Rc::as_ptr(session.binding()))?;
        let (saved, mut runs) = session.save(&self.engine.shared, binding)?;
        let lent = &self.engine.lent;
        runs[1].extend(lent.is_to(peer).then(|| lent.bytes()));
        self.sessions += 1;
        Some(Piece::new(&Content::Session(number, Box::new(saved)), runs))
    }

    /// The last piece.
    pub fn end(&self) -> Piece<'e> {
        let machines = self.engine.shared.machines.len();
        Piece::new(&Content::End { machines, sessions: self.sessions }, [const { Vec::new() }; 3])
    }
}
