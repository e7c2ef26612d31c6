//! The consumer: a process that waits for the semaphores of a bounded buffer, and passes each message to the daemon over a socket,
//! its standard input. A message stays in its slot until the daemon has it. The process ends with the daemon, or at a fault.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Stat, fstat};
use rustix::io::{pread, pwrite, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::consumer::{FAULT, MESSAGE};
use super::files::{indices, open_ours};
use crate::endpoint::buffer::Layout;
use crate::host::raw::memory::SharedWords;
use crate::host::raw::semaphore::{Semaphore, WORDS};
use crate::host::raw::signal;
use crate::os_error::describe;
use crate::transport::lock::is_gone;

/// How often to check the files and semaphores, at least and at most.
const CHECK_MIN: Duration = Duration::from_millis(20);
const CHECK_MAX: Duration = Duration::from_secs(1);

/// Why the consumer ends.
enum Ending {
    /// The daemon has closed the socket.
    Over,
    /// The buffer is broken: the reason.
    Fault(String),
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Ending {
        Ending::Fault(format!("it cannot be used: {}", describe(&error)))
    }
}

fn fault<T>(reason: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::Fault(reason.into()))
}

/// Why no process can go on at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stuck {
    /// A process holds the mutex.
    Locked,
    /// No slot is free, and none is filled.
    NoSlot,
    /// A slot is filled, but not counted by its semaphore yet.
    Uncounted,
}

/// A named semaphore.
struct Named {
    name: String,
    path: PathBuf,
    stat: Stat,
    words: SharedWords,
}

impl Named {
    fn open(name: &str, path: PathBuf) -> Result<Named, Ending> {
        let opened = open_ours(&path).map_err(|kind| Ending::Fault(kind.to_string()))?;
        let Some((fd, stat)) = opened else { return fault(format!("the semaphore {name} was removed")) };
        Ok(Named { name: name.to_owned(), path, stat, words: SharedWords::map_unsealed(&fd, WORDS)? })
    }

    fn semaphore(&self) -> Semaphore<'_> {
        Semaphore::of(&self.words)
    }

    /// Its value, which is at most `max`.
    fn value(&self, max: u32) -> Result<u32, Ending> {
        let value = self.semaphore().value()?;
        match u32::try_from(value).ok().filter(|value| *value <= max) {
            Some(value) => Ok(value),
            None => fault(format!("the semaphore {} is {value}, but must be at most {max}", self.name)),
        }
    }
}

/// One buffer, its semaphores, and the socket to the daemon.
struct OpenBuffer {
    socket: OwnedFd,
    layout: Layout,
    object: OwnedFd,
    stat: Stat,
    empty: Named,
    full: Named,
    mutex: Named,
    timeout: Duration,
}

/// Empties the buffer at `place` until the daemon ends; `timeout`: how long a writer may lock it.
///
/// # Errors
/// `place` names no buffer, or standard input is not a socket.
pub fn run(place: &str, timeout: Duration) -> io::Result<()> {
    signal::only_interrupt()?;
    // A core dump would contain messages.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let layout = Layout::of(Path::new(place)).ok_or(io::ErrorKind::InvalidInput)?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let copy = socket.try_clone()?;
    if let Err(Ending::Fault(reason)) =
        OpenBuffer::begin(socket, layout, timeout).and_then(|buffer| buffer.work())
    {
        let packet = [&[FAULT], reason.as_bytes()].concat();
        let _ = send(&copy, &packet, SendFlags::NOSIGNAL);
    }
    Ok(())
}

impl OpenBuffer {
    fn begin(socket: OwnedFd, layout: Layout, timeout: Duration) -> Result<OpenBuffer, Ending> {
        let opened = open_ours(&layout.object_file()).map_err(|kind| Ending::Fault(kind.to_string()))?;
        let Some((object, stat)) = opened else { return fault("the object was removed") };
        let [empty, full, mutex] = layout.semaphore_files();
        let empty = Named::open(&layout.empty, empty)?;
        let full = Named::open(&layout.full, full)?;
        let mutex = Named::open(&layout.mutex, mutex)?;
        Ok(OpenBuffer { socket, object, stat, empty, full, mutex, timeout, layout })
    }

    fn work(&self) -> Result<(), Ending> {
        let interval = (self.timeout / 4).clamp(CHECK_MIN, CHECK_MAX);
        let mut stuck: Option<(Instant, Stuck)> = None;
        loop {
            self.check_socket()?;
            if self.full.semaphore().wait_for(interval)? {
                stuck = None;
                self.take()?;
                continue;
            }
            stuck = match (self.check()?, stuck) {
                (Some(now), Some((since, before))) if now == before => {
                    if since.elapsed() < self.timeout {
                        continue;
                    }
                    self.recover(now)?;
                    None
                }
                (now, _) => now.map(|now| (Instant::now(), now)),
            };
        }
    }

    /// No process could go on for the whole timeout.
    fn recover(&self, stuck: Stuck) -> Result<(), Ending> {
        match stuck {
            Stuck::Locked => self.give_up_on_mutex(),
            // Its writer was killed right before it would have done this.
            Stuck::Uncounted => Ok(self.full.semaphore().post()?),
            Stuck::NoSlot => fault(format!(
                "{} and {} have been 0 for {} s: no slot is free and none is filled, so writers were killed in between",
                self.empty.name,
                self.full.name,
                self.timeout.as_secs_f32()
            )),
        }
    }

    /// Checks everything while no message comes; returns why no process can go on, if so.
    fn check(&self) -> Result<Option<Stuck>, Ending> {
        let semaphores = [&self.empty, &self.full, &self.mutex];
        if is_gone(&self.stat, &self.layout.object_file()) {
            return fault("the object was removed");
        }
        if let Some(gone) = semaphores.into_iter().find(|named| is_gone(&named.stat, &named.path)) {
            return fault(format!("the semaphore {} was removed", gone.name));
        }
        self.check_size()?;
        let slots = self.layout.slots;
        let (free, filled, mutex) = (self.empty.value(slots)?, self.full.value(slots)?, self.mutex.value(1)?);
        let (head, tail) = self.indices()?;
        Ok(match (free, filled, mutex) {
            (_, _, 0) => Some(Stuck::Locked),
            (_, 0, _) if head != tail => Some(Stuck::Uncounted),
            (0, 0, _) => Some(Stuck::NoSlot),
            _ => None,
        })
    }

    fn check_size(&self) -> Result<(), Ending> {
        let (size, right) = (fstat(&self.object).map_err(io::Error::from)?.st_size, self.layout.bytes());
        match u64::try_from(size).is_ok_and(|size| size == right) {
            true => Ok(()),
            false => fault(format!("the object has {size} bytes, but must have {right}")),
        }
    }

    fn indices(&self) -> Result<(u32, u32), Ending> {
        indices(&self.object).or_else(|error| {
            // It may be shorter than it was when we looked.
            self.check_size()?;
            Err(error.into())
        })
    }

    /// A slot is filled: passes its message on, and frees it. If the daemon ends in between, it stays filled.
    fn take(&self) -> Result<(), Ending> {
        let locked = self.lock();
        if !matches!(locked, Ok(true)) {
            self.full.semaphore().post()?;
        }
        if !locked? {
            return self.give_up_on_mutex();
        }
        let read = self.read();
        self.mutex.semaphore().post()?;
        let (head, message) = read?;
        if let Err(over) = self.pass_on(&message) {
            self.full.semaphore().post()?;
            return Err(over);
        }
        // Only we change this index, so we can even without the mutex.
        let locked = self.lock();
        let freed = self.free(head);
        if matches!(locked, Ok(true)) {
            self.mutex.semaphore().post()?;
        }
        freed?;
        self.empty.semaphore().post()?;
        if !locked? {
            return self.give_up_on_mutex();
        }
        self.empty.value(self.layout.slots)?;
        self.full.value(self.layout.slots)?;
        Ok(())
    }

    /// Locks the mutex; returns whether that succeeded in time.
    fn lock(&self) -> Result<bool, Ending> {
        let until = Instant::now() + self.timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.mutex.semaphore().wait_for(left)? {
                return match self.mutex.value(0) {
                    Ok(_) => Ok(true),
                    Err(_) => {
                        fault(format!("the semaphore {} let in two processes at once", self.mutex.name))
                    }
                };
            }
            self.check_socket()?;
            if left.is_zero() {
                return Ok(false);
            }
        }
    }

    /// A process has held the mutex for too long. Passes on the complete messages before the end.
    fn give_up_on_mutex(&self) -> Result<(), Ending> {
        for _ in 0..self.layout.slots {
            if !self.full.semaphore().wait_for(Duration::ZERO)? {
                break;
            }
            let (head, message) = self.read()?;
            self.pass_on(&message)?;
            self.free(head)?;
        }
        fault(format!(
            "a program has held {} for {} s; perhaps it was killed between sem_wait and sem_post",
            self.mutex.name,
            self.timeout.as_secs_f32()
        ))
    }

    /// The slot to empty next, and the message in it.
    fn read(&self) -> Result<(u32, Vec<u8>), Ending> {
        self.check_size()?;
        let (head, tail) = self.indices()?;
        let slots = self.layout.slots;
        self.full.value(slots - 1)?; // one is ours
        if head >= slots || tail >= slots {
            return fault(format!("its indices are {head} and {tail}, but must be at most {}", slots - 1));
        }
        if head == tail && self.empty.value(slots)? > 0 {
            return fault(format!(
                "{} says that a slot is filled, but the indices say that none is",
                self.full.name
            ));
        }
        let mut message = vec![0; self.layout.size as usize];
        let count =
            pread(&self.object, &mut message[..], self.layout.slot_at(head)).map_err(io::Error::from)?;
        if count < message.len() {
            self.check_size()?;
        }
        message.truncate(count);
        // Text ends with a NUL, or with its slot.
        if let Some(end) = message.iter().position(|byte| *byte == 0) {
            message.truncate(end);
        }
        Ok((head, message))
    }

    /// Frees the slot that was read.
    fn free(&self, head: u32) -> Result<(), Ending> {
        if self.indices()?.0 != head {
            return fault("another program empties it too");
        }
        let next = ((head + 1) % self.layout.slots).to_ne_bytes();
        pwrite(&self.object, &next, 0).map_err(io::Error::from)?;
        Ok(())
    }

    /// Passes a message on, and waits until the daemon has it.
    fn pass_on(&self, message: &[u8]) -> Result<(), Ending> {
        let packet = [&[MESSAGE], message].concat();
        send(&self.socket, &packet, SendFlags::NOSIGNAL).map_err(|_| Ending::Over)?;
        loop {
            let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
            let _ = poll(&mut socket, None); // a signal is no reason to stop
            let mut word = [0; 8];
            match retry_on_intr(|| recv(&self.socket, &mut word, RecvFlags::empty())) {
                Ok((_, 1..)) => return Ok(()),
                Err(rustix::io::Errno::AGAIN) => {}
                _ => return Err(Ending::Over),
            }
        }
    }

    /// Ends when the daemon has closed the socket.
    fn check_socket(&self) -> Result<(), Ending> {
        let mut socket = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let _ = poll(&mut socket, Some(&Default::default()));
        match socket[0].revents().is_empty() {
            true => Ok(()),
            false => Err(Ending::Over),
        }
    }
}
