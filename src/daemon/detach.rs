//! `--daemon`: runs in the background, for systems without a service manager. The command that started it waits until the
//! daemon is ready, or gets the reason why it is not.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};

use super::failure::Failure;
use crate::host::user::User;
use crate::host::{log_file, time};
use crate::os_error::describe;
use crate::transport::error::OpenErrorKind;
use crate::transport::lock::Lock;

/// The files of a detached daemon.
#[derive(Clone, Debug)]
pub struct Detached {
    /// The pid file: locked while the daemon runs, with its process id.
    pub pid_file: PathBuf,
    /// The log file.
    pub log_file: PathBuf,
}

/// The message to the waiting parent when the daemon is ready.
const READY: &str = "ready";

/// The daemon's end of the pipe to the waiting parent.
#[derive(Debug)]
pub struct ReadyPipe {
    writer: io::PipeWriter,
    /// A log file that a failed start must remove.
    made: Option<PathBuf>,
    log_file: PathBuf,
    open_log: OpenLog,
    pid_file: PidFile,
}

/// Options to open the log file.
type OpenLog = fn(&Path) -> io::Result<File>;

/// The locked pid file. Dropping this removes it, or empties it if its directory belongs to another user.
#[derive(Debug)]
pub struct PidFile(Lock);

impl Drop for PidFile {
    fn drop(&mut self) {
        self.0.empty();
    }
}

/// The side of the fork that this process is on.
#[derive(Debug)]
pub enum ForkSide {
    /// The parent, which only has to exit with this status.
    Parent(u8),
    /// The daemon; it must report its outcome to the terminal.
    Daemon(ReadyPipe),
}

/// Detaches. Must be called before opening anything that the daemon needs, and while there is only one
/// thread. A log file that is created here is given to `user`.
///
/// # Errors
/// A file cannot be locked or opened, or the process cannot be copied.
pub fn detach(files: &Detached, user: Option<&User>) -> Result<ForkSide, Failure> {
    let failed = |what: &Path, error: io::Error| {
        Failure::Runtime(format!(
            "{}: {}; choose a path where ipcd may write",
            what.display(),
            describe(&error)
        ))
    };
    let (pid_file, log_file) = (absolute(&files.pid_file), absolute(&files.log_file));
    // Locked here, where the error can still be reported exactly. The daemon inherits the lock.
    let lock = Lock::on_pid_file(&pid_file).map_err(|error| unlocked(&pid_file, error))?;
    let open_log: OpenLog = if user.is_some() { log_file::open_for_another } else { log_file::open };
    let made = (!log_file.exists()).then(|| log_file.clone());
    let log = open_log(&log_file).map_err(|error| failed(&log_file, error))?;
    let undo = || made.iter().for_each(|path| drop(std::fs::remove_file(path)));
    let again = || log.try_clone().map_err(|error| failed(&log_file, error));
    let pipe = || io::pipe().map_err(|error| Failure::Runtime(format!("pipe: {}", describe(&error))));
    let given = || match user.filter(|_| made.is_some()) {
        Some(user) => user.give(&log).map_err(|error| failed(&log_file, error)),
        None => Ok(()),
    };
    let prepared = given().and_then(|()| Ok((again()?, again()?, pipe()?)));
    let (stdout, stderr, (mut reader, writer)) = prepared.inspect_err(|_| undo())?;

    let daemonize = Daemonize::new().working_directory("/").stdout(stdout).stderr(stderr);
    match daemonize.execute() {
        // If only the wait for the intermediate process failed, the daemon is starting, and reports its outcome itself.
        Outcome::Parent(outcome) => {
            drop(writer);
            let heard = listen(&mut reader);
            if let (Err(error), Ok("")) = (&outcome, heard.as_deref()) {
                undo();
                return Err(Failure::Runtime(format!("cannot detach: {}", reason(error))));
            }
            lock.leave();
            Ok(ForkSide::Parent(relay(heard, &log_file)))
        }
        Outcome::Child(outcome) => {
            drop(reader); // otherwise a message would always find a reader
            let written = match outcome {
                Ok(_) => lock.write_pid().map_err(|error| {
                    format!("{}: cannot be written: {}", pid_file.display(), describe(&error))
                }),
                Err(error) => Err(format!("cannot detach: {}", reason(&error))),
            };
            let terminal = ReadyPipe { writer, made, log_file, open_log, pid_file: PidFile(lock) };
            match written {
                Ok(()) => Ok(ForkSide::Daemon(terminal)),
                Err(reason) => {
                    let failure = Failure::Runtime(reason);
                    terminal.tell(&failure);
                    Ok(ForkSide::Parent(failure.status())) // the waiting parent has printed the error
                }
            }
        }
    }
}

/// Why the pid file cannot be locked, and what to do.
fn unlocked(pid_file: &Path, error: OpenErrorKind) -> Failure {
    let file = pid_file.display();
    Failure::Runtime(match error {
        OpenErrorKind::Locked { owner: Some(owner) } => {
            format!(
                "{file}: a daemon with this pid file is already running ({owner}); stop it or name another --pid-file"
            )
        }
        OpenErrorKind::Locked { owner: None } => {
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
        error => format!("{file}: {error}; choose a path where ipcd may write"),
    })
}

/// The error of daemonize, with the kernel's message instead of its number.
fn reason(error: &daemonize::Error) -> String {
    let text = error.to_string();
    match text.split_once(", errno ").map(|(what, number)| (what, number.parse())) {
        Some((what, Ok(number))) => format!("{what}: {}", describe(&io::Error::from_raw_os_error(number))),
        _ => text,
    }
}

/// Reads the daemon's one message; empty if the daemon has ended before.
fn listen(reader: &mut impl Read) -> io::Result<String> {
    let mut said = String::new();
    reader.read_to_string(&mut said).map(|_| said)
}

/// Prints the daemon's message on the terminal and returns the exit status.
fn relay(heard: io::Result<String>, log_file: &Path) -> u8 {
    let log = log_file.display();
    let said = match heard {
        Ok(said) if said == READY => return 0,
        Ok(said) => said,
        Err(error) => {
            format!("1\nipcd: cannot find out whether the daemon is ready: {}; see {log}", describe(&error))
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

impl ReadyPipe {
    /// Reports that the daemon is ready, so that the parent may exit. Keep the pid file as long as the daemon runs.
    ///
    /// # Errors
    /// The parent cannot be told, and will say that there is no daemon. So the daemon must exit.
    pub fn ready(mut self) -> Result<PidFile, Failure> {
        match self.writer.write_all(READY.as_bytes()) {
            Ok(()) => Ok(self.pid_file),
            Err(error) => Err(Failure::Runtime(format!(
                "cannot signal readiness to the parent process: {}",
                describe(&error)
            ))),
        }
    }

    /// Reports that the start failed, after everything that it created is removed. If the parent cannot be told, it is in the log.
    pub fn tell(mut self, failure: &Failure) {
        self.made.iter().for_each(|path| drop(std::fs::remove_file(path)));
        drop(self.pid_file);
        if self.writer.write_all(format!("{}\n{failure}", failure.status()).as_bytes()).is_err() {
            let log = (self.open_log)(&self.log_file);
            let _ = log.and_then(|mut log| writeln!(log, "{} {failure}", time::full()));
        }
    }
}

/// Logs why the daemon ended and returns the exit status.
pub fn note(failure: &Failure) -> u8 {
    let mut log = io::stderr();
    for line in failure.to_string().lines() {
        let _ = writeln!(log, "{} {line}", time::full());
    }
    failure.status()
}

/// An absolute path, for use from another directory.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
