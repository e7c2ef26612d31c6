//! The daemon's side of the process that empties a bounded buffer, and the messages on the socket between them.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendFlags, Shutdown, recvmsg, send, shutdown};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// How a packet from the consumer begins: a message, or why it ends.
pub(super) const MESSAGE: u8 = b'M';
pub(super) const FAULT: u8 = b'F';

/// Acknowledges a message to the consumer.
const ACKNOWLEDGEMENT: &[u8] = b"T";

/// How often, and how long each time, to wait for the consumer to end before killing it.
const WAITS: u32 = 100;
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// Follows each reason to create a buffer again.
const CREATED_AGAIN: &str = "created again; programs that have it open must open it again";

/// The process that empties a bounded buffer. Dropping this ends it; messages that have not arrived stay in the buffer.
#[derive(Debug)]
pub struct Consumer {
    socket: OwnedFd,
    child: RefCell<Child>,
    is_broken: Rc<Cell<bool>>,
    number: u64,
}

impl Consumer {
    /// The consumer at the other end of this socket.
    pub(super) fn new(socket: OwnedFd, child: Child, is_broken: Rc<Cell<bool>>, number: u64) -> Consumer {
        Consumer { socket, child: RefCell::new(child), is_broken, number }
    }

    /// The socket on which messages come.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The number of the buffer's object.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// Copies the next message into `buffer`, and returns the number of its bytes.
    ///
    /// # Errors
    /// `WouldBlock`: there is none now. Any other: the reason why the buffer is broken.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut kind = [0];
        let message = retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut kind), IoSliceMut::new(buffer)];
            recvmsg(&self.socket, &mut parts, &mut RecvAncillaryBuffer::default(), RecvFlags::empty())
        })?;
        let reason = match (message.bytes.checked_sub(1), kind[0]) {
            (Some(count), MESSAGE) => {
                // This fails if the consumer is gone, which changes nothing for this message.
                let _ = send(&self.socket, ACKNOWLEDGEMENT, SendFlags::NOSIGNAL);
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
                    "the process that empties it has ended ({how}), for example because a program shortened a semaphore"
                )
            }
        };
        self.is_broken.set(true);
        Err(io::Error::other(format!("{reason}; {CREATED_AGAIN}")))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = shutdown(&self.socket, Shutdown::Both);
        let child = self.child.get_mut();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some((pid, process)) =
            pid.and_then(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
        {
            let mut process = [PollFd::new(&process, PollFlags::IN)];
            for _ in 0..WAITS {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                // This interrupts its wait for a semaphore.
                let _ = kill_process(pid, Signal::TERM);
                let _ = poll(&mut process, Some(&WAIT));
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
