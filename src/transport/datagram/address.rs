//! The address that a Unix datagram's answer goes to: its sender has written it, and it means what it says only to the
//! sender. Nothing is sent to what may be somebody else's.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::socket::UnixAddr;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2, statx};
use rustix::io::Errno;

use crate::engine::message::Dropped;

/// Digits of an abstract address that the kernel chose (autobind, unix(7)).
const AUTOBIND_DIGITS: usize = 5;

/// How often a path is looked up anew because something on it was changed just then. Guessed.
const TRIES_MAX: u32 = 4;

/// An address that may be sent to.
#[derive(Debug)]
pub(super) struct Target {
    address: UnixAddr,
    /// The socket's file, which the address names by our descriptor of it: whatever is put in its place meanwhile is not
    /// sent to.
    _file: Option<OwnedFd>,
}

impl Target {
    pub(super) fn address(&self) -> &UnixAddr {
        &self.address
    }
}

/// Finds what a sender means by its address.
///
/// # Errors
/// Why nothing is to be sent there.
pub(super) fn find(address: &UnixAddr, uid: u32, pid: u32) -> Result<Target, Dropped> {
    if let Some(name) = address.as_abstract() {
        // The kernel's choice is nobody's well-known name. Another one may be, in our network namespace, if the sender
        // lives in another.
        let is_its_own = is_autobound(name) || is_neighbour(pid);
        return match is_its_own {
            true => Ok(Target { address: *address, _file: None }),
            false => Err(Dropped::Abstract),
        };
    }
    let Some(path) = address.path() else { return Err(Dropped::NoAddress) };
    let file = open(path, pid)?;
    // As far as it is known here: a server is not asked.
    let (flags, wanted) =
        (AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE | StatxFlags::UID);
    let there = statx(&file, "", flags, wanted).map_err(|_| Dropped::Failed)?;
    if !FileType::from_raw_mode(there.stx_mode.into()).is_socket() || there.stx_uid != uid {
        return Err(Dropped::NotItsOwn);
    }
    let named = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let address = UnixAddr::new(named.as_str()).map_err(|_| Dropped::Failed)?;
    Ok(Target { address, _file: Some(file) })
}

/// The file itself, not what a symbolic link there points to, opened for neither reading nor writing.
fn open(path: &Path, pid: u32) -> Result<OwnedFd, Dropped> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = if path.is_absolute() {
        open_at_once(CWD, path, flags)
    } else {
        // It is the sender's directory that is meant, never ours. Only root and its own user may look there (proc(5)).
        let its = format!("/proc/{pid}/cwd");
        let flags_of_directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match pid {
            0 => return Err(Dropped::Relative),
            _ => openat(CWD, its, flags_of_directory, Mode::empty()).map_err(|_| Dropped::Relative)?,
        };
        open_at_once(&directory, path, flags)
    };
    opened.map_err(|errno| match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Dropped::Failed,
        _ => Dropped::Unseen,
    })
}

/// openat2(2) without waiting for a disk, an automounter or a server: all of the way to a bound socket is in the kernel's
/// cache, and what leads elsewhere is the sender's choice.
fn open_at_once(directory: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    // No way leads through somebody's descriptors or directories in /proc.
    let resolve = ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES_MAX {
        match openat2(&directory, path, flags, Mode::empty(), resolve | ResolveFlags::CACHED) {
            Err(Errno::AGAIN) => {}
            // Before Linux 5.12.
            Err(Errno::INVAL) => return openat2(&directory, path, flags, Mode::empty(), resolve),
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

fn is_autobound(name: &[u8]) -> bool {
    name.len() == AUTOBIND_DIGITS && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the process is in our network namespace, as far as we may see that.
fn is_neighbour(pid: u32) -> bool {
    let namespace =
        |of: &str| fs::metadata(format!("/proc/{of}/ns/net")).map(|file| (file.dev(), file.ino()));
    match (namespace(&pid.to_string()), namespace("self")) {
        (Ok(its), Ok(ours)) => pid != 0 && its == ours,
        _ => false,
    }
}

/// The bytes that tell one address from another; none: it is no address.
pub(super) fn bytes(address: &UnixAddr) -> &[u8] {
    match (address.path(), address.as_abstract()) {
        (Some(path), _) => path.as_os_str().as_bytes(),
        (_, Some(name)) => name,
        _ => &[],
    }
}
