//! The list of mechanisms that are measured.

use clap::ValueEnum;
use serde::Serialize;

use ipcd::endpoint::ResolvedEndpoint;

use super::protocol::IN_FLIGHT;

/// A mechanism for a request to another process and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Mechanism {
    Tcp,
    Unix,
    UnixSeq,
    Udp,
    UnixGram,
    Fifo,
    Mq,
    Shm,
    Stdio,
    Pipes,
    SocketPair,
    MQueue,
    Futex,
    Uring,
    EventFd,
    Semaphores,
    SysvSemaphores,
    Signals,
    SysvQueue,
}

/// The answering side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Responder {
    /// The daemon, with its event loop, framing and limits.
    Ipcd,
    /// A second ipcctl that only answers.
    Ipcctl,
}

impl Mechanism {
    /// Its name in the course.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Mechanism::Tcp => "TCP",
            Mechanism::Unix => "Unix stream socket",
            Mechanism::UnixSeq => "Unix packet socket",
            Mechanism::Udp => "UDP",
            Mechanism::UnixGram => "Unix datagram socket",
            Mechanism::Fifo => "two FIFOs",
            Mechanism::Mq => "two message queues",
            Mechanism::Shm => "shared memory, rings",
            Mechanism::Stdio => "two pipes (--stdio)",
            Mechanism::Pipes => "two pipes",
            Mechanism::SocketPair => "Unix socket pair",
            Mechanism::MQueue => "POSIX message queues",
            Mechanism::Futex => "shared memory, futex",
            Mechanism::Uring => "shared memory, futex through io_uring",
            Mechanism::EventFd => "shared memory, eventfd",
            Mechanism::Semaphores => "shared memory, POSIX semaphores",
            Mechanism::SysvSemaphores => "shared memory, System V semaphores",
            Mechanism::Signals => "shared memory, signals",
            Mechanism::SysvQueue => "System V message queues",
        }
    }

    /// What waits in the kernel between sending and receiving.
    pub(crate) fn in_kernel(self) -> &'static str {
        match self {
            Mechanism::Tcp => "segments",
            Mechanism::Unix | Mechanism::UnixSeq | Mechanism::SocketPair => "packets",
            Mechanism::Udp | Mechanism::UnixGram => "datagrams",
            Mechanism::Fifo | Mechanism::Stdio | Mechanism::Pipes => "pages of bytes",
            Mechanism::Mq | Mechanism::MQueue | Mechanism::SysvQueue => "messages",
            Mechanism::Signals => "a signal",
            Mechanism::EventFd => "a count",
            Mechanism::SysvSemaphores => "two counts",
            Mechanism::Shm | Mechanism::Futex | Mechanism::Uring | Mechanism::Semaphores => "nothing",
        }
    }

    /// How often the kernel copies a message: into itself and out of it, or not at all.
    pub(crate) fn copies(self) -> u8 {
        match self {
            Mechanism::Shm
            | Mechanism::Futex
            | Mechanism::Uring
            | Mechanism::EventFd
            | Mechanism::Semaphores
            | Mechanism::SysvSemaphores
            | Mechanism::Signals => 0,
            _ => 2,
        }
    }

    /// The most requests in flight: their replies must fit into the receiver's queue, which holds ten messages for a message queue
    /// or a Unix datagram socket.
    pub(crate) fn in_flight_max(self) -> u64 {
        match self {
            Mechanism::UnixGram | Mechanism::Mq | Mechanism::MQueue => IN_FLIGHT,
            Mechanism::Udp => 8,
            _ => u64::MAX,
        }
    }

    /// Its name for `--only`.
    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub(crate) fn responder(self) -> Responder {
        match self {
            Mechanism::Tcp
            | Mechanism::Unix
            | Mechanism::UnixSeq
            | Mechanism::Udp
            | Mechanism::UnixGram
            | Mechanism::Fifo
            | Mechanism::Mq
            | Mechanism::Shm
            | Mechanism::Stdio => Responder::Ipcd,
            Mechanism::Pipes
            | Mechanism::SocketPair
            | Mechanism::MQueue
            | Mechanism::Futex
            | Mechanism::Uring
            | Mechanism::EventFd
            | Mechanism::Semaphores
            | Mechanism::SysvSemaphores
            | Mechanism::Signals
            | Mechanism::SysvQueue => Responder::Ipcctl,
        }
    }

    /// The mechanism of an endpoint.
    pub(crate) fn of(endpoint: &ResolvedEndpoint) -> Mechanism {
        match endpoint {
            ResolvedEndpoint::Tcp(_)
            | ResolvedEndpoint::Tls(_)
            | ResolvedEndpoint::Http(_)
            | ResolvedEndpoint::Https(_) => Mechanism::Tcp,
            ResolvedEndpoint::Udp(_) => Mechanism::Udp,
            ResolvedEndpoint::Unix(_) | ResolvedEndpoint::HttpUnix(_) => Mechanism::Unix,
            ResolvedEndpoint::UnixSeq(_) => Mechanism::UnixSeq,
            ResolvedEndpoint::UnixGram(_) => Mechanism::UnixGram,
            ResolvedEndpoint::Fifo(_) => Mechanism::Fifo,
            ResolvedEndpoint::Mq(_) => Mechanism::Mq,
            ResolvedEndpoint::Shm(_) | ResolvedEndpoint::Buffer(_) => Mechanism::Shm,
        }
    }
}
