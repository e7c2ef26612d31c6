//! The connections that are made from here: for the daemon, and for the engine.

use std::io;

use super::Reactor;
use super::slots::Attempt;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::Timestamp;
use crate::transport::connection::Connection;

impl Reactor {
    /// Begins to connect to an endpoint. A later turn [reports](super::Turn::connected) the outcome: a connection, for example for
    /// [`serve`](Self::serve), or an error: that of connect(2); `TimedOut` at the deadline; `Unsupported` for an endpoint without
    /// connections.
    pub fn connect(&mut self, place: ResolvedEndpoint, deadline: Timestamp) -> Attempt {
        self.is_calling = true;
        self.attempts.begin(self.poll.registry(), self.clock.now(), place, deadline)
    }

    /// Takes the outcomes of attempts, at the end of a turn, and notes whether anything is left to do for such connections.
    #[cold]
    pub(super) fn take_connected(&mut self) -> Vec<(Attempt, io::Result<Connection>)> {
        let connected = self.attempts.take_settled();
        self.is_calling = !self.attempts.is_empty();
        #[cfg(feature = "nats")]
        {
            self.is_calling |= self.has_links();
        }
        connected
    }

    /// When something is due for the connections that are made from here.
    #[cold]
    pub(super) fn call_deadline(&self) -> Option<Timestamp> {
        let deadline = self.attempts.deadline();
        #[cfg(feature = "nats")]
        let deadline =
            deadline.into_iter().chain(self.engine.sharing().and_then(|sharing| sharing.deadline())).min();
        deadline
    }
}
