//! A pair that any number of clients use without connecting: one side to write to, and one to read from. Two FIFOs, two message
//! queues, or a bounded buffer, which has nothing to read from.

use std::io;
use std::os::fd::BorrowedFd;

use super::buffer::{self, Buffer};
use super::connection::Connection;
use super::error::OpenError;
use super::fifo::{self, Fifo};
use super::options::Options;
use super::queue::{self, Queues};
use crate::endpoint::ResolvedEndpoint;

/// An open pair. Whether dropping it removes what clients find: see [`keep`](Pair::keep).
#[derive(Debug)]
pub enum Pair {
    /// Two FIFOs.
    Fifos(Box<Fifo>),
    /// Two message queues.
    Queues(Queues),
    /// A bounded buffer.
    Buffer(Box<Buffer>),
}

/// Opens the pair at `place`, and creates what is missing. Nothing that is not ours is ever removed.
///
/// Also returns deviations from the request, each as a line for the log.
///
/// # Errors
/// The reason.
pub fn open(place: &ResolvedEndpoint, options: &Options) -> Result<(Pair, Vec<String>), OpenError> {
    Ok(match place {
        ResolvedEndpoint::Mq(_) => {
            let (queues, warnings) = queue::open(place, options)?;
            (Pair::Queues(queues), warnings)
        }
        ResolvedEndpoint::Buffer(_) => {
            let (buffer, warnings) = buffer::open(place, options)?;
            (Pair::Buffer(Box::new(buffer)), warnings)
        }
        _ => {
            let (fifo, warnings) = fifo::open(place, options)?;
            (Pair::Fifos(Box::new(fifo)), warnings)
        }
    })
}

impl Pair {
    /// Where it is, without `.in` and `.out`.
    pub fn place(&self) -> &ResolvedEndpoint {
        match self {
            Pair::Fifos(fifo) => fifo.place(),
            Pair::Queues(queues) => queues.place(),
            Pair::Buffer(buffer) => buffer.place(),
        }
    }

    /// Both as one connection, which reads from `.in` and writes to `.out`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn connection(&self) -> io::Result<Connection> {
        match self {
            Pair::Fifos(fifo) => fifo.connection(),
            Pair::Queues(queues) => queues.connection(),
            Pair::Buffer(buffer) => buffer.connection(),
        }
    }

    /// The number of what clients write to: the same in every process that has it open (its inode).
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn number(&self) -> io::Result<u64> {
        match self {
            Pair::Fifos(_) | Pair::Queues(_) => Ok(self.connection()?.number()),
            Pair::Buffer(buffer) => Ok(buffer.number()),
        }
    }

    /// The descriptors without which their contents are lost: those of FIFOs. The others outlive every process.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let descriptors = match self {
            Pair::Fifos(fifo) => Some(fifo.descriptors()),
            Pair::Queues(_) | Pair::Buffer(_) => None,
        };
        descriptors.into_iter().flatten()
    }

    /// The longest message that a client can write, in bytes, where there is such a bound.
    pub fn message_bytes_max(&self) -> Option<usize> {
        match self {
            // The size of a buffer's slots is part of its endpoint.
            Pair::Fifos(_) | Pair::Buffer(_) => None,
            Pair::Queues(queues) => Some(queues.message_bytes_max()),
        }
    }

    /// Whether clients can no longer reach it, because a part of it is gone or was replaced.
    pub fn is_orphaned(&self) -> bool {
        match self {
            Pair::Fifos(fifo) => fifo.is_orphaned(),
            Pair::Queues(queues) => queues.is_orphaned(),
            Pair::Buffer(buffer) => buffer.is_orphaned(),
        }
    }

    /// It is in use from now on. Without this call, dropping it removes what we have created; with it, FIFOs stay, and so do
    /// queues and buffers with messages in them.
    pub fn keep(&self) {
        match self {
            Pair::Fifos(fifo) => fifo.keep(),
            Pair::Queues(queues) => queues.keep(),
            Pair::Buffer(buffer) => buffer.keep(),
        }
    }

    /// Leaves its files to the next process.
    pub fn hand_over(&self) {
        match self {
            Pair::Fifos(_) => {}
            Pair::Queues(queues) => queues.hand_over(),
            Pair::Buffer(buffer) => buffer.hand_over(),
        }
    }

    /// It is not in use any more: removes what clients write to, so that no client writes in vain.
    pub fn discard(&self) {
        match self {
            Pair::Fifos(fifo) => fifo.discard(),
            Pair::Queues(queues) => queues.discard(),
            Pair::Buffer(buffer) => buffer.keep(),
        }
    }

    /// Changes its mode (each side gets its part) and group; an empty or unknown group means our own.
    ///
    /// Returns deviations from the request, each as a line for the log.
    ///
    /// # Errors
    /// It no longer belongs to us.
    pub fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        match self {
            Pair::Fifos(fifo) => fifo.set_permissions(mode, group),
            Pair::Queues(queues) => queues.set_permissions(mode, group),
            Pair::Buffer(buffer) => buffer.set_permissions(mode, group),
        }
    }
}
