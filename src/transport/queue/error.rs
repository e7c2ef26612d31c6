//! Why a message queue cannot be opened, and what to do about it.

use std::fmt;

use crate::engine::transport::PACKET_BYTES_MAX;

/// Why a message queue cannot be opened.
#[derive(Debug)]
pub enum QueueErrorKind {
    /// The kernel has none (CONFIG_POSIX_MQUEUE).
    Unsupported,
    /// The queue with this name exists, and we may not use it.
    Denied(String),
    /// The queue with this name belongs to this other user.
    OtherOwner(String, u32),
    /// This queue is where our lock should be.
    NotALock(String),
    /// The messages of this existing queue are too long, in bytes.
    TooLarge(String, i64),
    /// The queues of our user take all of RLIMIT_MSGQUEUE, in bytes.
    NoBytes(u64),
    /// There are as many queues as the machine allows.
    NoQueues,
}

impl QueueErrorKind {
    /// What to do about it.
    pub(in super::super) fn remedy(&self) -> &'static str {
        match self {
            QueueErrorKind::Unsupported => "leave it out, or use a fifo:// endpoint",
            QueueErrorKind::Denied(_)
            | QueueErrorKind::OtherOwner(..)
            | QueueErrorKind::NotALock(_)
            | QueueErrorKind::TooLarge(..) => {
                "remove it, if nobody needs it (mq_unlink(3), or rm in /dev/mqueue), or choose another name"
            }
            QueueErrorKind::NoBytes(_) => {
                "raise that limit (LimitMSGQUEUE=, ulimit -q), remove queues that nobody needs, or list fewer mq:// endpoints"
            }
            QueueErrorKind::NoQueues => {
                "raise that limit (sysctl), remove queues that nobody needs, or list fewer mq:// endpoints"
            }
        }
    }
}

impl fmt::Display for QueueErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueErrorKind::Unsupported => f.write_str("this kernel has no POSIX message queues"),
            QueueErrorKind::Denied(name) => {
                write!(f, "permission denied on the existing message queue {name}")
            }
            QueueErrorKind::OtherOwner(name, uid) => {
                write!(f, "{name} is a message queue of user {uid}, not of ipcd's user")
            }
            QueueErrorKind::NotALock(name) => write!(f, "the message queue {name} is not a lock of ipcd"),
            QueueErrorKind::TooLarge(name, bytes) => write!(
                f,
                "the existing message queue {name} takes messages of {bytes} bytes, and ipcd at most {PACKET_BYTES_MAX}"
            ),
            QueueErrorKind::NoBytes(bytes) => write!(
                f,
                "the message queues of ipcd's user take all that RLIMIT_MSGQUEUE allows ({bytes} bytes)"
            ),
            QueueErrorKind::NoQueues => {
                f.write_str("there are as many message queues as fs.mqueue.queues_max allows")
            }
        }
    }
}
