//! Why a bounded buffer cannot be opened, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Why a bounded buffer cannot be opened.
#[derive(Debug)]
pub enum BufferErrorKind {
    /// This file, of the object or a semaphore, belongs to this other user.
    OtherOwner(PathBuf, u32),
    /// What is at this path is of this kind, and not a file.
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
            BufferErrorKind::OtherOwner(path, uid) => {
                write!(f, "{} belongs to user {uid}, not to ipcd's user", path.display())
            }
            BufferErrorKind::NotAFile(path, kind) => {
                write!(f, "{} is {kind}, not a regular file", path.display())
            }
        }
    }
}
