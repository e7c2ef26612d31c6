//! Why a place cannot be opened, and what to do about it, as messages for people.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::buffer::BufferErrorKind;
use super::owner::PortOwner;
use super::queue::QueueErrorKind;
use crate::endpoint::{ResolvedEndpoint, UNIX_PATH_BYTES_MAX};
use crate::os_error::describe;

/// Why a place could not be opened. Its text has the place, the reason, and what to do; the position in the configuration can
/// follow it: `{error} under [multiply] in /etc/ipcd/ipcd.toml`.
#[derive(Debug)]
pub struct OpenError {
    /// The place that was to be opened.
    pub place: ResolvedEndpoint,
    /// The obstacle.
    pub kind: OpenErrorKind,
}

/// Reasons why a place cannot be opened. The text has no place and no remedy.
#[derive(Debug)]
pub enum OpenErrorKind {
    /// Another socket listens there.
    InUse {
        /// Its process, if visible in /proc.
        owner: Option<PortOwner>,
    },
    /// Another ipcd has the lock beside the socket file.
    Locked {
        /// Its process, if visible in /proc.
        owner: Option<PortOwner>,
    },
    /// This machine does not have the address family, for example IPv6 (EAFNOSUPPORT).
    NoSuchFamily,
    /// No interface of this machine has the address (EADDRNOTAVAIL).
    NotOurAddress,
    /// The port is below 1024, which needs CAP_NET_BIND_SERVICE (capabilities(7)).
    PrivilegedPort,
    /// What is at the path is not a socket, and is never removed.
    NotASocket(&'static str),
    /// At this path is something that is not a FIFO; it is not removed.
    NotAFifo(PathBuf, &'static str),
    /// The FIFO at this path belongs to this other user.
    OtherOwner(PathBuf, u32),
    /// The file at this path, the socket's with `.lock`, is not our lock file, and is never removed.
    NotALock(PathBuf),
    /// We may not open the lock file at this path.
    LockDenied(PathBuf),
    /// We may not connect to the existing socket to find out whether a process listens on it.
    ProbeDenied,
    /// We may not create files in this directory, or a directory with this name.
    DirectoryDenied(PathBuf, io::Error),
    /// The directory does not exist.
    MissingDirectory(PathBuf),
    /// The path has this many bytes; at most [`UNIX_PATH_BYTES_MAX`] are allowed.
    TooLong(usize),
    /// What is in the way of a message queue.
    Queue(QueueErrorKind),
    /// What is in the way of a bounded buffer.
    Buffer(BufferErrorKind),
    /// Anything else.
    Other(io::Error),
}

impl OpenError {
    /// Whether this machine just lacks the address or its family; for one address of `tcp://localhost` that is only
    /// a warning.
    pub fn is_address_missing(&self) -> bool {
        matches!(self.kind, OpenErrorKind::NoSuchFamily | OpenErrorKind::NotOurAddress)
    }

    /// Whether another process holds the place.
    pub fn is_in_use(&self) -> bool {
        matches!(self.kind, OpenErrorKind::InUse { .. } | OpenErrorKind::Locked { .. })
    }

    /// The process that holds the place, if it is visible in /proc.
    pub fn owner(&self) -> Option<&PortOwner> {
        match &self.kind {
            OpenErrorKind::InUse { owner } | OpenErrorKind::Locked { owner } => owner.as_ref(),
            _ => None,
        }
    }

    /// The remedy. Its last suggestion is always a change of the configuration.
    pub fn remedy(&self) -> &'static str {
        let tcp = self.place.network().is_some();
        match &self.kind {
            OpenErrorKind::InUse { owner: Some(owner) } if owner.is_this_process() => match tcp {
                true => "pass it with LISTEN_PID (see ipcd(8)) or choose another port",
                false => "pass it with LISTEN_PID (see ipcd(8)) or choose another path",
            },
            OpenErrorKind::InUse { owner: Some(_) } | OpenErrorKind::Locked { .. } if tcp => {
                "stop it or choose another port"
            }
            OpenErrorKind::InUse { owner: None } if tcp => {
                "stop what uses it, wait a minute if it was a connection, or choose another port"
            }
            OpenErrorKind::InUse { owner: Some(_) } | OpenErrorKind::Locked { .. } => {
                "stop it or choose another path"
            }
            OpenErrorKind::InUse { owner: None } => "stop what listens there or choose another path",
            OpenErrorKind::NoSuchFamily => "turn IPv6 on or choose an IPv4 address",
            OpenErrorKind::NotOurAddress => "choose one that `ip address` shows, or 0.0.0.0 or [::]",
            OpenErrorKind::PrivilegedPort => {
                "let systemd open it (ipcd.socket, see ipcd(8)) or choose a port from 1024 on"
            }
            OpenErrorKind::NotASocket(_)
            | OpenErrorKind::NotALock(_)
            | OpenErrorKind::NotAFifo(..)
            | OpenErrorKind::OtherOwner(..) => "move it away, if nobody needs it, or choose another path",
            OpenErrorKind::LockDenied(_) | OpenErrorKind::ProbeDenied => {
                "remove it, if nobody needs it, or choose another path"
            }
            OpenErrorKind::DirectoryDenied(..) => "allow ipcd's user to write there or choose another path",
            OpenErrorKind::MissingDirectory(_) => "create it or choose another path",
            OpenErrorKind::TooLong(_) => "choose a shorter path",
            OpenErrorKind::Queue(kind) => kind.remedy(),
            OpenErrorKind::Buffer(kind) => kind.remedy(),
            OpenErrorKind::Other(error) => match Errno::from_io_error(error) {
                Some(Errno::MFILE | Errno::NFILE) => {
                    "raise the limit on open files (LimitNOFILE=, ulimit -n) or list fewer endpoints"
                }
                _ if tcp => "choose another address or port",
                _ => "choose another path",
            },
        }
    }
}

impl OpenErrorKind {
    /// An error on opening a socket at `address`; `owner` finds the process that holds it.
    pub(super) fn on_network(
        address: SocketAddr,
        error: io::Error,
        owner: fn(SocketAddr) -> Option<PortOwner>,
    ) -> OpenErrorKind {
        match Errno::from_io_error(&error) {
            // From listen(2) too: two sockets with SO_REUSEADDR can be bound to one port, but not both can listen.
            Some(Errno::ADDRINUSE) => OpenErrorKind::InUse { owner: owner(address) },
            Some(Errno::AFNOSUPPORT) => OpenErrorKind::NoSuchFamily,
            Some(Errno::ADDRNOTAVAIL) => OpenErrorKind::NotOurAddress,
            Some(Errno::ACCESS | Errno::PERM) if address.port() < 1024 => OpenErrorKind::PrivilegedPort,
            _ => OpenErrorKind::Other(error),
        }
    }

    /// An error on creating or finding a file at `path`.
    pub(super) fn in_directory_of(path: &Path, errno: Errno) -> OpenErrorKind {
        let directory = || path.parent().unwrap_or(path).to_owned();
        match errno {
            Errno::NOENT => OpenErrorKind::MissingDirectory(directory()),
            Errno::ACCESS | Errno::PERM | Errno::ROFS => {
                OpenErrorKind::DirectoryDenied(directory(), errno.into())
            }
            _ => OpenErrorKind::Other(errno.into()),
        }
    }

    /// An error on creating `directory`.
    pub(super) fn making(directory: &Path, error: io::Error) -> OpenErrorKind {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => {
                OpenErrorKind::MissingDirectory(directory.parent().unwrap_or(directory).to_owned())
            }
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
                OpenErrorKind::DirectoryDenied(directory.to_owned(), error)
            }
            _ => OpenErrorKind::Other(error),
        }
    }
}

/// Any other error of the system.
pub(super) fn other(errno: Errno) -> OpenErrorKind {
    OpenErrorKind::Other(errno.into())
}

/// The kind of a file that is in the way.
pub(super) fn kind_of_file(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "a socket",
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::RegularFile => "a regular file",
        _ => "a device",
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.kind, self.remedy())
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            OpenErrorKind::DirectoryDenied(_, error) | OpenErrorKind::Other(error) => Some(error),
            _ => None,
        }
    }
}

/// The beginning of the error for an address that something has already. `ipcctl bench` tries another one then.
pub const IN_USE: &str = "address already in use";

impl fmt::Display for OpenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenErrorKind::InUse { owner: Some(owner) } if owner.is_this_process() => {
                write!(f, "{IN_USE} (by a socket that this process inherited)")
            }
            OpenErrorKind::InUse { owner: Some(owner) } | OpenErrorKind::Locked { owner: Some(owner) } => {
                write!(f, "{IN_USE} (by {owner})")
            }
            OpenErrorKind::InUse { owner: None } => f.write_str(IN_USE),
            OpenErrorKind::Locked { owner: None } => write!(f, "{IN_USE} (by another ipcd)"),
            OpenErrorKind::NoSuchFamily => f.write_str("this machine has no addresses of this kind"),
            OpenErrorKind::NotOurAddress => f.write_str("this machine does not have this address"),
            OpenErrorKind::PrivilegedPort => {
                f.write_str("permission denied: a port below 1024 needs privileges")
            }
            OpenErrorKind::NotASocket(what) => write!(f, "there is {what}, not a socket"),
            OpenErrorKind::NotAFifo(path, what) => write!(f, "{} is {what}, not a FIFO", path.display()),
            OpenErrorKind::OtherOwner(path, uid) => {
                write!(f, "{} is a FIFO of user {uid}, not of ipcd's user", path.display())
            }
            OpenErrorKind::NotALock(path) => {
                write!(f, "{} is not a lock file or pid file of ipcd", path.display())
            }
            OpenErrorKind::LockDenied(path) => {
                write!(f, "permission denied on the lock file {}", path.display())
            }
            OpenErrorKind::ProbeDenied => {
                f.write_str("permission denied on the existing socket, which may be in use")
            }
            OpenErrorKind::DirectoryDenied(path, error) => {
                write!(f, "cannot write in the directory {}: {}", path.display(), describe(error))
            }
            OpenErrorKind::MissingDirectory(path) => write!(f, "directory {} does not exist", path.display()),
            OpenErrorKind::TooLong(bytes) => {
                write!(f, "a socket's path has at most {UNIX_PATH_BYTES_MAX} bytes, this one has {bytes}")
            }
            OpenErrorKind::Queue(kind) => kind.fmt(f),
            OpenErrorKind::Buffer(kind) => kind.fmt(f),
            OpenErrorKind::Other(error) => write!(f, "cannot be opened: {}", describe(error)),
        }
    }
}
