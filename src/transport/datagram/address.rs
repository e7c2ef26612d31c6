//! The address for the answer to a Unix datagram: its sender chose it, and it is valid only from the sender's point of view.
//! Nothing is sent to an address that may belong to another process.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::socket::UnixAddr;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2, statx};
use rustix::io::Errno;

use crate::engine::message::Dropped;
use crate::host::reopen;

/// Digits of an abstract address that the kernel chose (autobind, unix(7)).
const AUTOBIND_DIGITS: usize = 5;

/// How often a path is looked up at least. A lookup in the cache fails while any process on the machine makes or ends mounts,
/// whatever the path (openat2(2), EAGAIN), and also if a part of the path is not in the cache.
const TRIES_MIN: u32 = 4;

/// How many more lookups all datagrams of an endpoint have together in a turn: 256 take 0.3 ms. With 421 mounts, 67 in a row failed while another
/// process copied them (unshare(1), Linux 6.18).
pub const MORE_TRIES_MAX: u32 = 256;

/// An address that may be sent to.
#[derive(Debug)]
pub(super) struct Target {
    address: UnixAddr,
    /// The socket's file, addressed through our descriptor of it: a file that replaces it meanwhile gets nothing.
    _file: Option<OwnedFd>,
}

impl Target {
    pub(super) fn address(&self) -> &UnixAddr {
        &self.address
    }
}

/// Resolves a sender's address, with at most `more_tries` lookups beyond the usual few; what is left of them remains.
///
/// # Errors
/// Why nothing may be sent there.
pub(super) fn find(address: &UnixAddr, uid: u32, pid: u32, more_tries: &mut u32) -> Result<Target, Dropped> {
    if let Some(name) = address.as_abstract() {
        // A name chosen by the kernel is not a well-known name. Any other name may belong to another process in our network
        // namespace, if the sender is in a different one.
        let is_its_own = is_autobound(name) || is_neighbour(pid);
        return match is_its_own {
            true => Ok(Target { address: *address, _file: None }),
            false => Err(Dropped::Abstract),
        };
    }
    let Some(path) = address.path() else { return Err(Dropped::NoAddress) };
    let file = open(path, pid, more_tries)?;
    // From the cache only: no server is contacted.
    let (flags, wanted) =
        (AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE | StatxFlags::UID);
    let there = statx(&file, "", flags, wanted).map_err(|_| Dropped::Failed)?;
    if !FileType::from_raw_mode(there.stx_mode.into()).is_socket() || there.stx_uid != uid {
        return Err(Dropped::NotItsOwn);
    }
    let address = UnixAddr::new(reopen::path_of(file.as_fd()).as_str()).map_err(|_| Dropped::Failed)?;
    Ok(Target { address, _file: Some(file) })
}

/// The file itself, not the target of a symbolic link, opened with O_PATH.
fn open(path: &Path, pid: u32, more_tries: &mut u32) -> Result<OwnedFd, Dropped> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = if path.is_absolute() {
        open_at_once(CWD, path, flags, more_tries)
    } else {
        // The path is relative to the sender's directory, never to ours. Only root and the sender's user may look there (proc(5)).
        let its = format!("/proc/{pid}/cwd");
        let flags_of_directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match pid {
            0 => return Err(Dropped::Relative),
            _ => openat(CWD, its, flags_of_directory, Mode::empty()).map_err(|_| Dropped::Relative)?,
        };
        open_at_once(&directory, path, flags, more_tries)
    };
    opened.map_err(|errno| match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Dropped::Failed,
        _ => Dropped::Unseen,
    })
}

/// openat2(2) without waiting for a disk, an automounter or a server: the whole path to a bound socket is in the kernel's
/// cache; any other path is the sender's choice.
fn open_at_once(
    directory: impl AsFd,
    path: &Path,
    flags: OFlags,
    more_tries: &mut u32,
) -> Result<OwnedFd, Errno> {
    // No path may lead through another process's descriptors or directories in /proc.
    let resolve = ResolveFlags::NO_MAGICLINKS;
    let mut tries = TRIES_MIN;
    loop {
        match openat2(&directory, path, flags, Mode::empty(), resolve | ResolveFlags::CACHED) {
            Err(Errno::AGAIN) if tries > 1 => tries -= 1,
            Err(Errno::AGAIN) if *more_tries > 0 => *more_tries -= 1,
            // Before Linux 5.12.
            Err(Errno::INVAL) => return openat2(&directory, path, flags, Mode::empty(), resolve),
            opened => return opened,
        }
    }
}

fn is_autobound(name: &[u8]) -> bool {
    name.len() == AUTOBIND_DIGITS && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the process is known to be in our network namespace.
fn is_neighbour(pid: u32) -> bool {
    let namespace =
        |of: &str| fs::metadata(format!("/proc/{of}/ns/net")).map(|file| (file.dev(), file.ino()));
    match (namespace(&pid.to_string()), namespace("self")) {
        (Ok(its), Ok(ours)) => pid != 0 && its == ours,
        _ => false,
    }
}

/// The bytes that distinguish addresses; none: it is not an address.
pub(super) fn bytes(address: &UnixAddr) -> &[u8] {
    match (address.path(), address.as_abstract()) {
        (Some(path), _) => path.as_os_str().as_bytes(),
        (_, Some(name)) => name,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_outside_the_cache_takes_the_tries_of_a_turn_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nobody");
        let mut left = MORE_TRIES_MAX;
        for _ in 0..2 {
            assert_eq!(open(&path, 0, &mut left).unwrap_err(), Dropped::Unseen);
            assert_eq!(left, 0);
        }
    }
}
