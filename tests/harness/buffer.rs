//! A writer to a bounded buffer with semaphores, as in a course, step by step.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ipcd::host::raw::memory::SharedWords;
use ipcd::host::raw::semaphore::{Semaphore, WORDS};

use super::wait_until;

/// The number of slots, and the bytes of one.
pub const SLOTS: u32 = 8;
pub const SIZE: u64 = 256;

/// The name of a buffer. Its files are removed at the end, whatever happened.
pub struct Board(pub String);

/// One writer's view of it.
pub struct Writer {
    pub object: File,
    pub empty: SharedWords,
    pub full: SharedWords,
    pub mutex: SharedWords,
}

impl Board {
    pub fn new(what: &str) -> Board {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Board(format!("{what}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// Its endpoint.
    pub fn endpoint(&self) -> String {
        format!("shm:///{}?semaphores", self.0)
    }

    pub fn file(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/{}", self.0))
    }

    pub fn semaphore_file(&self, which: &str) -> PathBuf {
        PathBuf::from(format!("/dev/shm/sem.{}_{which}", self.0))
    }

    pub fn files(&self) -> [PathBuf; 4] {
        let [empty, full, mutex] = ["empty", "full", "mutex"].map(|which| self.semaphore_file(which));
        [self.file(), empty, full, mutex]
    }

    /// How many of its files exist.
    pub fn count(&self) -> usize {
        self.files().iter().filter(|file| file.exists()).count()
    }

    pub fn modes(&self) -> Vec<u32> {
        let mode = |file: &PathBuf| fs::metadata(file).unwrap().permissions().mode() & 0o7777;
        self.files().iter().map(mode).collect()
    }

    /// Opens it, as sem_open(3) and shm_open(3) do; `None`: a part is missing.
    pub fn try_open(&self) -> Option<Writer> {
        let open = |file: PathBuf| OpenOptions::new().read(true).write(true).open(file).ok();
        let map = |which| SharedWords::map_unsealed(open(self.semaphore_file(which))?, WORDS).ok();
        let object = open(self.file())?;
        let (empty, full, mutex) = (map("empty")?, map("full")?, map("mutex")?);
        Some(Writer { object, empty, full, mutex })
    }

    pub fn open(&self) -> Writer {
        wait_until("the buffer is there", || self.try_open())
    }

    /// Opens it, puts a message there, and closes it.
    pub fn put(&self, text: &str) {
        self.open().put(text.as_bytes());
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for file in self.files() {
            let _ = fs::remove_file(file);
        }
    }
}

pub fn wait(semaphore: &SharedWords) {
    wait_until("the semaphore is not 0", || {
        Semaphore::of(semaphore).wait_for(Duration::from_millis(100)).unwrap().then_some(())
    });
}

pub fn post(semaphore: &SharedWords) {
    Semaphore::of(semaphore).post().unwrap();
}

pub fn value(semaphore: &SharedWords) -> i32 {
    Semaphore::of(semaphore).value().unwrap()
}

/// The steps of a writer for one message.
pub const STEPS: usize = 6;

impl Writer {
    /// All steps for one message.
    pub fn put(&self, text: &[u8]) {
        self.put_until(STEPS, text);
    }

    /// Only the first steps, like a writer that is then killed.
    pub fn put_until(&self, steps: usize, text: &[u8]) {
        let mut slot = [0; SIZE as usize];
        slot[..text.len()].copy_from_slice(text);
        let all: [&dyn Fn(); STEPS] = [
            &|| wait(&self.empty),
            &|| wait(&self.mutex),
            &|| self.object.write_all_at(&slot, 8 + SIZE * u64::from(self.index(1))).unwrap(),
            &|| self.set_index(1, (self.index(1) + 1) % SLOTS),
            &|| post(&self.mutex),
            &|| post(&self.full),
        ];
        all[..steps].iter().for_each(|step| step());
    }

    /// The index of the slot to empty next (0), or to fill next (1).
    pub fn index(&self, which: u64) -> u32 {
        let mut bytes = [0; 4];
        self.object.read_exact_at(&mut bytes, 4 * which).unwrap();
        u32::from_ne_bytes(bytes)
    }

    pub fn set_index(&self, which: u64, value: u32) {
        self.object.write_all_at(&value.to_ne_bytes(), 4 * which).unwrap();
    }
}
