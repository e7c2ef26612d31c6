//! The second process of the bench, with private arguments that are not in the help: it answers over a mechanism, or becomes
//! the daemon, which then ends with the bench. Only the bench can start it, so that a sudo(8) rule or a profile
//! that allows ipcctl allows nothing more: no other program, and no daemon with other files.

use super::protocol::RESPONDER;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Parser, Subcommand};
use ipcd::host::fd_bundle::{pack, unpack};
use ipcd::host::raw::memory::SharedWords;
use ipcd::host::raw::queue;
use ipcd::host::raw::signal;
use ipcd::host::raw::uring::Uring;
use nix::mqueue::{MQ_OFlag, mq_open};
use nix::sys::stat::Mode;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::super::error::CliError;
use super::channel::Channel;
use super::memory::{Memory, Side, WORDS, Wakeup};
use super::server;
use super::workload::answer;
use ipcd::os_error::describe;

#[derive(Parser)]
struct Arguments {
    /// The bench's process id
    bench: i32,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Become the daemon, with this configuration
    Daemon { config: PathBuf },
    /// Become the daemon for one session on standard input and output
    DaemonOnPipes { config: PathBuf },
    /// Answer lines; standard input is a bundle of the descriptors to read from and to write to
    Lines,
    /// Answer through System V queues
    SystemV { requests: i32, replies: i32 },
    /// Answer through shared memory with POSIX semaphores in it; standard input is a bundle of it
    Semaphores,
    /// Answer through shared memory, with System V semaphores; standard input is a bundle of it
    SysvSemaphores { id: i32 },
    /// Answer through shared memory, with signals; standard input is a bundle of it
    Signals,
    /// Answer through shared memory, and futexes in it; standard input is a bundle of it
    Futex,
    /// The same, waiting with io_uring
    Uring,
    /// Answer through shared memory; standard input is a bundle of it and the eventfds to signal and to wait for
    EventFd,
    /// Answer messages from one queue through another
    Queues { requests: String, replies: String },
}

/// Runs the task, if the bench started this process for one.
pub(crate) fn run() -> Option<Result<(), CliError>> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek()? != RESPONDER {
        return None;
    }
    let wrong = |_| CliError::Usage(format!("{RESPONDER} is only for ipcctl bench"));
    Some(Arguments::try_parse_from(arguments).map_err(wrong).and_then(|arguments| work(&arguments)))
}

fn work(arguments: &Arguments) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::Failed(describe(&error));
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| failed(error.into()))?;
    // The bench may have ended before that was set.
    let is_parent = getppid().is_some_and(|parent| parent.as_raw_nonzero().get() == arguments.bench);
    if !is_parent || !is_this_program(arguments.bench) {
        return Err(CliError::Usage(format!("{RESPONDER} is only for ipcctl bench")));
    }
    match &arguments.task {
        Task::Daemon { config } => become_daemon(&[], config),
        Task::DaemonOnPipes { config } => become_daemon(&["--stdio", "multiply"], config),
        task => channel(task, arguments.bench).and_then(|mut channel| answer(&mut channel)).map_err(failed),
    }
}

/// Whether that process runs this same program. Arguments prove nothing, because anyone can pass them.
fn is_this_program(pid: i32) -> bool {
    let file = |of: &str| fs::metadata(format!("/proc/{of}/exe")).map(|file| (file.dev(), file.ino()));
    matches!((file(&pid.to_string()), file("self")), (Ok(its), Ok(ours)) if its == ours)
}

/// Returns only if it fails.
fn become_daemon(arguments: &[&str], config: &Path) -> Result<(), CliError> {
    let program = server::find().map_err(CliError::Failed)?;
    // The signal setting survives exec.
    let error = Command::new(&program).args(arguments).arg("--config").arg(config).exec();
    Err(CliError::Failed(format!("{}: {}", program.display(), describe(&error))))
}

fn channel(task: &Task, bench: i32) -> io::Result<Channel> {
    Ok(match task {
        Task::Daemon { .. } | Task::DaemonOnPipes { .. } => return Err(io::Error::other("the daemon")),
        Task::Lines => {
            let [from, to] = given()?;
            Channel::lines(to, from)
        }
        Task::Futex => shared(Wakeup::Futex)?,
        Task::Uring => shared(Wakeup::Uring(Uring::new()?))?,
        Task::Semaphores => shared(Wakeup::Semaphores)?,
        Task::SysvSemaphores { id } => shared(Wakeup::SystemV(*id))?,
        Task::Signals => {
            signal::block()?;
            let channel = shared(Wakeup::Signal(bench))?;
            signal::queue(bench, 0)?; // ready: before this, a signal would have ended us
            channel
        }
        Task::SystemV { requests, replies } => Channel::SystemV { to: *replies, from: *requests },
        Task::EventFd => {
            let [memory, to, from] = given()?;
            let wakeup = Wakeup::EventFd { to, from };
            Channel::Memory(Memory::new(SharedWords::map(memory, WORDS)?, Side::Answers, wakeup))
        }
        Task::Queues { requests, replies } => {
            let open = |name: &str, flag| {
                mq_open(name, flag | MQ_OFlag::O_CLOEXEC, Mode::empty(), None).map(queue::owned)
            };
            Channel::Queues {
                to: open(replies, MQ_OFlag::O_WRONLY)?,
                from: open(requests, MQ_OFlag::O_RDONLY)?,
            }
        }
    })
}

/// Over the memory on standard input.
fn shared(wakeup: Wakeup) -> io::Result<Channel> {
    let [memory] = given()?;
    Ok(Channel::Memory(Memory::new(SharedWords::map(memory, WORDS)?, Side::Answers, wakeup)))
}

/// The descriptors in the bundle on standard input.
fn given<const N: usize>() -> io::Result<[OwnedFd; N]> {
    let descriptors = unpack(io::stdin())?;
    descriptors.try_into().map_err(|_| io::Error::other("standard input is not from ipcctl bench"))
}

/// Standard input for a responder with these descriptors.
pub(crate) fn giving(descriptors: &[&OwnedFd]) -> io::Result<OwnedFd> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(|fd| fd.as_fd()).collect();
    let bundle = pack(&borrowed)?.pop();
    bundle.ok_or_else(|| io::Error::other("no descriptor to pass"))
}
