//! `--daemon`: into the background, for systems without a service manager. The one who started it waits until the daemon is
//! ready, or hears why it is not.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};
use rustix::io::Errno;

use super::failure::Failure;

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
    files: Detached,
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
    let files = Detached { pid_file: pid_file.clone(), log_file: log_file.clone() };
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
        // Where only the wait for the process in between has failed, the daemon is on its way, and says so here itself.
        Outcome::Parent(outcome) => {
            drop(writer);
            let heard = listen(&mut reader);
            if let (Err(error), Ok("")) = (&outcome, heard.as_deref()) {
                made.iter().for_each(|path| drop(std::fs::remove_file(path)));
                return Err(Failure::Runtime(format!("cannot detach: {}", reason(error))));
            }
            Ok(Side::Parent(retell(heard, &log_file)))
        }
        Outcome::Child(Ok(_)) => Ok(Side::Daemon(Terminal { writer, made, files })),
        Outcome::Child(Err(error)) => {
            drop(reader); // or what is told would always find somebody
            let mut why = format!("cannot detach: {}", reason(&error));
            if error.to_string()
                == format!("unable to lock pid file, errno {}", Errno::WOULDBLOCK.raw_os_error())
            {
                why = format!(
                    "{}: {}; is another daemon running with this pid file?",
                    pid_file.display(),
                    reason(&error)
                );
                made.retain(|path| *path != pid_file); // it is somebody else's
            }
            let failure = Failure::Runtime(why);
            Terminal { writer, made, files }.tell(&failure);
            Ok(Side::Parent(failure.status())) // the terminal has heard of it, from the one who waits there
        }
    }
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
            format!("1\nipcd: cannot hear whether the daemon is ready: {error}; see {log}")
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
    /// The daemon is ready: the one who started it may go.
    ///
    /// # Errors
    /// That one cannot hear of it, and will say that there is no daemon. So there must be none.
    pub fn ready(mut self) -> Result<(), Failure> {
        self.writer.write_all(READY.as_bytes()).map_err(|error| {
            let _ = std::fs::remove_file(&self.files.pid_file);
            Failure::Runtime(format!("cannot tell the one who started this daemon that it is ready: {error}"))
        })
    }

    /// The start failed: what it had made is gone when the terminal hears of it. If that cannot be told, it is in the log.
    pub fn tell(mut self, failure: &Failure) {
        self.made.iter().for_each(|path| drop(std::fs::remove_file(path)));
        if self.writer.write_all(format!("{}\n{failure}", failure.status()).as_bytes()).is_err() {
            let log = OpenOptions::new().create(true).append(true).open(&self.files.log_file);
            let _ = log.and_then(|mut log| writeln!(log, "{failure}"));
        }
    }
}

/// A path as it will be found from another directory.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
