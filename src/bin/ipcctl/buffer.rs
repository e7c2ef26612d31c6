//! A writer to a bounded buffer in shared memory: each line of standard input fills a slot. Nothing comes back.

use std::io::{self, BufRead, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipcd::endpoint::buffer::Layout;
use ipcd::host::raw::memory::SharedWords;
use ipcd::host::raw::semaphore::{Semaphore, WORDS};
use ipcd::os_error::describe;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::{pread, pwrite};

use super::connect::ConnectOptions;
use super::error::CliError;

/// The offset of the second index: the slot to fill next.
const TAIL: u64 = 4;

/// How long to wait at a time, so that no time is too long for the clock.
const WAIT_MAX: Duration = Duration::from_secs(3600);

struct Writer {
    layout: Layout,
    object: OwnedFd,
    empty: SharedWords,
    full: SharedWords,
    mutex: SharedWords,
    timeout: Option<Duration>,
}

fn open(path: &Path) -> Result<OwnedFd, CliError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = openat(CWD, path, flags, Mode::empty()).map_err(io::Error::from);
    opened.map_err(|error| CliError::Unreachable(format!("{}: {}", path.display(), describe(&error))))
}

fn failed(error: io::Error) -> CliError {
    CliError::Failed(describe(&error))
}

/// Fills a slot with each line, until the input ends.
pub(crate) fn say(options: &ConnectOptions, path: &Path) -> Result<(), CliError> {
    let layout = Layout::of(path).ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
    let map = |path: &PathBuf| {
        let words = SharedWords::map_unsealed(open(path)?, WORDS);
        words.map_err(|error| CliError::Failed(format!("{}: {}", path.display(), describe(&error))))
    };
    let object = open(&layout.object_file())?;
    let size = fstat(&object).map_err(|errno| failed(errno.into()))?.st_size;
    if size != layout.bytes() as i64 {
        return Err(CliError::Failed(format!(
            "{} has {size} bytes, not {}; write its slots and size, for example shm://{}?semaphores&slots=16&size=128",
            layout.object,
            layout.bytes(),
            layout.object
        )));
    }
    let [empty, full, mutex] = layout.semaphore_files();
    let (empty, full, mutex) = (map(&empty)?, map(&full)?, map(&mutex)?);
    let writer = Writer { layout, object, empty, full, mutex, timeout: options.time_limit() };
    for line in io::stdin().lock().split(b'\n') {
        let line = line.map_err(|error| CliError::Failed(format!("standard input: {}", describe(&error))))?;
        writer.put(line.strip_suffix(b"\r").unwrap_or(&line))?;
    }
    Ok(())
}

impl Writer {
    fn wait(&self, semaphore: &SharedWords, what: &str) -> Result<(), CliError> {
        let semaphore = Semaphore::of(semaphore);
        loop {
            if semaphore.wait_for(self.timeout.unwrap_or(WAIT_MAX)).map_err(failed)? {
                return Ok(());
            }
            if let Some(timeout) = self.timeout {
                return Err(CliError::Failed(format!("{what} (waited {} s)", timeout.as_secs_f32())));
            }
        }
    }

    fn put(&self, line: &[u8]) -> Result<(), CliError> {
        let Layout { slots, size, object, empty, mutex, .. } = &self.layout;
        if line.len() > *size as usize {
            return Err(CliError::Failed(format!(
                "a line of {} bytes does not fit into a slot of {object}, which has {size}",
                line.len()
            )));
        }
        if line.is_empty() {
            return Ok(());
        }
        self.wait(&self.empty, &format!("{empty} stayed 0: the buffer is full, and nobody reads it"))?;
        if let Err(error) =
            self.wait(&self.mutex, &format!("{mutex} stayed 0: another program has locked the buffer"))
        {
            Semaphore::of(&self.empty).post().map_err(failed)?;
            return Err(error);
        }
        let written = self.write(line, *slots);
        Semaphore::of(&self.mutex).post().map_err(failed)?;
        written.map_err(failed)?;
        Semaphore::of(&self.full).post().map_err(failed)
    }

    fn write(&self, line: &[u8], slots: u32) -> io::Result<()> {
        let mut tail = [0; 4];
        pread(&self.object, &mut tail, TAIL)?;
        let tail = u32::from_ne_bytes(tail) % slots;
        let mut text = line.to_vec();
        text.resize(self.layout.size as usize, 0);
        pwrite(&self.object, &text, self.layout.slot_at(tail))?;
        pwrite(&self.object, &((tail + 1) % slots).to_ne_bytes(), TAIL)?;
        Ok(())
    }
}
