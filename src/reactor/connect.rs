//! Outgoing connections: begun, waited for, and then reported as a connection or an error.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry};

use super::slots::{Attempt, Source};
use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::Timestamp;
use crate::transport::connect;
use crate::transport::connection::Connection;

/// The pause before a Unix listener with a full backlog is tried again, because no event reports room in it.
const QUEUE_FULL: Duration = Duration::from_millis(50);

/// An attempt without a result yet.
#[derive(Debug)]
struct Pending {
    attempt: Attempt,
    place: ResolvedEndpoint,
    deadline: Timestamp,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// An event will decide it.
    Begun(OwnedFd),
    /// It is tried again at this time.
    Paused(Timestamp),
}

/// All attempts.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    count: usize,
    pending: Vec<Pending>,
    /// Attempts that are decided, until the turn ends.
    settled: Vec<(Attempt, io::Result<Connection>)>,
}

impl Attempts {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.settled.is_empty()
    }

    /// When one of them must be checked even if no event comes; `None`: never.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let next = |pending: &Pending| match pending.progress {
            Progress::Begun(_) => pending.deadline,
            Progress::Paused(until) => until.min(pending.deadline),
        };
        self.pending.iter().map(next).min()
    }

    /// Whether one of them is decided.
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    pub(super) fn take_settled(&mut self) -> Vec<(Attempt, io::Result<Connection>)> {
        std::mem::take(&mut self.settled)
    }

    /// Takes the decided ones among these attempts.
    #[cfg(feature = "nats")]
    pub(super) fn take_settled_if(
        &mut self,
        is_meant: impl Fn(Attempt) -> bool,
    ) -> Vec<(Attempt, io::Result<Connection>)> {
        self.settled.extract_if(.., |(attempt, _)| is_meant(*attempt)).collect()
    }

    /// Begins an attempt.
    pub(super) fn begin(
        &mut self,
        registry: &Registry,
        now: Timestamp,
        place: ResolvedEndpoint,
        deadline: Timestamp,
    ) -> Attempt {
        self.count += 1;
        let attempt = Attempt(self.count);
        self.pending.push(Pending { attempt, place, deadline, progress: Progress::Paused(now) });
        self.retry(registry, now);
        attempt
    }

    /// Retries attempts that are due, and gives up attempts past their deadline.
    pub(super) fn retry(&mut self, registry: &Registry, now: Timestamp) {
        let mut index = 0;
        while let Some(pending) = self.pending.get_mut(index) {
            let outcome = match pending.progress {
                Progress::Paused(at) if at <= now => begin(registry, pending, now),
                Progress::Begun(_) | Progress::Paused(_) => Ok(()),
            };
            let is_late = pending.deadline <= now;
            match outcome {
                Ok(()) if !is_late => index += 1,
                outcome => {
                    let error = outcome.err().unwrap_or_else(|| ErrorKind::TimedOut.into());
                    // Closing its socket ends the registration.
                    let Pending { attempt, .. } = self.pending.swap_remove(index);
                    self.settled.push((attempt, Err(error)));
                }
            }
        }
    }

    /// Notes that an attempt is decided.
    pub(super) fn settle(&mut self, registry: &Registry, attempt: Attempt) {
        let Some(index) = self.pending.iter().position(|pending| pending.attempt == attempt) else { return };
        let Progress::Begun(socket) = &self.pending[index].progress else { return };
        let outcome = match connect::outcome(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // Its new owner registers it again.
            outcome => outcome.and_then(|()| registry.deregister(&mut SourceFd(&socket.as_raw_fd()))),
        };
        let Progress::Begun(socket) = self.pending.swap_remove(index).progress else { return };
        self.settled.push((attempt, outcome.map(|()| Connection::of(socket))));
    }
}

/// Begins an attempt, or postpones it.
fn begin(registry: &Registry, pending: &mut Pending, now: Timestamp) -> io::Result<()> {
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
