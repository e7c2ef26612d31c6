//! Counters since the start.

use std::time::Duration;

use super::listed::listed;
use super::message::{CloseReason, Dropped};
use super::service::Service;

listed! {
    /// The kinds of errors that a peer can get.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(u8)]
    pub enum ErrorKind {
        /// A message that the service cannot read.
        Request,
        /// A request without a result.
        Result,
        /// A name that is not allowed, or taken.
        Name,
        /// An unknown command.
        Command,
        /// A service that is not available there.
        Unavailable,
        /// A message longer than `max_message`.
        TooLong,
        /// A message not finished within `message_timeout`.
        Unfinished,
        /// No name within `name_timeout`.
        Nameless,
        /// No message within `idle_timeout`.
        Idle,
        /// No first message within `first_message_timeout`.
        Silent,
        /// Another protocol.
        WrongProtocol,
        /// A request that the peer is not authorized for.
        Denied,
    }
}

impl ErrorKind {
    /// Its name in the status report.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::Request => "request",
            ErrorKind::Result => "result",
            ErrorKind::Name => "name",
            ErrorKind::Command => "command",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::TooLong => "too_long",
            ErrorKind::Unfinished => "unfinished",
            ErrorKind::Nameless => "nameless",
            ErrorKind::Idle => "idle",
            ErrorKind::Silent => "silent",
            ErrorKind::WrongProtocol => "foreign",
            ErrorKind::Denied => "denied",
        }
    }

    /// The kind of the error that comes with this close reason.
    pub fn of(reason: CloseReason) -> ErrorKind {
        match reason {
            CloseReason::PeerTooLong => ErrorKind::TooLong,
            CloseReason::PeerUnfinished => ErrorKind::Unfinished,
            CloseReason::PeerNameless => ErrorKind::Nameless,
            CloseReason::PeerIdle => ErrorKind::Idle,
            CloseReason::PeerSilent => ErrorKind::Silent,
            CloseReason::PeerWrongProtocol(_)
            | CloseReason::PeerUnreadable
            | CloseReason::PeerInClear
            | CloseReason::PeerBrokeMemory
            | CloseReason::PeerMisframed => ErrorKind::WrongProtocol,
            CloseReason::PeerDenied => ErrorKind::Denied,
            _ => ErrorKind::Request,
        }
    }
}

/// Counts since the start, of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounters {
    /// Admitted connections, including those that chose the service on the mux.
    pub connections: u64,
    /// Connections refused by a limit or by an endpoint's lists, and datagrams refused by a list.
    pub refused: u64,
    /// Complete messages.
    pub messages: u64,
    /// Messages that got an error, and connections that were closed with one, by [kind](ErrorKind).
    errors: [u64; ErrorKind::ALL.len()],
    /// Connections closed because they did not read.
    pub too_slow: u64,
    /// By [reason](Dropped): lines on FIFOs and in message queues that nobody read, datagrams without an answer, and answers that
    /// did not reach their receiver.
    dropped: [u64; Dropped::ALL.len()],
    /// Bytes received from peers.
    pub bytes_in: u64,
    /// Bytes that the kernel accepted for peers.
    pub bytes_out: u64,
}

impl ServiceCounters {
    /// Counts one error.
    pub fn count_error(&mut self, kind: ErrorKind) {
        self.errors[kind as usize] += 1;
    }

    /// Counts drops for a reason.
    pub fn count_dropped(&mut self, reason: Dropped, count: u64) {
        self.dropped[reason as usize] += count;
    }

    /// The number of drops for one reason.
    pub fn dropped_of(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }

    /// The number of drops for all reasons.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Errors of one kind.
    pub fn errors_of(&self, kind: ErrorKind) -> u64 {
        self.errors[kind as usize]
    }

    /// Errors of all kinds.
    pub fn errors(&self) -> u64 {
        self.errors.iter().sum()
    }
}

/// The duration of turns of the loop: each bucket counts durations up to twice those of the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    counts: [u64; Turns::BUCKETS],
    took: Duration,
}

impl Turns {
    /// From 1 µs to about 4 s, and one for longer turns.
    const BUCKETS: usize = 24;

    /// Counts one turn.
    pub fn count(&mut self, took: Duration) {
        let micros = took.as_micros().max(1);
        let bucket = u128::BITS - (micros - 1).leading_zeros();
        self.counts[(bucket as usize).min(Self::BUCKETS - 1)] += 1;
        self.took += took;
    }

    /// The total time of all turns.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Each bucket: its longest duration in microseconds, and its number of turns. The last one has no longest
    /// duration.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bound = |at| (at < Self::BUCKETS - 1).then(|| 1_u64 << at);
        self.counts.iter().enumerate().map(move |(at, count)| (bound(at), *count))
    }
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    services: [ServiceCounters; Service::ALL.len()],
    /// Turns of the loop, by duration.
    pub turns: Turns,
}

impl Counters {
    /// The counts of one service.
    pub fn of(&self, service: Service) -> &ServiceCounters {
        &self.services[service as usize]
    }

    /// The counts of one service, mutably.
    pub fn of_mut(&mut self, service: Service) -> &mut ServiceCounters {
        &mut self.services[service as usize]
    }

    /// Moves bytes from one service's count to another's.
    pub fn move_bytes_in(&mut self, from: Service, to: Service, bytes: usize) {
        let moved = self.of(from).bytes_in.min(bytes as u64);
        self.of_mut(from).bytes_in -= moved;
        self.of_mut(to).bytes_in += moved;
    }

    /// Bytes received from peers, of all services.
    pub fn bytes_in(&self) -> u64 {
        self.services.iter().map(|service| service.bytes_in).sum()
    }

    /// Bytes that the kernel accepted for peers, of all services.
    pub fn bytes_out(&self) -> u64 {
        self.services.iter().map(|service| service.bytes_out).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_is_counted_in_the_first_bucket_that_fits() {
        for (micros, bound) in [
            (0, Some(1)),
            (1, Some(1)),
            (2, Some(2)),
            (3, Some(4)),
            (4, Some(4)),
            (5, Some(8)),
            (1 << 40, None),
        ] {
            let mut turns = Turns::default();
            turns.count(Duration::from_micros(micros));
            let counted: Vec<_> = turns.buckets().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(bound, 1)], "{micros} µs");
        }
    }

    #[test]
    fn each_kind_of_error_is_counted_separately() {
        let mut counters = ServiceCounters::default();
        for (at, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
            counters.count_error(kind);
            assert_eq!((counters.errors_of(kind), counters.errors()), (1, at as u64 + 1));
        }
    }

    #[test]
    fn each_drop_reason_is_counted_separately() {
        let mut counters = ServiceCounters::default();
        for (at, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            counters.count_dropped(reason, 2);
            assert_eq!((counters.dropped_of(reason), counters.dropped()), (2, 2 * (at as u64 + 1)));
        }
    }
}
