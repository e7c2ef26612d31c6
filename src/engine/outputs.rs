//! The engine's requests to the reactor, in two classes. Urgent ones are executed before another peer is read from. The others wait
//! for the end of the turn, so that one write carries all messages of the turn.

use std::collections::VecDeque;

use super::limits::FLUSHES_PER_TURN;
use super::message::{ConnectionId, Output, Request};
use super::ready_list::{For, ReadyList};
use super::room::{ListedMember, Room};
use super::session::Session;
use super::session_table::SessionTable;

/// The queue, in the order in which it is polled.
#[derive(Debug)]
pub(super) struct OutputQueue {
    /// Urgent requests.
    urgent: VecDeque<Output>,
    /// Urgent, after those: peers with a reply to send.
    replies: ReadyList,
    /// At the end of the turn: requests to the daemon.
    requests: VecDeque<(ConnectionId, Request)>,
    /// At the end of the turn, after these: members of the room with something new to receive.
    ready_members: VecDeque<ListedMember>,
    /// How many of these are still due in this turn.
    flushes_left: usize,
}

impl Default for OutputQueue {
    fn default() -> Self {
        OutputQueue {
            urgent: VecDeque::new(),
            replies: ReadyList::new(For::Reply),
            requests: VecDeque::new(),
            ready_members: VecDeque::new(),
            flushes_left: FLUSHES_PER_TURN,
        }
    }
}

impl OutputQueue {
    /// Begins another turn.
    pub(super) fn begin_turn(&mut self) {
        self.flushes_left = FLUSHES_PER_TURN;
    }

    /// Adds an urgent request.
    pub(super) fn push(&mut self, output: Output) {
        self.urgent.push_back(output);
    }

    /// Adds an urgent request to flush a session that has a reply to send.
    #[inline]
    pub(super) fn push_reply(&mut self, session: &mut Session) {
        self.replies.push(session.peer(), session.membership());
    }

    /// Adds a session's request to the daemon, for the end of the turn.
    pub(super) fn push_request(&mut self, peer: ConnectionId, request: Request) {
        self.requests.push_back((peer, request));
    }

    /// Takes the next urgent request.
    pub(super) fn poll_urgent(&mut self, sessions: &mut SessionTable) -> Option<Output> {
        if let Some(output) = self.urgent.pop_front() {
            return Some(output);
        }
        while !self.replies.is_empty() {
            if let Some(peer) = self.replies.pop(|peer| sessions.membership(peer)) {
                return Some(Output::Flush(peer));
            }
        }
        None
    }

    /// Takes the next request at the end of the turn, once no urgent one is left.
    pub(super) fn poll_end_of_turn(&mut self, room: &mut Room) -> Option<Output> {
        if let Some((peer, request)) = self.requests.pop_front() {
            return Some(Output::Ask(peer, request));
        }
        room.collect_ready(&mut self.ready_members);
        while self.flushes_left > 0
            && let Some(listed) = self.ready_members.pop_front()
        {
            if room.clear_ready(listed) {
                self.flushes_left -= 1;
                return Some(Output::Flush(listed.peer));
            }
        }
        if self.ready_members.is_empty() {
            room.trim_log();
        }
        None
    }

    /// The member of the room whose turn it is, if nothing else comes before it.
    #[inline]
    pub(super) fn next_member(&mut self, room: &mut Room) -> Option<ListedMember> {
        room.collect_ready(&mut self.ready_members);
        let listed = self.ready_members.front()?;
        let is_next = self.urgent.is_empty() && self.replies.is_empty() && self.requests.is_empty();
        (is_next && self.flushes_left > 0).then_some(*listed)
    }

    /// Takes that member off the list.
    #[inline]
    pub(super) fn take_member(&mut self) {
        self.flushes_left -= 1;
        self.ready_members.pop_front();
    }

    /// Whether every member of the room has been offered what there is.
    pub(super) fn is_room_heard(&self) -> bool {
        self.ready_members.is_empty()
    }

    /// Peers with a reply to send.
    pub(super) fn replies(&self) -> &ReadyList {
        &self.replies
    }

    /// Members of the room with something to receive, in order.
    pub(super) fn ready_members(&self) -> impl Iterator<Item = &ConnectionId> {
        self.ready_members.iter().map(|listed| &listed.peer)
    }

    /// The connections of requests that are queued one by one.
    pub(super) fn peers(&self) -> impl Iterator<Item = ConnectionId> {
        let asked = self.requests.iter().map(|(peer, _)| *peer);
        self.urgent.iter().map(Output::peer).chain(asked)
    }

    /// Whether there is nothing to poll.
    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty()
            && self.replies.is_empty()
            && self.requests.is_empty()
            && self.ready_members.is_empty()
    }
}
