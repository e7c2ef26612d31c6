//! Messages through shared memory: over a Unix socket, the daemon sends each client memory with two rings, and two eventfds.
//! The layout and the rules for sleeping are in ipcd-protocol(7).
//!
//! An eventfd is one open file for both processes, flags included: a client could fill its counter and make it blocking, and a
//! write of 1 would then stop the daemon. A write of 0 never blocks: it leaves the counter at its initial 1, and is an event for
//! an edge-triggered waiter (epoll(7)).

mod ring;
mod spin;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::messages::part_of;
pub use crate::engine::transport::RING_MESSAGE_BYTES_MAX;
use crate::host::fd_bundle;
use crate::host::raw::memory::{SharedWords, allocate};
pub use ring::Broken;
use ring::Ring;
pub use spin::AdaptiveSpin;

/// The version of the layout.
const VERSION: u32 = 1;

/// Words of one ring's messages.
const RING_WORDS: usize = 16 * 1024;

/// Words before them: four, each in a cache line of its own.
const WRITTEN: usize = 0;
const READ: usize = 16;
const READER_WAITS: usize = 32;
const WRITER_WAITS: usize = 48;
const HEADER_WORDS: usize = 64;

/// Where the messages of the first ring begin: in a page of their own.
const DATA: usize = 1024;

/// Words of the whole memory.
const WORDS: usize = DATA + 2 * RING_WORDS;

/// Its bytes.
pub const BYTES: usize = WORDS * size_of::<AtomicU32>();

/// The descriptors of a connection in addition to its socket.
pub const DESCRIPTORS: usize = 3;

// The longest message fits into half of a ring.
const _: () = assert!(RING_MESSAGE_BYTES_MAX < RING_WORDS * size_of::<AtomicU32>() / 2);

/// Who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The daemon: it reads the first ring and writes to the second.
    Daemon,
    /// A client.
    Client,
}

/// One side of a connection.
#[derive(Debug)]
pub struct Rings {
    socket: OwnedFd,
    memory: OwnedFd,
    words: SharedWords,
    side: Side,
    /// The eventfd on which we sleep.
    ours: OwnedFd,
    /// The one on which the other side sleeps.
    theirs: OwnedFd,
    /// How far we have read and written. The copies in the memory are only for the other side.
    read: Cell<u32>,
    written: Cell<u32>,
    is_broken: Cell<bool>,
}

/// The line that the daemon sends with the descriptors: the memory, the daemon's eventfd, the client's.
fn opening() -> String {
    format!("ipcd-rings {VERSION} {} {RING_MESSAGE_BYTES_MAX}\n", RING_WORDS * size_of::<AtomicU32>())
}

impl Rings {
    fn new(
        side: Side,
        socket: OwnedFd,
        [memory, daemons, clients]: [OwnedFd; DESCRIPTORS],
    ) -> io::Result<Rings> {
        let words = SharedWords::map(&memory, WORDS)?;
        let (ours, theirs) = match side {
            Side::Daemon => (daemons, clients),
            Side::Client => (clients, daemons),
        };
        let (read, written, is_broken) = (Cell::new(0), Cell::new(0), Cell::new(false));
        Ok(Rings { socket, memory, words, side, ours, theirs, read, written, is_broken })
    }

    /// Creates the memory and the eventfds for a connected client, and sends them to it.
    ///
    /// # Errors
    /// There is no descriptor or no memory left, or the client is gone.
    pub fn offer(socket: &OwnedFd) -> io::Result<[OwnedFd; DESCRIPTORS]> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptors = [allocate(WORDS)?, eventfd(1, flags)?, eventfd(1, flags)?];
        fd_bundle::send(socket, opening().as_bytes(), &descriptors.each_ref().map(AsFd::as_fd))?;
        Ok(descriptors)
    }

    /// The daemon's side, at the beginning.
    ///
    /// # Errors
    /// There is no memory left.
    pub fn serve(socket: OwnedFd, descriptors: [OwnedFd; DESCRIPTORS]) -> io::Result<Rings> {
        Rings::new(Side::Daemon, socket, descriptors)
    }

    /// The daemon's side of a connection from a previous process: it goes on at the positions in the memory. A client that has
    /// changed them harms only itself.
    ///
    /// # Errors
    /// The memory cannot be mapped.
    pub fn resume(socket: OwnedFd, descriptors: [OwnedFd; DESCRIPTORS]) -> io::Result<Rings> {
        let rings = Rings::new(Side::Daemon, socket, descriptors)?;
        rings.read.set(rings.incoming().read.load(Ordering::Acquire));
        rings.written.set(rings.outgoing().written.load(Ordering::Acquire));
        Ok(rings)
    }

    /// The client's side: waits for the descriptors from the daemon.
    ///
    /// # Errors
    /// The daemon's error, or that this is not a shm:// endpoint.
    pub fn join(socket: OwnedFd) -> io::Result<Rings> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut line = [0; 512];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let heard =
            retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(&mut line)], &mut ancillary, flags));
        let heard = heard.map_err(|errno| match errno {
            Errno::AGAIN => ErrorKind::TimedOut.into(),
            errno => io::Error::from(errno),
        })?;
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        let line = &line[..heard.bytes];
        match <[OwnedFd; DESCRIPTORS]>::try_from(descriptors) {
            Ok(descriptors) if line == opening().as_bytes() => Rings::new(Side::Client, socket, descriptors),
            _ if line.starts_with(b"Error: ") => {
                Err(io::Error::other(line["Error: ".len()..].trim_ascii_end().escape_ascii().to_string()))
            }
            _ => Err(io::Error::other("it offers no shared memory of version 1; is it a shm:// endpoint?")),
        }
    }

    fn ring(&self, of: Side) -> Ring<'_, AtomicU32> {
        // The first ring has the client's messages.
        let index = usize::from(of == Side::Daemon);
        let header = &self.words[index * HEADER_WORDS..][..HEADER_WORDS];
        Ring {
            written: &header[WRITTEN],
            read: &header[READ],
            reader_waits: &header[READER_WAITS],
            writer_waits: &header[WRITER_WAITS],
            data: &self.words[DATA + index * RING_WORDS..][..RING_WORDS],
        }
    }

    fn outgoing(&self) -> Ring<'_, AtomicU32> {
        self.ring(self.side)
    }

    fn incoming(&self) -> Ring<'_, AtomicU32> {
        self.ring(if self.side == Side::Daemon { Side::Client } else { Side::Daemon })
    }

    /// The socket: its end is the end of the input.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The eventfd on which this side sleeps, edge-triggered.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// The descriptors with which another process can go on, behind the socket.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; DESCRIPTORS] {
        [self.memory.as_fd(), self.ours.as_fd(), self.theirs.as_fd()]
    }

    /// Rings our own bell, for a loop that has consumed the event but continues later.
    pub fn stay_awake(&self) {
        let _ = rustix::io::write(&self.ours, &0_u64.to_ne_bytes());
    }

    fn wake(&self) {
        // Zero: see above. It cannot fail for an eventfd.
        let _ = rustix::io::write(&self.theirs, &0_u64.to_ne_bytes());
    }

    fn broken(&self, broken: Broken) -> io::Error {
        self.is_broken.set(true);
        io::Error::new(ErrorKind::InvalidData, broken)
    }

    /// Whether a message waits, for a reader that is awake.
    pub fn has_message(&self) -> bool {
        !self.is_broken.get() && self.incoming().has_message(self.read.get())
    }

    /// Takes the next message, and returns its bytes.
    ///
    /// # Errors
    /// `WouldBlock`: there is none. `InvalidData`: the other side has broken a [rule](Broken); from then on nothing is read.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_broken.get() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let (ring, length) = (self.incoming(), buffer.len().min(RING_MESSAGE_BYTES_MAX));
        let taken = ring.take(self.read.get(), &mut buffer[..length]);
        let Some((count, read)) = taken.map_err(|broken| self.broken(broken))? else {
            return Err(ErrorKind::WouldBlock.into());
        };
        self.read.set(read);
        if ring.must_wake_writer() {
            self.wake();
        }
        Ok(count)
    }

    /// Announces to the other side that we sleep until there is a message. `false`: there is one.
    pub fn may_sleep(&self) -> bool {
        self.is_broken.get() || self.incoming().may_sleep(self.read.get())
    }

    /// Adds a message; a longer one than allowed is split into as many as have room. Returns the number of bytes accepted.
    ///
    /// # Errors
    /// `WouldBlock`: there is no room now. `InvalidData`: the other side has broken a [rule](Broken).
    pub fn send(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if length <= RING_MESSAGE_BYTES_MAX {
            return self.send_one(pieces).map(|()| length);
        }
        let (message, mut sent) = (pieces.concat(), 0);
        while sent < length {
            let part = part_of(&message[sent..], RING_MESSAGE_BYTES_MAX);
            match self.send_one(&[part]) {
                Ok(()) => sent += part.len(),
                Err(error) if sent > 0 && error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn send_one(&self, pieces: &[&[u8]]) -> io::Result<()> {
        let ring = self.outgoing();
        let put = ring.put(self.written.get(), pieces).map_err(|broken| match self.is_broken.get() {
            true => ErrorKind::BrokenPipe.into(), // it has been told already
            false => self.broken(broken),
        });
        self.written.set(put?.ok_or(ErrorKind::WouldBlock)?);
        if ring.must_wake_reader() {
            self.wake();
        }
        Ok(())
    }
}
