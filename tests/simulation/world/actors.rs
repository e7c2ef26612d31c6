//! The table of peers. As in the reactor, a place is used again with another generation, and not in the same turn.

use ipcd::engine::message::ConnectionId;

use crate::peer::Actor;

#[derive(Default)]
pub struct Actors {
    slots: Vec<Option<Actor>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    /// Freed in this turn.
    freed: Vec<u32>,
}

impl Actors {
    /// A place for the peer that comes next.
    pub fn reserve(&mut self) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            self.slots.len() as u32 - 1
        });
        let generation = &mut self.generations[index as usize];
        *generation += 1;
        ConnectionId { index, generation: *generation }
    }

    /// Puts a peer into its place.
    pub fn put(&mut self, actor: Actor) {
        let index = actor.peer.index as usize;
        self.slots[index] = Some(actor);
    }

    /// `None`: it is gone, and its place may belong to another one.
    pub fn get_mut(&mut self, peer: ConnectionId) -> Option<&mut Actor> {
        self.slots.get_mut(peer.index as usize)?.as_mut().filter(|actor| actor.peer == peer)
    }

    pub fn remove(&mut self, peer: ConnectionId) -> Option<Actor> {
        let actor = self.slots[peer.index as usize].take().filter(|actor| actor.peer == peer)?;
        self.freed.push(peer.index);
        Some(actor)
    }

    /// Ends the turn: places that were freed in it can be used again.
    pub fn finish_turn(&mut self) {
        self.free.append(&mut self.freed);
    }

    /// The number of places, used or not.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    pub fn at_mut(&mut self, index: usize) -> Option<&mut Actor> {
        self.slots[index].as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Actor> + Clone {
        self.slots.iter().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Actor> {
        self.slots.iter_mut().flatten()
    }

    pub fn count(&self) -> usize {
        self.iter().count()
    }
}
