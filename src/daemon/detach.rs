//! `--daemon`: into the background, for systems without a service manager. The one who started it waits until the daemon is
//! ready, or hears why it is not.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};

use super::Failure;

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
pub struct Terminal(io::PipeWriter);

/// Which of the processes this is.
#[derive(Debug)]
pub enum Side {
    /// One that has nothing left to do but to end, with this exit status.
    Parent(u8),
    /// The daemon; its outcome has to be told to the terminal.
    Daemon(Terminal),
}

/// Goes into the background. Has to be called before anything is opened that the daemon needs, and while there is but one
/// thread.
///
/// # Errors
/// The files cannot be opened, or the process cannot be copied.
pub fn detach(files: &Detached) -> Result<Side, Failure> {
    let failed =
        |what: &Path, error: &dyn std::fmt::Display| Failure::Runtime(format!("{}: {error}", what.display()));
    let log = OpenOptions::new().create(true).append(true).open(&files.log_file);
    let log = log.map_err(|error| failed(&files.log_file, &error))?;
    let again = || log.try_clone().map_err(|error| failed(&files.log_file, &error));
    let pid_file = std::path::absolute(&files.pid_file).map_err(|error| failed(&files.pid_file, &error))?;
    let (mut reader, writer) = io::pipe().map_err(|error| Failure::Runtime(format!("pipe: {error}")))?;

    let daemonize =
        Daemonize::new().pid_file(&pid_file).working_directory("/").stdout(again()?).stderr(again()?);
    match daemonize.execute() {
        Outcome::Parent(Err(error)) => Err(Failure::Runtime(format!("cannot detach: {error}"))),
        Outcome::Parent(Ok(_)) => {
            drop(writer);
            Ok(Side::Parent(listen(&mut reader)))
        }
        Outcome::Child(outcome) => {
            let mut terminal = Terminal(writer);
            match outcome {
                Ok(_) => Ok(Side::Daemon(terminal)),
                Err(error) => {
                    let failure = Failure::Runtime(format!(
                        "{}: {error}; is another daemon running with this pid file?",
                        pid_file.display()
                    ));
                    terminal.tell(&failure);
                    Ok(Side::Parent(failure.status())) // the terminal has heard of it, from the one who waits there
                }
            }
        }
    }
}

/// Waits for the daemon's first word; the exit status that follows from it.
fn listen(reader: &mut impl Read) -> u8 {
    let mut said = String::new();
    let _ = reader.read_to_string(&mut said);
    if said == READY {
        return 0;
    }
    let (status, lines) = said.split_once('\n').unwrap_or(("", "ipcd: the daemon ended before it was ready"));
    let _ = writeln!(io::stderr(), "{lines}");
    status.parse().unwrap_or(1)
}

impl Terminal {
    /// The daemon is ready: the one who started it may go.
    pub fn ready(mut self) {
        let _ = self.0.write_all(READY.as_bytes());
    }

    /// The start failed.
    pub fn tell(&mut self, failure: &Failure) {
        let _ = self.0.write_all(format!("{}\n{failure}", failure.status()).as_bytes());
    }
}

/// A path as it will be found from another directory.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
