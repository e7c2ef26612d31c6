//! Two POSIX message queues, `/NAME.in` and `/NAME.out` (mq_overview(7)): opened, created with the right mode and group, and
//! removed if they are ours and nothing waits in them. The lock beside them is in `lock`.
//!
//! A queue outlives every process: what waits in it at a stop, a restart or a crash is there for the next one.

pub(super) mod error;
mod find;
mod lock;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::mqueue::mq_unlink;
use rustix::fs::fstat;

use super::connection::Connection;
use super::direction::{Direction, set_permissions};
use super::error::{OpenError, OpenErrorKind};
use super::on_drop::OnDrop;
use super::options::Options;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::transport::{PACKET_BYTES_MAX, QUEUE_MESSAGE_BYTES_MAX};
use crate::host::raw::queue;
pub(super) use error::QueueErrorKind;
use find::{MESSAGES, find_or_create, other};
use lock::Lock;

/// What the kernel counts for each message of a queue in addition to its bytes, if a pointer has eight (RLIMIT_MSGQUEUE,
/// getrlimit(2)): two structures of 48 bytes.
const MESSAGE_COST: u64 = 96;

/// The shortest messages of a queue that we create, in bytes: the longest reply to one request fits.
const MESSAGE_BYTES_MIN: usize = 512;

/// The bytes of a message besides what a member of the room said: a name, and an LF at its end.
const NAME_BYTES: usize = 160;

/// The size of messages of a queue that we create, for a service with messages of at most `longest` bytes.
fn message_bytes(longest: usize) -> usize {
    (longest + NAME_BYTES).clamp(MESSAGE_BYTES_MIN, QUEUE_MESSAGE_BYTES_MAX)
}

/// What the queues of one endpoint count towards RLIMIT_MSGQUEUE, in bytes, for a service with messages of at most `longest`
/// bytes: the two, and the one that is their lock.
pub fn cost(longest: usize) -> u64 {
    2 * MESSAGES as u64 * (message_bytes(longest) as u64 + MESSAGE_COST) + 1 + MESSAGE_COST
}

/// An open pair of queues. Whether dropping it removes them: see [`keep`](Queues::keep).
#[derive(Debug)]
pub struct Queues {
    place: ResolvedEndpoint,
    input: QueueEnd,
    output: QueueEnd,
    lock: Lock,
    on_drop: Cell<OnDrop>,
}

/// One open queue.
#[derive(Debug)]
struct QueueEnd {
    direction: Direction,
    name: String,
    fd: OwnedFd,
    /// We have created it just now.
    is_new: bool,
    /// This or an earlier ipcd has created it.
    is_ours: Cell<bool>,
}

/// Opens the two queues of `place`, and creates missing ones. Nobody else's are ever removed.
///
/// Also returns deviations from the request, each as a line for the log.
///
/// # Errors
/// The reason.
pub fn open(place: &ResolvedEndpoint, options: &Options) -> Result<(Queues, Vec<String>), OpenError> {
    try_open(place, options).map_err(|kind| OpenError { place: place.clone(), kind })
}

fn try_open(place: &ResolvedEndpoint, options: &Options) -> Result<(Queues, Vec<String>), OpenErrorKind> {
    let path = place.path().ok_or(io::ErrorKind::Unsupported).map_err(|kind| other(kind.into()))?;
    let name = path.to_string_lossy();
    let lock = Lock::take(&name)?;
    let open = |direction| open_end(&name, direction, &lock, message_bytes(options.message_bytes));
    let input = open(Direction::In)?;
    let output = match open(Direction::Out) {
        Ok(output) => output,
        Err(kind) => {
            input.remove_if(input.is_new, &lock);
            return Err(kind);
        }
    };
    let queues =
        Queues { place: place.clone(), input, output, lock, on_drop: Cell::new(OnDrop::RemoveIfNew) };
    let warnings = queues.set_permissions(options.mode, &options.group).map_err(OpenErrorKind::Other)?;
    Ok((queues, warnings))
}

/// Opens one queue, and creates it if it does not exist.
fn open_end(
    name: &str,
    direction: Direction,
    lock: &Lock,
    message_bytes: usize,
) -> Result<QueueEnd, OpenErrorKind> {
    let name = format!("{name}{}", direction.suffix());
    // What we create is marked first, so that it is known to be ours whenever this process is killed.
    let (fd, is_new) = find_or_create(&name, MESSAGES, message_bytes as i64, |is_ours| match is_ours {
        true => lock.mark(direction),
        false => lock.unmark(direction),
    })?;
    let is_ours = Cell::new(is_new || lock.marks(direction));
    let end = QueueEnd { direction, name, fd, is_new, is_ours };
    let bytes = queue::attributes(end.fd.as_fd()).map_err(other)?.msgsize();
    if bytes > PACKET_BYTES_MAX as i64 {
        return Err(OpenErrorKind::Queue(QueueErrorKind::TooLarge(end.name, bytes)));
    }
    Ok(end)
}

impl QueueEnd {
    /// Whether its name still refers to it: a removed queue has none.
    fn is_there(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink > 0)
    }

    fn is_empty(&self) -> bool {
        queue::attributes(self.fd.as_fd()).is_ok_and(|attributes| attributes.curmsgs() == 0)
    }

    fn remove_if(&self, condition: bool, lock: &Lock) {
        if condition && (!self.is_there() || mq_unlink(self.name.as_str()).is_ok()) {
            self.is_ours.set(false);
            lock.unmark(self.direction);
        }
    }
}

impl Queues {
    /// Its name, without `.in` and `.out`.
    pub fn place(&self) -> &ResolvedEndpoint {
        &self.place
    }

    /// Both as one connection, which takes from `.in` and adds to `.out`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn connection(&self) -> io::Result<Connection> {
        Ok(Connection::queues(self.input.fd.try_clone()?, self.output.fd.try_clone()?))
    }

    /// Whether clients can no longer reach it, because a queue was removed.
    pub fn is_orphaned(&self) -> bool {
        !self.input.is_there() || !self.output.is_there()
    }

    /// The longest message that fits into `.in`, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        let attributes = queue::attributes(self.input.fd.as_fd());
        attributes
            .ok()
            .and_then(|attributes| usize::try_from(attributes.msgsize()).ok())
            .unwrap_or(usize::MAX)
    }

    /// From now on, dropping this removes the empty queues that ipcd created. Without this call, it removes those that we have
    /// just created.
    pub fn keep(&self) {
        self.on_drop.set(OnDrop::RemoveIfEmpty);
    }

    /// Leaves the queues to the next process.
    pub fn hand_over(&self) {
        self.on_drop.set(OnDrop::Keep);
    }

    /// Removes `.in` if ipcd created it, so that no client adds to a queue that is not read any more.
    pub fn discard(&self) {
        self.keep();
        self.input.remove_if(self.input.is_ours.get(), &self.lock);
    }

    /// Changes the mode of the queues (each gets its part, and their owner keeps access) and their group.
    ///
    /// Returns deviations from the request, each as a line for the log.
    ///
    /// # Errors
    /// They no longer belong to us.
    pub fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        let mut warnings = Vec::new();
        for end in [&self.input, &self.output] {
            // They are opened by name at each start, which may not depend on the file system of queues being mounted.
            let mode = end.direction.mode(mode) & 0o666 | 0o600;
            warnings.extend(set_permissions(end.fd.as_fd(), &end.name, mode, group)?);
        }
        Ok(warnings)
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        for end in [&self.input, &self.output] {
            let removes = self.on_drop.get().removes(end.is_new, || end.is_ours.get() && end.is_empty());
            end.remove_if(removes, &self.lock);
        }
    }
}
