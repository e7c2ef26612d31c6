//! The ready descriptors. The kernel reports an edge once, so it is remembered until a call returns WouldBlock. Each entry gets one
//! budget of work a turn, in order of arrival, so that none starves.

use std::collections::VecDeque;
use std::fs::File;

use super::slots::{Slot, Source};
use crate::engine::message::ConnectionId;

/// The ready list.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<Source>,
    /// Listeners that could not accept for lack of a descriptor or memory.
    accept_paused: Vec<usize>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a listener, unless it is in the list. Each has at most one event a turn, so searching the list is cheap enough.
    pub(super) fn push(&mut self, source: Source) {
        if !self.queue.contains(&source) {
            self.queue.push_back(source);
        }
    }

    /// Adds a peer, unless it is in the list.
    pub(super) fn push_peer(&mut self, peer: ConnectionId, slot: &mut Slot) {
        if !std::mem::replace(&mut slot.queued, true) {
            self.queue.push_back(Source::ConnectionId(peer));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Source> {
        self.queue.pop_front()
    }

    /// Pauses a listener until a descriptor or memory is free.
    pub(super) fn starve(&mut self, listener_slot: usize) {
        if !self.accept_paused.contains(&listener_slot) {
            self.accept_paused.push(listener_slot);
        }
    }

    /// Tries paused listeners again: something was freed, or time has passed.
    pub(super) fn retry_starved(&mut self) {
        for listener_slot in std::mem::take(&mut self.accept_paused) {
            self.push(Source::ListenerSlot(listener_slot));
        }
    }
}

/// A reserve descriptor. It is freed when no other one is left, to accept one connection and send it an error.
#[derive(Debug)]
pub(super) struct ReserveFd(Option<File>);

impl ReserveFd {
    pub(super) fn new() -> ReserveFd {
        ReserveFd(File::open("/dev/null").ok())
    }

    /// Frees the descriptor; returns whether there was one.
    pub(super) fn lend(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Opens it again, if possible.
    pub(super) fn restore(&mut self) {
        if self.0.is_none() {
            *self = ReserveFd::new();
        }
    }
}
