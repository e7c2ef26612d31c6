//! The list of mechanisms that are measured.

use clap::ValueEnum;
use serde::Serialize;

use ipcd::endpoint::ResolvedEndpoint;

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
    Stdio,
    Pipes,
    SocketPair,
    MQueue,
    Futex,
    EventFd,
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
            Mechanism::Stdio => "two pipes (--stdio)",
            Mechanism::Pipes => "two pipes",
            Mechanism::SocketPair => "Unix socket pair",
            Mechanism::MQueue => "POSIX message queues",
            Mechanism::Futex => "shared memory, futex",
            Mechanism::EventFd => "shared memory, eventfd",
        }
    }

    /// Whether it is measured without being asked for.
    pub(crate) fn is_usual(self) -> bool {
        self != Mechanism::Mq // the kernel's part is that of `mqueue`
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
            | Mechanism::Stdio => Responder::Ipcd,
            Mechanism::Pipes
            | Mechanism::SocketPair
            | Mechanism::MQueue
            | Mechanism::Futex
            | Mechanism::EventFd => Responder::Ipcctl,
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
        }
    }
}
