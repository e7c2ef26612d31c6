//! Outgoing connections: begun, waited for, and told as a value: the connection, or why there is none.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::Interest;
use mio::unix::SourceFd;

use super::Reactor;
use super::slots::Source;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::Timestamp;
use crate::transport::connect;
use crate::transport::connection::Connection;

/// The pause before a Unix listener is tried again whose queue is full: no event tells when it is not.
const QUEUE_FULL: Duration = Duration::from_millis(50);

/// The number of an attempt to connect: none has another's as long as the reactor is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt(pub(super) usize);

/// An attempt that is neither made nor failed.
#[derive(Debug)]
struct Pending {
    attempt: Attempt,
    place: ResolvedEndpoint,
    deadline: Timestamp,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// An event tells when its outcome is known.
    Begun(OwnedFd),
    /// It is tried again at the moment.
    Paused(Timestamp),
}

/// All attempts.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    count: usize,
    pending: Vec<Pending>,
    /// Those whose outcome is known, until the turn ends.
    settled: Vec<(Attempt, io::Result<Connection>)>,
}

impl Attempts {
    /// When one of them has to be looked at, though nothing comes; `None`: never.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let next = |pending: &Pending| match pending.progress {
            Progress::Begun(_) => pending.deadline,
            Progress::Paused(until) => until.min(pending.deadline),
        };
        self.pending.iter().map(next).min()
    }

    /// Whether the outcome of one is to be told.
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    pub(super) fn take_settled(&mut self) -> Vec<(Attempt, io::Result<Connection>)> {
        std::mem::take(&mut self.settled)
    }
}

impl Reactor {
    /// Begins to connect to a place. A later turn [tells](super::Turn::connected) what has come of it: a connection, for
    /// [`serve`](Self::serve) for example, or an error: that of connect(2); `TimedOut` at the deadline;
    /// `Unsupported` if nobody connects to such a place.
    pub fn connect(&mut self, place: ResolvedEndpoint, deadline: Timestamp) -> Attempt {
        self.attempts.count += 1;
        let attempt = Attempt(self.attempts.count);
        let now = self.clock.now();
        self.attempts.pending.push(Pending { attempt, place, deadline, progress: Progress::Paused(now) });
        self.look_at_attempts(now);
        attempt
    }

    /// Tries again what it is time for, and gives up what has had its time.
    pub(super) fn look_at_attempts(&mut self, now: Timestamp) {
        let mut index = 0;
        while let Some(pending) = self.attempts.pending.get_mut(index) {
            let outcome = match pending.progress {
                Progress::Paused(at) if at <= now => begin(self.poll.registry(), pending, now),
                Progress::Begun(_) | Progress::Paused(_) => Ok(()),
            };
            let is_late = pending.deadline <= now;
            match outcome {
                Ok(()) if !is_late => index += 1,
                outcome => {
                    let error = outcome.err().unwrap_or_else(|| ErrorKind::TimedOut.into());
                    // Its socket is closed, which ends the watch.
                    let Pending { attempt, .. } = self.attempts.pending.swap_remove(index);
                    self.attempts.settled.push((attempt, Err(error)));
                }
            }
        }
    }

    /// Something has come of an attempt.
    pub(super) fn settle(&mut self, attempt: Attempt) {
        let pending = &mut self.attempts.pending;
        let Some(index) = pending.iter().position(|pending| pending.attempt == attempt) else { return };
        let Progress::Begun(socket) = &pending[index].progress else { return };
        let outcome = match connect::outcome(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // It is watched anew by whoever has it.
            outcome => {
                outcome.and_then(|()| self.poll.registry().deregister(&mut SourceFd(&socket.as_raw_fd())))
            }
        };
        let Progress::Begun(socket) = pending.swap_remove(index).progress else { return };
        self.attempts.settled.push((attempt, outcome.map(|()| Connection::of(socket))));
    }
}

/// Begins one, or puts it off.
fn begin(registry: &mio::Registry, pending: &mut Pending, now: Timestamp) -> io::Result<()> {
    pending.progress = match connect::begin(&pending.place) {
        Ok(socket) => {
            let token = Source::Attempt(pending.attempt).token();
            registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::WRITABLE)?;
            Progress::Begun(socket)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Paused(now + QUEUE_FULL),
        Err(error) => return Err(error),
    };
    Ok(())
}
