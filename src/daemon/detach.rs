//! `--daemon`: into the background, for systems without a service manager. The one who started it waits until the daemon is
//! ready, or hears why it is not.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};

use super::failure::Failure;
use crate::host::user::User;
use crate::host::{log_file, time};
use crate::transport::error::OpenErrorKind;
use crate::transport::lock::Lock;

/// The files of a detached daemon.
#[derive(Clone, Debug)]
pub struct Detached {
    /// Locked while the daemon runs, and holding its process id.
    pub pid_file: PathBuf,
    /// Where it logs.
    pub log_file: PathBuf,
}

/// What the waiting parent hears of a daemon that is ready.
const READY: &str = "ready";

/// The daemon's end of the line to the parent that waits.
#[derive(Debug)]
pub struct Terminal {
    writer: io::PipeWriter,
    /// A log file that a start that fails has to remove.
    made: Option<PathBuf>,
    log_file: PathBuf,
    open_log: OpenLog,
    pid_file: PidFile,
}

/// How the log file is opened.
type OpenLog = fn(&Path) -> io::Result<File>;

/// The pid file, locked. It goes when this is dropped, or is empty where its directory is somebody else's.
#[derive(Debug)]
pub struct PidFile(Lock);

impl Drop for PidFile {
    fn drop(&mut self) {
        self.0.empty();
    }
}

/// Which of the processes this is.
#[derive(Debug)]
pub enum ForkSide {
    /// One that has nothing left to do but to end, with this exit status.
    Parent(u8),
    /// The daemon; its outcome has to be told to the terminal.
    Daemon(Terminal),
}

/// Goes into the background. Has to be called before anything is opened that the daemon needs, and while there is but one
/// thread. `user` is whom the log file is given to, if it is made here.
///
/// # Errors
/// A file cannot be locked or opened, or the process cannot be copied.
pub fn detach(files: &Detached, user: Option<&User>) -> Result<ForkSide, Failure> {
    let failed = |what: &Path, error: io::Error| {
        Failure::Runtime(format!("{}: {error}; choose a path where ipcd may write", what.display()))
    };
    let (pid_file, log_file) = (absolute(&files.pid_file), absolute(&files.log_file));
    // Locked here, where the outcome can be told as what it is. The daemon has the lock from this process.
    let lock = Lock::on_pid_file(&pid_file).map_err(|obstacle| unlocked(&pid_file, obstacle))?;
    let open_log: OpenLog = if user.is_some() { log_file::open_for_another } else { log_file::open };
    let made = (!log_file.exists()).then(|| log_file.clone());
    let log = open_log(&log_file).map_err(|error| failed(&log_file, error))?;
    let undo = || made.iter().for_each(|path| drop(std::fs::remove_file(path)));
    let again = || log.try_clone().map_err(|error| failed(&log_file, error));
    let pipe = || io::pipe().map_err(|error| Failure::Runtime(format!("pipe: {error}")));
    let given = || match user.filter(|_| made.is_some()) {
        Some(user) => user.give(&log).map_err(|error| failed(&log_file, error)),
        None => Ok(()),
    };
    let prepared = given().and_then(|()| Ok((again()?, again()?, pipe()?)));
    let (stdout, stderr, (mut reader, writer)) = prepared.inspect_err(|_| undo())?;

    let daemonize = Daemonize::new().working_directory("/").stdout(stdout).stderr(stderr);
    match daemonize.execute() {
        // Where only the wait for the process in between has failed, the daemon is on its way, and says so here itself.
        Outcome::Parent(outcome) => {
            drop(writer);
            let heard = listen(&mut reader);
            if let (Err(error), Ok("")) = (&outcome, heard.as_deref()) {
                undo();
                return Err(Failure::Runtime(format!("cannot detach: {}", reason(error))));
            }
            lock.leave();
            Ok(ForkSide::Parent(retell(heard, &log_file)))
        }
        Outcome::Child(outcome) => {
            drop(reader); // or what is told would always find somebody
            let written = match outcome {
                Ok(_) => lock
                    .write_pid()
                    .map_err(|error| format!("{}: cannot be written: {error}", pid_file.display())),
                Err(error) => Err(format!("cannot detach: {}", reason(&error))),
            };
            let terminal = Terminal { writer, made, log_file, open_log, pid_file: PidFile(lock) };
            match written {
                Ok(()) => Ok(ForkSide::Daemon(terminal)),
                Err(why) => {
                    let failure = Failure::Runtime(why);
                    terminal.tell(&failure);
                    Ok(ForkSide::Parent(failure.status())) // the terminal has heard of it, from the one who waits there
                }
            }
        }
    }
}

/// Why the pid file cannot be had, and what to do.
fn unlocked(pid_file: &Path, obstacle: OpenErrorKind) -> Failure {
    let file = pid_file.display();
    Failure::Runtime(match obstacle {
        OpenErrorKind::Locked { holder: Some(holder) } => {
            format!(
                "{file}: a daemon with this pid file is already running ({holder}); stop it or name another --pid-file"
            )
        }
        OpenErrorKind::Locked { holder: None } => {
            format!(
                "{file}: a daemon with this pid file is already running; stop it or name another --pid-file"
            )
        }
        OpenErrorKind::NotALock(_) => format!(
            "{file}: this is not a pid file; move it away, if nobody needs it, or name another --pid-file"
        ),
        OpenErrorKind::LockDenied(_) => {
            format!("{file}: permission denied; remove it, if nobody needs it, or name another --pid-file")
        }
        obstacle => format!("{file}: {obstacle}; choose a path where ipcd may write"),
    })
}

/// What daemonize says, with the kernel's words in the place of its number.
fn reason(error: &daemonize::Error) -> String {
    let text = error.to_string();
    match text.split_once(", errno ").map(|(what, number)| (what, number.parse())) {
        Some((what, Ok(number))) => format!("{what}: {}", io::Error::from_raw_os_error(number)),
        _ => text,
    }
}

/// Waits for the daemon's first word, which is all that it says here; nothing, if it has ended before.
fn listen(reader: &mut impl Read) -> io::Result<String> {
    let mut said = String::new();
    reader.read_to_string(&mut said).map(|_| said)
}

/// Tells the terminal what the daemon said; the exit status that follows from it.
fn retell(heard: io::Result<String>, log_file: &Path) -> u8 {
    let log = log_file.display();
    let said = match heard {
        Ok(said) if said == READY => return 0,
        Ok(said) => said,
        Err(error) => {
            format!("1\nipcd: cannot find out whether the daemon is ready: {error}; see {log}")
        }
    };
    let silent = match log_file.exists() {
        true => format!("ipcd: the daemon ended before it was ready; see {log}"),
        false => "ipcd: the daemon ended before it was ready".to_owned(),
    };
    let (status, lines) = said.split_once('\n').unwrap_or(("", &silent));
    let _ = writeln!(io::stderr(), "{lines}");
    status.parse().unwrap_or(1)
}

impl Terminal {
    /// The daemon is ready: the one who started it may go. The pid file is to be kept as long as it runs.
    ///
    /// # Errors
    /// That one cannot hear of it, and will say that there is no daemon. So there must be none.
    pub fn ready(mut self) -> Result<PidFile, Failure> {
        match self.writer.write_all(READY.as_bytes()) {
            Ok(()) => Ok(self.pid_file),
            Err(error) => {
                Err(Failure::Runtime(format!("cannot signal readiness to the parent process: {error}")))
            }
        }
    }

    /// The start failed: what it had made is gone when the terminal hears of it. If that cannot be told, it is in the log.
    pub fn tell(mut self, failure: &Failure) {
        self.made.iter().for_each(|path| drop(std::fs::remove_file(path)));
        drop(self.pid_file);
        if self.writer.write_all(format!("{}\n{failure}", failure.status()).as_bytes()).is_err() {
            let log = (self.open_log)(&self.log_file);
            let _ = log.and_then(|mut log| writeln!(log, "{} {failure}", time::full()));
        }
    }
}

/// Writes into the log file why the daemon has ended; the exit status.
pub fn note(failure: &Failure) -> u8 {
    let mut log = io::stderr();
    for line in failure.to_string().lines() {
        let _ = writeln!(log, "{} {line}", time::full());
    }
    failure.status()
}

/// A path as it will be found from another directory.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
