//! What keeps a bounded buffer from being opened, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// What is in the way of a bounded buffer.
#[derive(Debug)]
pub enum BufferErrorKind {
    /// This file, of the object or a semaphore, belongs to this other user.
    SomebodyElses(PathBuf, u32),
    /// At this path is something of this kind, and no file.
    NotAFile(PathBuf, &'static str),
}

impl BufferErrorKind {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        "remove it, if nobody needs it, or choose another name"
    }
}

impl fmt::Display for BufferErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BufferErrorKind::SomebodyElses(path, uid) => {
                write!(f, "{} belongs to user {uid}, not to ipcd's user", path.display())
            }
            BufferErrorKind::NotAFile(path, kind) => {
                write!(f, "{} is {kind}, not a regular file", path.display())
            }
        }
    }
}
