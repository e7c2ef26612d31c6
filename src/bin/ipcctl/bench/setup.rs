//! The setup for measuring a mechanism: the answering side, and the connection to it.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use ipcd::endpoint::ResolvedEndpoint;
use ipcd::host::raw::memory::{SharedWords, allocate};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sys::stat::Mode;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use super::super::link::Link;
use super::carrier::Carrier;
use super::mechanism::Mechanism;
use super::memory::{Memory, Side, WORDS, Wakeup};
use super::partner::giving;
use super::protocol::MESSAGE_BYTES_MAX;
use super::server;
use super::workspace::{Partner, Workspace};

/// Messages in a queue: the kernel's limit for all users (fs.mqueue.msg_max, mq_overview(7)).
const QUEUE_MESSAGES: i64 = 10;

/// The other side, and how to connect to it: in the measuring thread, because it may have to wait.
pub(crate) struct Setup {
    /// `None`: an existing daemon.
    pub(crate) partner: Option<Partner>,
    pub(crate) open: Box<dyn FnOnce() -> io::Result<Carrier> + Send>,
}

impl Setup {
    fn new(partner: Partner, open: impl FnOnce() -> io::Result<Carrier> + Send + 'static) -> Setup {
        Setup { partner: Some(partner), open: Box::new(open) }
    }

    /// For an endpoint of a running daemon; `service`: the name to select there first.
    pub(crate) fn at(
        place: ResolvedEndpoint,
        service: Option<&'static str>,
        timeout: Option<Duration>,
    ) -> Setup {
        let open = move || {
            let mut carrier = Carrier::over(Link::open(&place, timeout)?)?;
            if let Some(service) = service {
                carrier.send(&[service.as_bytes()])?;
            }
            Ok(carrier)
        };
        Setup { partner: None, open: Box::new(open) }
    }

    /// Starts the answering side; the error says why this machine lacks the mechanism.
    pub(crate) fn of(
        mechanism: Mechanism,
        ground: &Workspace,
        timeout: Option<Duration>,
    ) -> Result<Setup, String> {
        let own = match mechanism {
            Mechanism::Stdio => {
                let (partner, to, from) = server::start_on_pipes(ground)?;
                return Ok(Setup::new(partner, || Ok(Carrier::lines(to, from))));
            }
            Mechanism::Pipes => pipes(ground),
            Mechanism::SocketPair => socket_pair(ground),
            Mechanism::MQueue => queues(ground),
            Mechanism::Futex => futex(ground),
            Mechanism::EventFd => event_fd(ground),
            Mechanism::Tcp
            | Mechanism::Unix
            | Mechanism::UnixSeq
            | Mechanism::Udp
            | Mechanism::UnixGram
            | Mechanism::Fifo => {
                let (partner, place) = server::start(mechanism, ground, timeout)?;
                return Ok(Setup { partner: Some(partner), ..Setup::at(place, None, timeout) });
            }
        };
        own.map_err(|error| error.to_string())
    }
}

fn pipes(ground: &Workspace) -> io::Result<Setup> {
    let (their_from, to) = pipe_with(PipeFlags::CLOEXEC)?;
    let (from, their_to) = pipe_with(PipeFlags::CLOEXEC)?;
    let bundle = giving(&[&their_from, &their_to])?;
    let partner = ground.start(["lines"], bundle.into(), Stdio::null())?;
    Ok(Setup::new(partner, || Ok(Carrier::lines(to, from))))
}

fn socket_pair(ground: &Workspace) -> io::Result<Setup> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let bundle = giving(&[&theirs, &theirs])?;
    let partner = ground.start(["lines"], bundle.into(), Stdio::null())?;
    Ok(Setup::new(partner, || Ok(Carrier::lines(ours.try_clone()?, ours))))
}

fn queues(ground: &Workspace) -> io::Result<Setup> {
    let name = |way: &str| format!("/ipcctl-bench-{}-{way}", std::process::id());
    let (requests, replies) = (name("requests"), name("replies"));
    let make = |name: &str, flag| {
        ground.own_queue(name.to_owned());
        let attributes = MqAttr::new(0, QUEUE_MESSAGES, MESSAGE_BYTES_MAX as i64, 0);
        let flags = flag | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_CLOEXEC;
        mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes))
    };
    let to = make(&requests, MQ_OFlag::O_WRONLY)?;
    let from = make(&replies, MQ_OFlag::O_RDONLY)?;
    let partner = ground.start(["queues", &requests, &replies], Stdio::null(), Stdio::null())?;
    Ok(Setup::new(partner, || Ok(Carrier::Queues { to, from })))
}

fn futex(ground: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    let partner = ground.start(["futex"], giving(&[&memory])?.into(), Stdio::null())?;
    let open =
        move || Ok(Carrier::Memory(Memory::new(SharedWords::map(memory, WORDS)?, Side::Asks, Wakeup::Futex)));
    Ok(Setup::new(partner, open))
}

fn event_fd(ground: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    let (asked, answered) = (eventfd(0, EventfdFlags::CLOEXEC)?, eventfd(0, EventfdFlags::CLOEXEC)?);
    let bundle = giving(&[&memory, &answered, &asked])?;
    let partner = ground.start(["event-fd"], bundle.into(), Stdio::null())?;
    let open = move || {
        let bells = Wakeup::EventFd { to: asked, from: answered };
        Ok(Carrier::Memory(Memory::new(SharedWords::map(memory, WORDS)?, Side::Asks, bells)))
    };
    Ok(Setup::new(partner, open))
}
