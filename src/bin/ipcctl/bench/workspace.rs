//! The temporary resources of a measurement: a private directory, other processes, message queues. A
//! signal that ends ipcctl removes them first; if it is killed, the processes end with it (PR_SET_PDEATHSIG).

use super::protocol::{READY, RESPONDER, VARIABLES};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipcd::engine::text::clean;
use ipcd::host::raw::sysv;
use rustix::process::{Pid, Signal, getpid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// How long a process may take to end.
const END: Duration = Duration::from_secs(2);

/// How often to check whether it has ended.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) struct Workspace(Arc<Mutex<Resources>>);

#[derive(Default)]
struct Resources {
    directory: Option<TempDir>,
    children: Vec<Child>,
    queues: Vec<String>,
    sysv_queues: Vec<i32>,
    semaphores: Vec<i32>,
}

/// Another process.
#[derive(Clone)]
pub(crate) struct Responder {
    pub(crate) pid: Pid,
    monitor: Arc<StderrMonitor>,
}

/// The standard error of a process.
#[derive(Default)]
struct StderrMonitor {
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Default)]
struct Heard {
    last: Option<String>,
    is_ready: bool,
    is_over: bool,
}

impl Workspace {
    /// Creates the directory, and handles signals from now on.
    pub(crate) fn new() -> io::Result<Workspace> {
        let directory = tempfile::Builder::new().prefix("ipcctl-bench-").tempdir()?;
        let belongings = Resources { directory: Some(directory), ..Resources::default() };
        let workspace = Workspace(Arc::new(Mutex::new(belongings)));
        let theirs = Arc::clone(&workspace.0);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        std::thread::spawn(move || {
            for signal in signals.forever() {
                // Held to the end, so that nothing new is started afterwards.
                let mut belongings = lock(&theirs);
                belongings.clear();
                // So that the shell sees which signal ended the program.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
        Ok(workspace)
    }

    /// A path in the private directory.
    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        let belongings = lock(&self.0);
        belongings.directory.iter().map(|directory| directory.path().join(name.as_ref())).collect()
    }

    /// Removes the queue with this name at the end.
    pub(crate) fn own_queue(&self, name: String) {
        lock(&self.0).queues.push(name);
    }

    /// Removes this System V queue at the end.
    pub(crate) fn own_sysv_queue(&self, id: i32) {
        lock(&self.0).sysv_queues.push(id);
    }

    /// Removes these System V semaphores at the end.
    pub(crate) fn own_semaphores(&self, id: i32) {
        lock(&self.0).semaphores.push(id);
    }

    /// Starts a program that ends when this one does; `prepare` gives it its standard input and output.
    pub(crate) fn start(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: Stdio,
        stdout: Stdio,
    ) -> io::Result<Responder> {
        // This program as it was started, even if a newer one has replaced the file.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("ipcctl").arg(RESPONDER).arg(getpid().as_raw_nonzero().to_string());
        command.args(arguments).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        // Only this process gets the terminal's Ctrl-C, and ends the others in order.
        command.process_group(0);
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        // Started and listed without a gap, so that a signal finds it.
        let mut belongings = lock(&self.0);
        let mut child = command.spawn()?;
        let (pid, stderr) = (Pid::from_child(&child), child.stderr.take());
        belongings.children.push(child);
        drop(belongings);
        let monitor = Arc::new(StderrMonitor::default());
        let listener = Arc::clone(&monitor);
        std::thread::spawn(move || listener.listen(stderr));
        Ok(Responder { pid, monitor })
    }

    /// How a process ended, in words; `None`: it is running.
    pub(crate) fn end_of(&self, responder: &Responder) -> Option<String> {
        let mut belongings = lock(&self.0);
        let mut children = belongings.children.iter_mut();
        let child = children.find(|child| Pid::from_child(child) == responder.pid)?;
        let status = child.try_wait().ok()??;
        drop(belongings);
        Some(match (status.code(), status.signal()) {
            (_, Some(signal)) => format!("the other process was ended by signal {signal}"),
            (code, None) => responder.monitor.last_line().unwrap_or_else(|| {
                format!("the other process ended with status {}", code.unwrap_or_default())
            }),
        })
    }

    /// Ends the started processes and removes the queues; the directory stays.
    pub(crate) fn sweep(&self) {
        lock(&self.0).sweep();
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        lock(&self.0).clear();
    }
}

impl Resources {
    fn sweep(&mut self) {
        for child in &mut self.children {
            end(child);
        }
        self.children.clear();
        for queue in self.queues.drain(..) {
            // It may not exist.
            let _ = nix::mqueue::mq_unlink(queue.as_str());
        }
        self.sysv_queues.drain(..).for_each(sysv::remove_queue);
        self.semaphores.drain(..).for_each(sysv::remove_semaphores);
    }

    fn clear(&mut self) {
        self.sweep();
        // Dropping it removes it with its contents.
        self.directory = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(child: &mut Child) {
    let deadline = Instant::now() + END;
    // Not waited for yet, so the pid still belongs to it.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(LOOK),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

impl Responder {
    /// Waits until it reports that it is ready.
    pub(crate) fn wait_until_ready(&self, timeout: Option<Duration>) -> Result<(), String> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut heard = lock(&self.monitor.heard);
        loop {
            if heard.is_ready {
                return Ok(());
            }
            if heard.is_over {
                let last = heard.last.clone();
                return Err(last.unwrap_or_else(|| "it ended at once, without a message".to_owned()));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            heard = match left {
                Some(Duration::ZERO) => return Err("it was not ready in time".to_owned()),
                Some(left) => {
                    let woken = self.monitor.changed.wait_timeout(heard, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.monitor.changed.wait(heard).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl StderrMonitor {
    fn listen(&self, stderr: Option<ChildStderr>) {
        for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).split(b'\n')) {
            let Ok(line) = line else { break };
            let line = clean(&line);
            let mut heard = lock(&self.heard);
            heard.is_ready |= line.contains(READY);
            let line = line.strip_prefix("ipcd: ").or(line.strip_prefix("ipcctl: ")).unwrap_or(&line);
            heard.last = Some(line.to_owned());
            self.changed.notify_all();
        }
        lock(&self.heard).is_over = true;
        self.changed.notify_all();
    }

    /// The last line of a process that has ended.
    fn last_line(&self) -> Option<String> {
        let heard = lock(&self.heard);
        let timeout = Duration::from_secs(1); // another process may also have its standard error
        let over = self.changed.wait_timeout_while(heard, timeout, |heard| !heard.is_over);
        over.unwrap_or_else(PoisonError::into_inner).0.last.clone()
    }
}
