//! The daemon's end of what the taker of a bounded buffer hands over, and what both say on the socket between them.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendFlags, Shutdown, recvmsg, send, shutdown};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// How a packet from the taker begins: a message, or why it ends.
pub(super) const MESSAGE: u8 = b'M';
pub(super) const FAULT: u8 = b'F';

/// What the taker gets for a message that has arrived.
const TAKEN: &[u8] = b"T";

/// How often, and how long each time, a taker that shall end is waited for before it is ended.
const PARTINGS: u32 = 100;
const PARTING: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// What follows each reason to make a buffer anew.
const ANEW: &str = "made anew; programs that have it open must open it again";

/// What the taker hands over. Dropping it ends the taker, which leaves in the buffer what has not arrived.
#[derive(Debug)]
pub struct Taken {
    socket: OwnedFd,
    child: RefCell<Child>,
    is_broken: Rc<Cell<bool>>,
    number: u64,
}

impl Taken {
    /// What comes on the socket from this process.
    pub(super) fn new(socket: OwnedFd, child: Child, is_broken: Rc<Cell<bool>>, number: u64) -> Taken {
        Taken { socket, child: RefCell::new(child), is_broken, number }
    }

    /// The socket on which messages come.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The number of the buffer's object.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The taker's process.
    pub fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// Copies the next message into `buffer`, and returns the number of its bytes.
    ///
    /// # Errors
    /// `WouldBlock`: there is none now. Else the buffer is broken, and why.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut kind = [0];
        let message = retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut kind), IoSliceMut::new(buffer)];
            recvmsg(&self.socket, &mut parts, &mut RecvAncillaryBuffer::default(), RecvFlags::empty())
        })?;
        let why = match (message.bytes.checked_sub(1), kind[0]) {
            (Some(count), MESSAGE) => {
                // Should it be gone, it has ended without a fault, and the message was given back to nobody.
                let _ = send(&self.socket, TAKEN, SendFlags::NOSIGNAL);
                return Ok(count);
            }
            (Some(count), _) => String::from_utf8_lossy(&buffer[..count]).into_owned(),
            (None, _) => {
                let how = self
                    .child
                    .borrow_mut()
                    .wait()
                    .map_or_else(|error| error.to_string(), |how| how.to_string());
                format!(
                    "the process that takes from it has ended ({how}), as it does when somebody shortens a semaphore"
                )
            }
        };
        self.is_broken.set(true);
        Err(io::Error::other(format!("{why}; {ANEW}")))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _ = shutdown(&self.socket, Shutdown::Both);
        let child = self.child.get_mut();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some((pid, process)) =
            pid.and_then(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
        {
            let mut process = [PollFd::new(&process, PollFlags::IN)];
            for _ in 0..PARTINGS {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                // It interrupts the wait for a semaphore.
                let _ = kill_process(pid, Signal::TERM);
                let _ = poll(&mut process, Some(&PARTING));
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
