//! An open pair of FIFOs or message queues, or a buffer. No client connects to it, so it has one session for as long as it is open.

use std::rc::Rc;

use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::{Binding, ConnectionId};
use crate::transport::pair::Pair;

/// An open pair.
#[derive(Debug)]
pub(super) struct PairEndpoint {
    pub(super) pair: Pair,
    pub(super) binding: Rc<Binding>,
    /// Its session, once it has begun.
    pub(super) peer: Option<ConnectionId>,
}

impl PairEndpoint {
    pub(super) fn place_and_binding(&self) -> (&ResolvedEndpoint, &Binding) {
        (self.pair.place(), &self.binding)
    }
}
