//! The transcript of the room, with times. If the disk is full, lines are lost, counted and reported; nothing waits.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::host::{log_file, time};
use crate::os_error::describe;
use crate::reactor::Reactor;

/// The open file.
#[derive(Debug)]
pub(super) struct Transcript {
    pub(super) path: PathBuf,
    file: File,
    /// Lines that could not be written since the last success.
    lost: u64,
}

impl Transcript {
    /// Opens the file for appending, and creates it with mode 0640 if it does not exist.
    ///
    /// # Errors
    /// It cannot be opened, or is not a regular file.
    pub(super) fn open(path: &Path) -> Result<Transcript, String> {
        let failed = |reason: &str| {
            format!(
                "{}: cannot be written to: {reason}; choose a file where ipcd may write as transcript under [chat]",
                path.display()
            )
        };
        let file = log_file::open(path).map_err(|error| failed(&describe(&error)))?;
        match file.metadata() {
            Ok(it) if it.is_file() => Ok(Transcript { path: path.to_owned(), file, lost: 0 }),
            Ok(_) => Err(failed("it is not a regular file")),
            Err(error) => Err(failed(&describe(&error))),
        }
    }

    /// Reopens the file at its path.
    pub(super) fn reopen(&mut self) {
        match Transcript::open(&self.path) {
            Ok(new) => self.file = new.file,
            Err(error) => log::warn!("{error}; the transcript stays in the old file"),
        }
    }

    /// Writes the room's new lines, each with its time, in one write for each turn.
    pub(super) fn take(&mut self, reactor: &mut Reactor) {
        let Some(first) = reactor.poll_transcript() else { return };
        let time = time::full();
        let mut text = String::new();
        if self.lost > 0 {
            text += &format!("{time} ({} lines could not be written here)\n", self.lost);
        }
        let mut count = 0;
        for line in std::iter::once(first).chain(std::iter::from_fn(|| reactor.poll_transcript())) {
            text += &format!("{time} {line}\n");
            count += 1;
        }
        let before = self.file.metadata().map(|it| it.len());
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => self.lost = 0,
            Err(error) => {
                // Not half a line.
                let _ = before.and_then(|length| self.file.set_len(length));
                if self.lost == 0 {
                    log::warn!(
                        "{}: lines of the transcript are lost: {}",
                        self.path.display(),
                        describe(&error)
                    );
                }
                self.lost += count;
            }
        }
    }
}
