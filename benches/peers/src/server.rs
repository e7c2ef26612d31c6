//! A measured server: a process on its own processor, which this starts and ends.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
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
    core: usize,
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
        Ok(Server { child, clock, core: cores.server, endpoint, behind: None })
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

    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
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

    /// How often its threads have gone to sleep: each time follows something that woke them.
    pub fn sleeps(&self) -> Result<u64> {
        let mut sleeps = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sleeps += count.context("no count of voluntary switches")?.trim().parse::<u64>()?;
        }
        Ok(sleeps)
    }

    /// What other processes have taken until now, by the kernel's account.
    pub fn taken(&self) -> Result<Taken> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid()))?.count();
        // A server with several threads or processes on its one processor waits for itself.
        let is_alone = threads == 1 && self.behind.is_none();
        let server = if is_alone { waited(&self.pid().to_string())? } else { Duration::ZERO };
        let busy = busy(self.core)?.saturating_sub(self.cpu()?);
        Ok(Taken { generator: waited("self")?, server, others: busy })
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

/// The time that other processes took, since the processes started.
#[derive(Clone, Copy)]
pub struct Taken {
    /// The load generator could run, and another process had its processor. It never sleeps.
    generator: Duration,
    /// The same of the server, without what it takes to wake it.
    server: Duration,
    /// Other processes used the server's processor, as far as the kernel's ticks show it.
    others: Duration,
}

/// The kernel's own part in the delay after each time that a process slept.
const WAKING: Duration = Duration::from_micros(20);

/// Ticks of the processors' account: this much may be credited to the wrong process.
const TICKS: Duration = Duration::from_millis(20);

impl Taken {
    /// The share of this time that others took, since an earlier account.
    pub fn share_since(self, earlier: Taken, time: Duration) -> f64 {
        let others = self.others.saturating_sub(earlier.others);
        // The account is a sample, so that a tenth of the time may be chance.
        let others = others.saturating_sub(TICKS + time / 10);
        let waited =
            self.generator.saturating_sub(earlier.generator) + self.server.saturating_sub(earlier.server);
        waited.max(others).as_secs_f64() / time.as_secs_f64()
    }
}

/// How long the single thread of a process could run and did not, without the time that waking takes: the second and third
/// field of its schedstat.
fn waited(process: &str) -> Result<Duration> {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let fields: Vec<u64> = text.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let &[_, waited, slices] = &fields[..] else { bail!("{path}: not three numbers: {text}") };
    Ok(Duration::from_nanos(waited).saturating_sub(WAKING * u32::try_from(slices).unwrap_or(u32::MAX)))
}

/// How long a processor has worked for processes, or was taken from this machine (proc_stat(5): user, nice, system, steal).
fn busy(core: usize) -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")));
    let fields: Vec<u64> =
        line.unwrap_or_default().split_whitespace().map_while(|field| field.parse().ok()).collect();
    ensure!(fields.len() > 7, "/proc/stat: no account of processor {core}");
    Ok(Duration::from_millis(10) * u32::try_from(fields[..3].iter().sum::<u64>() + fields[7])?)
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
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
