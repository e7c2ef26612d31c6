//! The setup for measuring a mechanism: the answering side, and the connection to it.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use ipcd::endpoint::ResolvedEndpoint;
use ipcd::host::raw::memory::{SharedWords, allocate};
use ipcd::host::raw::queue;
use ipcd::host::raw::signal;
use ipcd::host::raw::sysv;
use ipcd::host::raw::uring::Uring;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sys::stat::Mode;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use super::super::connection::Connection;
use super::channel::Channel;
use super::mechanism::Mechanism;
use super::memory::{Memory, Side, WORDS, Wakeup, begin_semaphores};
use super::protocol::MESSAGE_BYTES_MAX;
use super::responder::giving;
use super::server;
use super::workspace::{Responder, Workspace};
use ipcd::os_error::describe;

/// Messages in a queue: the kernel's limit for all users (fs.mqueue.msg_max, mq_overview(7)).
const QUEUE_MESSAGES: i64 = 10;

/// The other side, and how to connect to it: in the measuring thread, because it may have to wait.
pub(crate) struct Setup {
    /// `None`: an existing daemon.
    pub(crate) responder: Option<Responder>,
    pub(crate) open: Box<dyn FnOnce() -> io::Result<Channel> + Send>,
}

impl Setup {
    fn new(responder: Responder, open: impl FnOnce() -> io::Result<Channel> + Send + 'static) -> Setup {
        Setup { responder: Some(responder), open: Box::new(open) }
    }

    /// For an endpoint of a running daemon; `service`: the name to select there first.
    pub(crate) fn at(
        endpoint: ResolvedEndpoint,
        service: Option<&'static str>,
        timeout: Option<Duration>,
    ) -> Setup {
        let open = move || {
            let mut channel = Channel::over(Connection::open(&endpoint, timeout)?)?;
            if let Some(service) = service {
                channel.send(&[service.as_bytes()])?;
            }
            Ok(channel)
        };
        Setup { responder: None, open: Box::new(open) }
    }

    /// Starts the answering side; the error says why this machine lacks the mechanism.
    pub(crate) fn of(
        mechanism: Mechanism,
        workspace: &Workspace,
        timeout: Option<Duration>,
    ) -> Result<Setup, String> {
        let own = match mechanism {
            Mechanism::Stdio => {
                let (responder, to, from) = server::start_on_pipes(workspace)?;
                return Ok(Setup::new(responder, || Ok(Channel::lines(to, from))));
            }
            Mechanism::Pipes => pipes(workspace),
            Mechanism::SocketPair => socket_pair(workspace),
            Mechanism::MQueue => queues(workspace),
            Mechanism::Futex => futex(workspace),
            Mechanism::Uring => uring(workspace),
            Mechanism::EventFd => event_fd(workspace),
            Mechanism::Semaphores => semaphores(workspace),
            Mechanism::SysvSemaphores => sysv_semaphores(workspace),
            Mechanism::Signals => signals(workspace),
            Mechanism::SysvQueue => sysv_queues(workspace),
            Mechanism::Tcp
            | Mechanism::Unix
            | Mechanism::UnixSeq
            | Mechanism::Udp
            | Mechanism::UnixGram
            | Mechanism::Fifo
            | Mechanism::Mq
            | Mechanism::Shm => {
                let (responder, endpoint) = server::start(mechanism, workspace, timeout)?;
                return Ok(Setup { responder: Some(responder), ..Setup::at(endpoint, None, timeout) });
            }
        };
        own.map_err(|error| describe(&error))
    }
}

fn pipes(workspace: &Workspace) -> io::Result<Setup> {
    let (their_from, to) = pipe_with(PipeFlags::CLOEXEC)?;
    let (from, their_to) = pipe_with(PipeFlags::CLOEXEC)?;
    let bundle = giving(&[&their_from, &their_to])?;
    let responder = workspace.start(["lines"], bundle.into(), Stdio::null())?;
    Ok(Setup::new(responder, || Ok(Channel::lines(to, from))))
}

fn socket_pair(workspace: &Workspace) -> io::Result<Setup> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let bundle = giving(&[&theirs, &theirs])?;
    let responder = workspace.start(["lines"], bundle.into(), Stdio::null())?;
    Ok(Setup::new(responder, || Ok(Channel::lines(ours.try_clone()?, ours))))
}

fn queues(workspace: &Workspace) -> io::Result<Setup> {
    let name = |way: &str| format!("/ipcctl-bench-{}-{way}", std::process::id());
    let (requests, replies) = (name("requests"), name("replies"));
    let make = |name: &str, flag| {
        workspace.own_queue(name.to_owned());
        let attributes = MqAttr::new(0, QUEUE_MESSAGES, MESSAGE_BYTES_MAX as i64, 0);
        let flags = flag | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_CLOEXEC;
        mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes)).map(queue::owned)
    };
    let to = make(&requests, MQ_OFlag::O_WRONLY)?;
    let from = make(&replies, MQ_OFlag::O_RDONLY)?;
    let responder = workspace.start(["queues", &requests, &replies], Stdio::null(), Stdio::null())?;
    Ok(Setup::new(responder, || Ok(Channel::Queues { to, from })))
}

fn futex(workspace: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    let responder = workspace.start(["futex"], giving(&[&memory])?.into(), Stdio::null())?;
    Ok(Setup::new(responder, || asking(memory, Wakeup::Futex)))
}

fn uring(workspace: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    // An old kernel reports here that it cannot do this, before the other process starts.
    Uring::new()?.wait(&SharedWords::map(&memory, WORDS)?[0], 1)?;
    let responder = workspace.start(["uring"], giving(&[&memory])?.into(), Stdio::null())?;
    Ok(Setup::new(responder, || asking(memory, Wakeup::Uring(Uring::new()?))))
}

fn semaphores(workspace: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    begin_semaphores(&SharedWords::map(&memory, WORDS)?)?;
    let responder = workspace.start(["semaphores"], giving(&[&memory])?.into(), Stdio::null())?;
    Ok(Setup::new(responder, || asking(memory, Wakeup::Semaphores)))
}

fn sysv_semaphores(workspace: &Workspace) -> io::Result<Setup> {
    let (memory, id) = (allocate(WORDS)?, sysv::new_semaphores()?);
    workspace.own_semaphores(id);
    let arguments = ["sysv-semaphores".to_owned(), id.to_string()];
    let responder = workspace.start(arguments, giving(&[&memory])?.into(), Stdio::null())?;
    Ok(Setup::new(responder, move || asking(memory, Wakeup::SystemV(id))))
}

fn signals(workspace: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    let responder = workspace.start(["signals"], giving(&[&memory])?.into(), Stdio::null())?;
    let pid = responder.pid.as_raw_nonzero().get();
    Ok(Setup::new(responder, move || {
        // The other side signals that it is ready. If it never does, the timeout of the measurement comes first.
        signal::wait(Duration::from_secs(3600))?;
        asking(memory, Wakeup::Signal(pid))
    }))
}

fn sysv_queues(workspace: &Workspace) -> io::Result<Setup> {
    let make = || sysv::new_queue().inspect(|id| workspace.own_sysv_queue(*id));
    let (to, from) = (make()?, make()?);
    let arguments = ["system-v".to_owned(), to.to_string(), from.to_string()];
    let responder = workspace.start(arguments, Stdio::null(), Stdio::null())?;
    Ok(Setup::new(responder, move || Ok(Channel::SystemV { to, from })))
}

fn asking(memory: OwnedFd, wakeup: Wakeup) -> io::Result<Channel> {
    Ok(Channel::Memory(Memory::new(SharedWords::map(memory, WORDS)?, Side::Asks, wakeup)))
}

fn event_fd(workspace: &Workspace) -> io::Result<Setup> {
    let memory = allocate(WORDS)?;
    let (asked, answered) = (eventfd(0, EventfdFlags::CLOEXEC)?, eventfd(0, EventfdFlags::CLOEXEC)?);
    let bundle = giving(&[&memory, &answered, &asked])?;
    let responder = workspace.start(["event-fd"], bundle.into(), Stdio::null())?;
    Ok(Setup::new(responder, || asking(memory, Wakeup::EventFd { to: asked, from: answered })))
}
