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
pub struct Terminal {
    writer: io::PipeWriter,
    /// What a start that fails has to remove.
    made: Vec<PathBuf>,
}

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
    let failed = |what: &Path, error: io::Error| {
        Failure::Runtime(format!("{}: {error}; choose a path where ipcd may write", what.display()))
    };
    let (pid_file, log_file) = (absolute(&files.pid_file), absolute(&files.log_file));
    let mut made: Vec<PathBuf> =
        [&pid_file, &log_file].into_iter().filter(|path| !path.exists()).cloned().collect();
    let opened = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
    // Opened here as well, because daemonize says no more than a number when it cannot.
    opened(&pid_file).map_err(|error| failed(&pid_file, error))?;
    let log = opened(&log_file).map_err(|error| {
        made.iter().filter(|path| **path == pid_file).for_each(|path| drop(std::fs::remove_file(path)));
        failed(&log_file, error)
    })?;
    let again = || log.try_clone().map_err(|error| failed(&log_file, error));
    let pipe = || io::pipe().map_err(|error| Failure::Runtime(format!("pipe: {error}")));
    let prepared = again().and_then(|stdout| Ok((stdout, again()?, pipe()?)));
    let (stdout, stderr, (mut reader, writer)) =
        prepared.inspect_err(|_| made.iter().for_each(|path| drop(std::fs::remove_file(path))))?;

    let daemonize = Daemonize::new().pid_file(&pid_file).working_directory("/").stdout(stdout).stderr(stderr);
    match daemonize.execute() {
        Outcome::Parent(Err(error)) => Err(Failure::Runtime(format!("cannot detach: {error}"))),
        Outcome::Parent(Ok(_)) => {
            drop(writer);
            Ok(Side::Parent(listen(&mut reader)))
        }
        Outcome::Child(outcome) => {
            match outcome {
                Ok(_) => Ok(Side::Daemon(Terminal { writer, made })),
                Err(error) => {
                    let failure = Failure::Runtime(format!(
                        "{}: {error}; is another daemon running with this pid file?",
                        pid_file.display()
                    ));
                    made.retain(|path| *path != pid_file); // it is somebody else's
                    Terminal { writer, made }.tell(&failure);
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
        let _ = self.writer.write_all(READY.as_bytes());
    }

    /// The start failed: what it had made is gone when the terminal hears of it.
    pub fn tell(mut self, failure: &Failure) {
        self.made.iter().for_each(|path| drop(std::fs::remove_file(path)));
        let _ = self.writer.write_all(format!("{}\n{failure}", failure.status()).as_bytes());
    }
}

/// A path as it will be found from another directory.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
