//! What is ready: the kernel tells of an edge once, so it is remembered until a call says WouldBlock. Each entry gets one
//! budget of work a turn, in the order of arrival, so that nobody starves.

use std::collections::VecDeque;
use std::fs::File;

use super::slots::{Slot, Source};
use crate::engine::message::ConnectionId;

/// The ready list.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<Source>,
    /// Listeners that could not accept for want of a descriptor or memory.
    accept_paused: Vec<usize>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A listener, unless it is in the list. Each has one event a turn at most, so that the list may be looked through.
    pub(super) fn push(&mut self, source: Source) {
        if !self.queue.contains(&source) {
            self.queue.push_back(source);
        }
    }

    /// A peer, unless it is in the list.
    pub(super) fn push_peer(&mut self, peer: ConnectionId, slot: &mut Slot) {
        if !std::mem::replace(&mut slot.queued, true) {
            self.queue.push_back(Source::ConnectionId(peer));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Source> {
        self.queue.pop_front()
    }

    /// This listener has to wait until something is freed.
    pub(super) fn starve(&mut self, listener_slot: usize) {
        if !self.accept_paused.contains(&listener_slot) {
            self.accept_paused.push(listener_slot);
        }
    }

    /// Something was freed, or time has passed.
    pub(super) fn retry_starved(&mut self) {
        for listener_slot in std::mem::take(&mut self.accept_paused) {
            self.push(Source::ListenerSlot(listener_slot));
        }
    }
}

/// A descriptor kept for the moment when there is no other: given back, it makes room for accepting one connection and
/// telling it so.
#[derive(Debug)]
pub(super) struct ReserveFd(Option<File>);

impl ReserveFd {
    pub(super) fn new() -> ReserveFd {
        ReserveFd(File::open("/dev/null").ok())
    }

    /// Gives the descriptor back to the system; whether there was one.
    pub(super) fn lend(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes one again, if there is one.
    pub(super) fn restore(&mut self) {
        if self.0.is_none() {
            *self = ReserveFd::new();
        }
    }
}
