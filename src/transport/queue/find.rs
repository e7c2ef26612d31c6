//! Opens or creates one queue of our user: one of the two of a pair, or their lock.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use rustix::fs::fstat;
use rustix::process::geteuid;

use super::super::error::OpenErrorKind;
use super::error::QueueErrorKind;
use crate::host::raw::queue;

/// Messages in a queue that we create: as many as any user may have (`fs.mqueue.msg_max`), unless that was changed.
pub(super) const MESSAGES: i64 = 10;

/// How often a queue is opened again because another process has just created or removed it; an estimate.
pub(super) const TRIES_MAX: u32 = 16;

/// Opens a queue of our user, or creates it; returns whether it was created. `about_to_create` is called before it is, and
/// again, with `false`, if another process was faster. Until it has its group, no other user may use it.
pub(super) fn find_or_create(
    name: &str,
    messages: i64,
    message_bytes: i64,
    about_to_create: impl Fn(bool),
) -> Result<(OwnedFd, bool), OpenErrorKind> {
    let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK | MQ_OFlag::O_CLOEXEC;
    let create = |attributes: Option<&MqAttr>| {
        mq_open(name, flags | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL, Mode::S_IRUSR | Mode::S_IWUSR, attributes)
    };
    for _ in 0..TRIES_MAX {
        match mq_open(name, flags, Mode::empty(), None) {
            Err(Errno::ENOENT) => {}
            opened => {
                let fd = opened.map(queue::owned).map_err(|errno| refused(name, false, errno))?;
                let uid = fstat(&fd).map_err(io::Error::from).map_err(other)?.st_uid;
                if uid != geteuid().as_raw() {
                    return Err(OpenErrorKind::Queue(QueueErrorKind::OtherOwner(name.to_owned(), uid)));
                }
                return Ok((fd, false));
            }
        }
        about_to_create(true);
        let created = match create(Some(&MqAttr::new(0, messages, message_bytes, 0))) {
            // The machine allows less (fs.mqueue.msg_max, msgsize_max): create it with the kernel's defaults.
            Err(Errno::EINVAL) if messages == MESSAGES => create(None),
            outcome => outcome,
        };
        match created {
            Ok(created) => return Ok((queue::owned(created), true)),
            Err(Errno::EEXIST) => about_to_create(false),
            Err(errno) => {
                about_to_create(false);
                return Err(refused(name, true, errno));
            }
        }
    }
    Err(other(io::ErrorKind::AlreadyExists.into()))
}

pub(super) fn other(error: io::Error) -> OpenErrorKind {
    OpenErrorKind::Other(error)
}

/// The kind of an error of mq_open(3); `is_new`: it was to be created.
fn refused(name: &str, is_new: bool, errno: Errno) -> OpenErrorKind {
    let limit = || getrlimit(Resource::RLIMIT_MSGQUEUE).ok().map(|(soft, _)| soft);
    OpenErrorKind::Queue(match errno {
        Errno::ENOSYS => QueueErrorKind::Unsupported,
        Errno::EACCES => QueueErrorKind::Denied(name.to_owned()),
        Errno::ENOSPC => QueueErrorKind::NoQueues,
        // The same error means that no descriptor is left; then there is none for anything else.
        Errno::EMFILE if is_new && rustix::io::dup(rustix::stdio::stdin()).is_ok() => match limit() {
            Some(bytes) => QueueErrorKind::NoBytes(bytes),
            None => return OpenErrorKind::Other(errno.into()),
        },
        errno => return OpenErrorKind::Other(errno.into()),
    })
}
