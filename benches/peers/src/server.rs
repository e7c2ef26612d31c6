//! A measured server: a process on its own processor, which this starts and ends.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::endpoint::{Endpoint, TIMEOUT};
use crate::stream::Stream;

/// The interval between two checks whether it has started or ended.
const LOOK: Duration = Duration::from_micros(100);

/// Variables from which ipcd would conclude that a service manager has started it.
const FOREIGN: [&str; 6] =
    ["RUST_LOG", "JOURNAL_STREAM", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The two processors: one for the servers, one for the load generator.
#[derive(Clone, Copy)]
pub struct Cores {
    server: usize,
    generator: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub fn choose() -> Result<Cores> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut ours = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false));
        let Some(server) = ours.next() else { bail!("this process may use no processor") };
        let generator = ours.next().unwrap_or_else(|| {
            eprintln!(
                "only one processor: the server and who asks it share it, and the figures are about that"
            );
            server
        });
        pin(generator)?;
        Ok(Cores { server, generator })
    }

    pub fn as_words(&self) -> String {
        format!("servers on processor {}, load generator on processor {}", self.server, self.generator)
    }
}

fn pin(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
}

pub struct Server {
    child: Child,
    clock: ClockId,
    pub endpoint: Endpoint,
    /// The server behind a proxy. It does the work, so its processor time counts too.
    behind: Option<Box<Server>>,
}

impl Server {
    /// Starts it without waiting.
    pub fn spawn(mut command: Command, endpoint: Endpoint, cores: Cores) -> Result<Server> {
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A child inherits the affinity of the thread that starts it.
        pin(cores.server)?;
        let child = command.spawn();
        pin(cores.generator)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = child.with_context(|| format!("starting {program}"))?;
        let clock = clock_getcpuclockid(Pid::from_raw(child.id() as i32))?;
        Ok(Server { child, clock, endpoint, behind: None })
    }

    /// Adds the server behind this proxy.
    pub fn before(mut self, behind: Server) -> Server {
        self.behind = Some(Box::new(behind));
        self
    }

    /// Waits until it listens, without connecting: some servers treat a short connection as a client.
    pub fn wait(&mut self) -> Result<()> {
        if let Some(behind) = &mut self.behind {
            behind.wait()?;
        }
        self.wait_for(|server| Ok(server.endpoint.is_listening()?.then_some(())))
    }

    /// Waits until it accepts a client.
    pub fn wait_to_connect(&mut self) -> Result<Stream> {
        self.wait_for(|server| match server.endpoint.connect() {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if is_early(&error) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn wait_for<T>(&mut self, look: impl Fn(&Server) -> io::Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(found) = look(self).context("looking for a server that has just started")? {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once, {status}");
            }
            if Instant::now() > deadline {
                bail!("it did not listen within {TIMEOUT:?}");
            }
            sleep(LOOK);
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its process id, and that of the server behind it.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.pid()).chain(self.behind.as_ref().map(|behind| behind.pid()))
    }

    /// Processor time of all its threads, including ended ones, in nanoseconds.
    pub fn cpu(&self) -> Result<Duration> {
        let behind = self.behind.as_ref().map_or(Ok(Duration::ZERO), |behind| behind.cpu())?;
        Ok(Duration::from(clock_gettime(self.clock)?) + behind)
    }

    /// How often another process has taken the processor from it or from this process, by the kernel's count. A server with
    /// several threads or processes on its one processor disturbs itself: then it is left out.
    pub fn disturbances(&self) -> Result<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid()))?.count();
        let is_alone = threads == 1 && self.behind.is_none();
        Ok(taken_away("self")? + if is_alone { taken_away(&self.pid().to_string())? } else { 0 })
    }

    /// A line of its smaps_rollup, in bytes.
    pub fn memory(&self, which: &str) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        let behind = self.behind.as_ref().map_or(Ok(0), |behind| behind.memory(which))?;
        Ok(kib.with_context(|| format!("{path}: no {which}"))? * 1024 + behind)
    }
}

/// The number of involuntary context switches of a process (proc_pid_status(5)).
fn taken_away(process: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let count = text.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    count
        .and_then(|count| count.trim().parse().ok())
        .with_context(|| format!("{path}: no involuntary switches"))
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child has not been waited for, so the process id is still its own.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
        if let Endpoint::Unix(path) = &self.endpoint {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether a program is installed.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has daemons in directories that are not in every user's PATH.
    let also = ["/usr/sbin", "/usr/local/sbin"].map(Into::into);
    program.starts_with('/') && Path::new(program).is_file()
        || std::env::split_paths(&path).chain(also).any(|directory| directory.join(program).is_file())
}
