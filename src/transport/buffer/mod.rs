//! The bounded buffer of the textbooks: a shared memory object with slots for messages, and three named semaphores. Clients fill
//! the slots, and we empty them; nothing is sent back.
//!
//! The event loop cannot wait for a semaphore, and a writer that shortens a mapped file would kill the daemon (SIGBUS). So a
//! separate process ([`consume`]) waits, and passes each message on over a socket. If it is killed, the daemon sees the end
//! of that socket, and creates the buffer again.

pub mod consume;
pub(super) mod consumer;
mod error;
mod files;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::connection::Connection;
use super::direction::set_permissions;
use super::error::{OpenError, OpenErrorKind};
use super::lock::is_gone;
use super::on_drop::OnDrop;
use super::options::Options;
use crate::endpoint::ResolvedEndpoint;
use crate::endpoint::buffer::Layout;
use consumer::Consumer;
pub use error::BufferErrorKind;
use files::Object;

/// An open bounded buffer. Whether dropping it removes the files: see [`keep`](Buffer::keep).
#[derive(Debug)]
pub struct Buffer {
    place: ResolvedEndpoint,
    layout: Layout,
    mode: Cell<u32>,
    group: RefCell<String>,
    message_timeout: Duration,
    object: RefCell<Object>,
    /// The files must not be used any more.
    is_broken: Rc<Cell<bool>>,
    on_drop: Cell<OnDrop>,
}

/// Opens the buffer of `place`, and creates it if it does not exist. Nobody else's files are ever removed.
///
/// Also returns deviations from the request, each as a line for the log.
///
/// # Errors
/// The reason.
pub fn open(place: &ResolvedEndpoint, options: &Options) -> Result<(Buffer, Vec<String>), OpenError> {
    try_open(place, options).map_err(|kind| OpenError { place: place.clone(), kind })
}

fn try_open(place: &ResolvedEndpoint, options: &Options) -> Result<(Buffer, Vec<String>), OpenErrorKind> {
    let layout = place.path().and_then(Layout::of).ok_or(ErrorKind::Unsupported);
    let layout = layout.map_err(|kind| OpenErrorKind::Other(kind.into()))?;
    let (object, wrong) = files::take_over(&layout)?;
    let buffer = Buffer {
        place: place.clone(),
        layout,
        mode: Cell::new(options.mode),
        group: RefCell::new(options.group.clone()),
        message_timeout: options.message_timeout,
        object: RefCell::new(object),
        is_broken: Rc::default(),
        on_drop: Cell::new(OnDrop::RemoveIfNew),
    };
    let mut warnings: Vec<String> = wrong.map(|wrong| format!("{place}: {wrong}")).into_iter().collect();
    warnings.extend(buffer.set_permissions(options.mode, &options.group).map_err(OpenErrorKind::Other)?);
    Ok((buffer, warnings))
}

impl Buffer {
    /// Where it is.
    pub fn place(&self) -> &ResolvedEndpoint {
        &self.place
    }

    /// The number of its object: the same for every process that has it open (its inode).
    pub fn number(&self) -> u64 {
        self.object.borrow().stat.st_ino
    }

    /// Starts to empty it. After a fault, creates it again first.
    ///
    /// # Errors
    /// It cannot be created, or no process can be started.
    pub fn connection(&self) -> io::Result<Connection> {
        if self.is_broken.get() || self.is_orphaned() {
            let made = files::make(&self.layout).map_err(|kind| match kind {
                OpenErrorKind::Other(error) => error,
                kind => io::Error::other(kind.to_string()),
            })?;
            self.object.replace(made);
            let group = self.group.borrow().clone();
            self.set_permissions(self.mode.get(), &group)?;
            self.is_broken.set(false);
        }
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        let place = self.place.path().unwrap_or_else(|| "".as_ref());
        // This program, even if a newer version has replaced its file.
        let child = Command::new("/proc/self/exe")
            .arg0("ipcd")
            .arg("--consume")
            .arg(place)
            .arg(self.message_timeout.as_millis().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("the process that empties it cannot be started: {error}"),
                )
            })?;
        let consumer = Consumer::new(ours, child, Rc::clone(&self.is_broken), self.number());
        Ok(Connection::Buffer(Box::new(consumer)))
    }

    /// Whether clients can no longer reach it, because the object was removed or replaced.
    pub fn is_orphaned(&self) -> bool {
        is_gone(&self.object.borrow().stat, &self.layout.object_file())
    }

    /// From now on dropping this removes the files if nothing is in the buffer. Without this call, it removes what we have just
    /// created.
    pub fn keep(&self) {
        self.on_drop.set(OnDrop::RemoveIfEmpty);
    }

    /// Leaves the files to the next process.
    pub fn hand_over(&self) {
        self.on_drop.set(OnDrop::Keep);
    }

    /// Changes the mode and group of the files; their owner keeps access, and nobody may execute them.
    ///
    /// Returns deviations from the request, each as a line for the log.
    ///
    /// # Errors
    /// They no longer belong to us.
    pub fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        self.mode.set(mode);
        self.group.replace(group.to_owned());
        let mut warnings = Vec::new();
        for path in self.layout.files() {
            let file = files::open_ours(&path).map_err(|kind| io::Error::other(kind.to_string()))?;
            let (fd, _) = file.ok_or(ErrorKind::NotFound)?;
            warnings.extend(set_permissions(fd.as_fd(), path.display(), mode & 0o666 | 0o600, group)?);
        }
        Ok(warnings)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let object = self.object.borrow();
        let is_empty = || files::indices(&object.fd).is_ok_and(|(head, tail)| head == tail);
        let removes = self.on_drop.get().removes(object.is_new, || self.is_broken.get() || is_empty());
        if removes && !self.is_orphaned() {
            files::remove(&self.layout);
        }
    }
}
