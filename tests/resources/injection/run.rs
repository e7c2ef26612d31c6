//! One run of a real ipcd under strace, with one failing call.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::mqueue::mq_unlink;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::script::{self, CONFIG, RELOADED, SECOND};
use crate::harness::around::stale_socket;
use crate::harness::logged::untimed_lines;
use crate::harness::{MULTIPLY, TestDir};

/// How long a start, a reload, or a stop may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait for a line in the log, whose write may have been the failing call.
const LINE: Duration = Duration::from_secs(3);

/// How long the idle daemon is observed.
const QUIET: Duration = Duration::from_millis(500);

/// The most processor time in that period, in ticks of 10 ms. A loop that never waits takes 50, or its share of a busy machine.
const QUIET_TICKS_MAX: u64 = 4;

/// The files that stay: FIFOs do, so that writers wait.
const LEFT: [&str; 5] = ["ipcd.toml", "multiply.in", "multiply.out", "second.in", "second.out"];

/// The socket file of a killed daemon, there from the beginning.
const STALE: &str = "multiply.seq";

/// Lines that follow from a failed call, and do not repeat its reason.
const FOLLOWING: [&str; 7] = [
    "the limit on open files is 1024", // if it cannot be queried
    "is gone or another",              // after a failing lstat(2)
    "refused: no file descriptor left; raise the limit on open files",
    "log line could not be written",
    "does not exist; using group ",         // the lines about the groups say so
    "address already in use",               // after a failing bind(2) or flock(2)
    "trying again: cannot allocate memory", // what mmap(2) says with EAGAIN
];

/// A call that fails.
#[derive(Clone, Debug)]
pub struct Fault {
    pub call: String,
    pub errno: &'static str,
    /// Which use of it, counted by strace from the first instruction of the process.
    pub when: usize,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Usual {
    /// Whether the call has failed.
    pub happened: bool,
    /// The uses of each call in a run without failures: before the daemon's own code, before it was ready, and in all.
    pub uses: HashMap<String, [usize; 3]>,
    /// Open descriptors at the end.
    pub descriptors: usize,
}

/// A daemon, which is killed when dropped: with `-D` it is our own child, and strace ends with it.
struct Subject {
    child: Child,
    test_dir: TestDir,
    /// Its output, and strace's.
    beside: TempDir,
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // It may have been kept from removing them.
        for end in [".in", ".out", ".lock"] {
            let _ = mq_unlink(format!("{}{end}", script::queue(&self.test_dir)).as_str());
        }
    }
}

fn test_dir(ip: Ipv4Addr) -> TestDir {
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip };
    test_dir.write_config(CONFIG);
    // The file of a daemon that was killed.
    stale_socket(&test_dir.directory.path().join(STALE));
    test_dir
}

impl Subject {
    /// Under strace with these options.
    fn start(test_dir: TestDir, options: &[String]) -> Subject {
        let beside = tempfile::tempdir().unwrap();
        let ipcd = test_dir.command();
        let mut command = Command::new("strace");
        command.args(["-D", "-qq", "-o"]).arg(beside.path().join("trace")).args(options);
        command.arg(ipcd.get_program()).args(ipcd.get_args());
        command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
        let stderr = File::create(beside.path().join("stderr")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        Subject { child: child.expect("strace is to be installed"), test_dir, beside }
    }

    /// Starts the next daemon after the end of one, without strace.
    fn start_again(&mut self) {
        let mut command = self.test_dir.command();
        self.child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    }

    fn log(&self) -> String {
        untimed_lines(&String::from_utf8_lossy(&fs::read(self.beside.path().join("stderr")).unwrap()))
    }

    fn trace(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.beside.path().join("trace")).unwrap_or_default()).into_owned()
    }

    /// The call that has failed, if one has.
    fn injected(&self) -> Option<String> {
        self.trace().lines().find(|line| line.ends_with("(INJECTED)")).map(str::to_owned)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).map_or(0, Iterator::count)
    }

    /// Processor time used so far, in ticks.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.test_dir.names();
        names.retain(|name| name != "own");
        names
    }

    /// Waits until it has ended.
    fn wait(&mut self) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err("it does not end".to_owned())
    }

    /// Waits until it answers; returns the clients that got no answer before. `Ok(Err(_))`: it has ended.
    fn wait_until_ready(&mut self) -> Result<Result<Vec<String>, ExitStatus>, String> {
        let (deadline, mut lost) = (Instant::now() + TIMEOUT, Vec::new());
        loop {
            if let Some(status) = self.ended() {
                return Ok(Err(status));
            }
            match script::line(&self.test_dir, MULTIPLY) {
                Ok(()) => return Ok(Ok(lost)),
                Err(error) if error.contains("os error 111") => {} // it does not listen yet
                Err(error) => lost.push(format!("first: {error}")),
            }
            if Instant::now() > deadline {
                return Err(format!("it is not ready: {lost:?}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// One round of all clients; adds those without an answer to `lost`. After the fault there may be none.
fn round(subject: &mut Subject, reloaded: bool, lost: &mut Vec<String>) -> Result<(), String> {
    let over = subject.injected().is_some();
    let now = script::round(&subject.test_dir, reloaded);
    if let Some(status) = subject.ended() {
        return Err(format!("it has ended: {status}"));
    }
    if over && !now.is_empty() {
        return Err(format!("after the fault was over: {now:?}, and before: {lost:?}"));
    }
    lost.extend(now);
    Ok(())
}

/// Reloads until that succeeds, which it must at the second try.
fn reload(subject: &Subject, fault: Option<&Fault>) -> Result<(), String> {
    subject.test_dir.write_config(RELOADED);
    for _ in 0..2 {
        let (over, mark) = (subject.injected().is_some(), subject.log().len());
        let silent = fault.is_some_and(|fault| fault.call.starts_with("write"));
        subject.signal(Signal::HUP);
        let deadline = Instant::now() + if silent { LINE } else { TIMEOUT };
        let failed = loop {
            let log = subject.log()[mark..].to_owned();
            if log.contains("reloaded: ") {
                return Ok(());
            }
            if log.contains("reload failed") {
                break log;
            }
            if Instant::now() > deadline {
                break "nothing is said of the reload".to_owned();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if over || subject.injected().is_none() || (failed.starts_with("nothing") && !silent) {
            return Err(failed);
        }
        if silent && script::line(&subject.test_dir, SECOND).is_ok() {
            return Ok(());
        }
    }
    Err("the second reload failed as well".to_owned())
}

/// The whole life of a daemon with one fault, or none. Returns the results or the error.
pub fn run(ip: Ipv4Addr, fault: Option<&Fault>, usual: &Usual) -> Result<Usual, String> {
    let options = match fault {
        // Only the named calls are traced, so that the rest runs at full speed.
        Some(Fault { call, errno, when }) => vec![
            "-f".to_owned(),
            "--seccomp-bpf".to_owned(),
            format!("-etrace={call}"),
            "-esignal=none".to_owned(),
            format!("-einject={call}:error={errno}:when={when}"),
        ],
        None => Vec::new(),
    };
    let mut subject = Subject::start(test_dir(ip), &options);
    let outcome = live(&mut subject, fault, usual);
    let context = || {
        let injected = subject.injected().unwrap_or_else(|| "not injected".to_owned());
        let log = subject.log();
        format!("{injected}\n    {}", log.trim_end().replace('\n', "\n    "))
    };
    let happened = subject.injected().is_some();
    outcome
        .and_then(|learnt| check_log(&subject).map(|()| Usual { happened, ..learnt }))
        .map_err(|what| format!("{what}\n    {}", context()))
}

fn live(subject: &mut Subject, fault: Option<&Fault>, usual: &Usual) -> Result<Usual, String> {
    let mut lost = match subject.wait_until_ready()? {
        Ok(lost) => lost,
        Err(status) => return check_refusal(subject, fault, status),
    };
    round(subject, false, &mut lost)?;
    reload(subject, fault)?;
    round(subject, true, &mut lost)?;
    // A client whose descriptor was not closed waits for the end.
    let is_transient = fault.is_some_and(|fault| {
        ["EINTR", "EAGAIN"].contains(&fault.errno) && !["close", "mmap"].contains(&fault.call.as_str())
    });
    if lost.len() > usize::from(!is_transient && subject.injected().is_some()) {
        return Err(format!("lost: {lost:?}"));
    }
    let descriptors = check_rest(subject, fault, usual)?;
    let over = subject.injected().is_some();
    subject.signal(Signal::TERM);
    let status = subject.wait()?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    check_left(subject, &LEFT, !over || fault.is_some_and(leaves_files))?;
    let uses = if fault.is_none() { count(&subject.trace()) } else { HashMap::new() };
    Ok(Usual { uses, descriptors, ..Usual::default() })
}

/// Checks that it does nothing when there is nothing to do, and holds no descriptor too many; returns their number.
fn check_rest(subject: &Subject, fault: Option<&Fault>, usual: &Usual) -> Result<usize, String> {
    // strace prevents close(2).
    let kept = fault.is_some_and(|fault| fault.call == "close" || fault.errno == "ENOSYS"); // here /dev/urandom stays open
    let kept = usize::from(kept);
    let deadline = Instant::now() + TIMEOUT;
    // If fcntl(2) fails, the log uses standard error itself.
    let fewest = usual.descriptors - usize::from(fault.is_some_and(|fault| fault.call == "fcntl"));
    while fault.is_some() && !(fewest..=usual.descriptors + kept).contains(&subject.descriptors()) {
        if Instant::now() > deadline {
            let now = subject.descriptors();
            return Err(format!("{now} descriptors are open, not {}", usual.descriptors));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let ticks = subject.ticks();
    // Time must pass: the daemon is observed while nothing happens.
    std::thread::sleep(QUIET);
    match subject.ticks() - ticks {
        0..=QUIET_TICKS_MAX => Ok(subject.descriptors()),
        ticks => Err(format!("it does not rest: {ticks} ticks")),
    }
}

/// Checks that a failed start gives the reason in one line, and leaves nothing.
fn check_refusal(subject: &mut Subject, fault: Option<&Fault>, status: ExitStatus) -> Result<Usual, String> {
    if subject.injected().is_none() {
        return Err(format!("it ended without a fault: {status}"));
    }
    if !status.code().is_some_and(|code| [1, 2, 69, 78].contains(&code)) {
        return Err(format!("it ended with {status}"));
    }
    let log = subject.log();
    let last: Vec<&str> =
        log.lines().filter(|line| !line.starts_with("info: ") && !line.starts_with("warning: ")).collect();
    match last[..] {
        [line] if ["/", "epoll: ", "signals: "].iter().any(|name| line.contains(name)) => {}
        _ => return Err(format!("it does not say in one line what failed: {last:?}")),
    }
    check_left(subject, &["ipcd.toml", STALE], fault.is_some_and(leaves_files))?;
    Ok(Usual::default())
}

/// Whether this fault may leave a file that should have been removed.
fn leaves_files(fault: &Fault) -> bool {
    // A lock file that could not be locked may belong to another daemon.
    ["unlink", "newfstatat", "fstat", "flock"].contains(&fault.call.as_str())
}

/// Checks that only expected files are left. If others `may` be left, they block nothing: the next daemon starts, serves, and
/// leaves none.
fn check_left(subject: &mut Subject, meant: &[&str], may: bool) -> Result<(), String> {
    let left = subject.names();
    if left.iter().all(|name| meant.contains(&name.as_str())) && !meant.contains(&STALE) {
        return Ok(());
    }
    if !may && !meant.contains(&STALE) {
        return Err(format!("left behind: {left:?}"));
    }
    subject.start_again();
    let lost = subject.wait_until_ready()?.map_err(|status| format!("the next one ended with {status}"))?;
    subject.signal(Signal::TERM);
    let status = subject.wait()?;
    let left = subject.names();
    if !lost.is_empty()
        || !status.success()
        || !left.iter().all(|name| LEFT.contains(&name.as_str()) || name.starts_with("chat."))
    {
        return Err(format!("the next one: {status}, lost {lost:?}, left {left:?}"));
    }
    Ok(())
}

/// Checks that there is no panic, and no warning that is not about the failing call.
fn check_log(subject: &Subject) -> Result<(), String> {
    let reason = subject
        .injected()
        .and_then(|line| Some(line.rsplit_once(") (INJECTED)")?.0.rsplit_once(" (")?.1.to_lowercase()));
    for line in subject.log().lines() {
        let is_trouble = line.starts_with("warning: ") || line.starts_with("error: ");
        let is_usual = line.contains("refused: too many connections"); // the third member
        let is_explained = is_usual
            || reason.as_ref().is_some_and(|reason| {
                line.starts_with("error: ")
                    || line.to_lowercase().contains(reason) // the reason is in the middle of a sentence
                    || FOLLOWING.iter().any(|following| line.contains(following))
            });
        if line.contains("panicked") || is_trouble && !is_explained {
            return Err(format!("unexpected: {line}"));
        }
    }
    Ok(())
}

/// Counts the calls in a trace.
fn count(trace: &str) -> HashMap<String, [usize; 3]> {
    let (mut uses, mut phase) = (HashMap::<String, [usize; 3]>::new(), 0);
    for line in trace.lines() {
        let Some((call, arguments)) = line.split_once('(') else { continue };
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue; // a signal
        }
        if phase == 0 && call != "execve" && arguments.contains("/ipcd.toml") {
            phase = 1;
        }
        let uses = uses.entry(call.to_owned()).or_default();
        uses[phase..].iter_mut().for_each(|count| *count += 1);
        if phase == 1 && call == "write" && arguments.contains(" is ready") {
            phase = 2;
        }
    }
    uses
}
