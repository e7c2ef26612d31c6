//! The client's side of shared memory, with a descriptor for poll(2), which is level-triggered and knows no rings.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipcd::transport::rings::{AdaptiveSpin, RING_MESSAGE_BYTES_MAX, Rings};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::retry_on_intr;
use socket2::Socket;

/// What the events are about.
const BELL: u64 = 0;
const SOCKET: u64 = 1;

/// A connection to a `shm://` endpoint.
pub(crate) struct Shared {
    rings: Rings,
    /// Readable when the daemon has rung, or is gone.
    events: OwnedFd,
    has_ended: bool,
    is_full: bool,
    buffer: Vec<u8>,
    spin: AdaptiveSpin,
}

impl Shared {
    /// Receives the memory and the eventfds that the daemon sends over a connected socket.
    pub(crate) fn join(socket: Socket) -> io::Result<Shared> {
        let rings = Rings::join(socket.into())?;
        let events = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&events, rings.bell(), EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        let end = EventFlags::IN | EventFlags::RDHUP;
        epoll::add(&events, rings.socket(), EventData::new_u64(SOCKET), end)?;
        let (buffer, spin) = (vec![0; RING_MESSAGE_BYTES_MAX], AdaptiveSpin::default());
        Ok(Shared { rings, events, has_ended: false, is_full: false, buffer, spin })
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        self.rings.socket()
    }

    pub(crate) fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Whether there may be room, as far as we know: the daemon rings when there is.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_full
    }

    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<usize> {
        let sent = self.rings.send(&[message]);
        self.is_full = matches!(&sent, Err(error) if error.kind() == ErrorKind::WouldBlock);
        sent
    }

    fn take(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let count = self.rings.receive(&mut self.buffer)?;
        into.extend_from_slice(&self.buffer[..count]);
        Ok(count)
    }

    /// Takes the events, and waits for one if it may.
    fn take_events(&mut self, waits: bool) -> io::Result<()> {
        let mut events = Vec::with_capacity(2);
        let timeout = if waits { None } else { Some(Timespec::default()) };
        retry_on_intr(|| epoll::wait(&self.events, spare_capacity(&mut events), timeout.as_ref()))?;
        self.has_ended |= events.iter().any(|event| event.data.u64() == SOCKET);
        Ok(())
    }

    /// Appends the next message; 0: nothing more will come.
    pub(crate) fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let taken = match self.take(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.take_events(false)?;
                match self.take(into) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock && self.has_ended => return Ok(0),
                    taken => taken,
                }
            }
            taken => taken,
        };
        if !self.rings.may_sleep() {
            self.rings.stay_awake();
        }
        taken
    }

    /// Waits for the next message; 0: nothing more will come.
    pub(crate) fn wait(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            match self.take(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.has_ended => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                taken => return taken,
            }
            let rings = &self.rings;
            if !self.spin.spin(|| rings.has_message()) && self.rings.may_sleep() {
                self.take_events(true)?;
            }
        }
    }
}
