//! An open FIFO. No client connects to it, so it has one session for as long as it is open.

use std::rc::Rc;

use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::{Binding, ConnectionId};
use crate::transport::fifo::Fifo;

/// An open FIFO.
#[derive(Debug)]
pub(super) struct FifoEndpoint {
    pub(super) fifo: Fifo,
    pub(super) binding: Rc<Binding>,
    /// Its session, once it has begun.
    pub(super) peer: Option<ConnectionId>,
}

impl FifoEndpoint {
    pub(super) fn place_and_binding(&self) -> (&ResolvedEndpoint, &Binding) {
        (self.fifo.place(), &self.binding)
    }
}
