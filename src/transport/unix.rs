//! A Unix socket's file: checking that the path is free, creating the file with the right mode and group, removing it.
//! See unix(7); the lock beside it is in [`Lock`](super::lock::Lock).

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fchmod, fstat, lstat, openat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::{getegid, umask};
use socket2::Domain;

use super::credentials;
use super::datagram;
use super::directory;
use super::error::{OpenErrorKind, kind_of_file, other};
use super::group::find_group;
use super::lock::{Lock, is_at, is_gone};
use super::options::Options;
use super::owner::{self, PortOwner};
use super::passing::refuse_descriptors;
use super::permissions;
use crate::endpoint::UNIX_PATH_BYTES_MAX;
use crate::engine::message::RemoteAddress;
use crate::host::reopen;

/// How often the directory is created again because another process has just removed it; an estimate.
const TRIES_MAX: u32 = 4;

/// The umask belongs to the whole process. ipcd opens sockets in one thread; its tests do not.
static UMASK: Mutex<()> = Mutex::new(());

/// The files of an open Unix socket. Dropping this removes them, in the order of the fields.
#[derive(Debug)]
pub(super) struct SocketFiles {
    socket: SocketFile,
    _lock: Lock,
    _directory: Option<Directory>,
}

/// A directory that we created; removed when dropped, if it is empty.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// A socket file that we created; removed when dropped, if it is still ours. The bound socket must live longer:
/// until it is closed, no other file gets its inode number.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    made: Stat,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if is_at(&self.made, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a socket at `path`, and listens if its kind can. Anything that is not a socket, and a live socket, is never removed.
pub(super) fn open(
    path: &Path,
    kind: SocketType,
    options: &Options,
) -> Result<(OwnedFd, SocketFiles, Vec<String>), OpenErrorKind> {
    // Checked before anything is created.
    let address = match SocketAddrUnix::new(path) {
        Ok(address) if path.as_os_str().len() <= UNIX_PATH_BYTES_MAX => address,
        _ => return Err(OpenErrorKind::TooLong(path.as_os_str().len())),
    };
    let (directory, lock) = prepare(path, options.make_directory.as_deref())?;
    clear(path, &address)?;

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::UNIX, kind, flags, None).map_err(other)?;
    // Before any client can connect: otherwise the sender of the first data would be unknown.
    match kind {
        SocketType::DGRAM => datagram::prepare(&fd, Domain::UNIX).map_err(OpenErrorKind::Other)?,
        _ => refuse_descriptors(&fd),
    }
    let wanted = find_group(&options.group);
    // Until the file has its final group, its mode lets no others in.
    let later = wanted.is_some_and(|gid| gid != group_of_new_files(path));
    let first = if later { options.mode & 0o700 } else { options.mode };
    bind_with_mode(&fd, &address, first).map_err(|errno| match errno {
        Errno::ADDRINUSE => OpenErrorKind::InUse { owner: owner::of_unix(path) },
        errno => OpenErrorKind::in_directory_of(path, errno),
    })?;
    let socket = SocketFile { path: path.to_owned(), made: lstat(path).map_err(other)? };
    let mut warnings = Vec::new();
    if later || wanted.is_none() && !options.group.is_empty() {
        warnings =
            socket.set_permissions(options.mode, &options.group, None).map_err(OpenErrorKind::Other)?;
    }
    if kind != SocketType::DGRAM {
        // Last: before this, no client can connect.
        listen(&fd, options.backlog).map_err(other)?;
    }
    Ok((fd, SocketFiles { socket, _lock: lock, _directory: directory }, warnings))
}

/// The directory, if it must be created, and the lock in it.
pub(super) fn prepare(path: &Path, make: Option<&Path>) -> Result<(Option<Directory>, Lock), OpenErrorKind> {
    for _ in 0..TRIES_MAX {
        let directory = match make {
            Some(make) => {
                let made = directory::make(make).map_err(|error| OpenErrorKind::making(make, error))?;
                made.then(|| Directory(make.to_owned()))
            }
            None => None,
        };
        match Lock::take(path) {
            // The daemon that created the directory removed it in between.
            Err(OpenErrorKind::MissingDirectory(_)) if make.is_some_and(|make| !make.exists()) => {}
            lock => return Ok((directory, lock?)),
        }
    }
    Err(OpenErrorKind::MissingDirectory(path.parent().unwrap_or(path).to_owned()))
}

/// Makes sure that nothing is at `path`: removes a socket without a listener, and nothing else.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<(), OpenErrorKind> {
    let there = match lstat(path) {
        Ok(there) => there,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(OpenErrorKind::in_directory_of(path, errno)),
    };
    match FileType::from_raw_mode(there.st_mode) {
        FileType::Socket => {}
        kind => return Err(OpenErrorKind::NotASocket(kind_of_file(kind))),
    }
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(other)?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OpenErrorKind::DirectoryDenied(parent(path), error))
            }
            _ => Ok(()),
        },
        Err(Errno::NOENT) => Ok(()),
        // Its queue is full (EAGAIN), or it is of another type (EPROTOTYPE): there is a listener.
        Ok(()) => {
            Err(OpenErrorKind::InUse { owner: listener_behind(&probe).or_else(|| owner::of_unix(path)) })
        }
        Err(Errno::AGAIN | Errno::PROTOTYPE | Errno::INPROGRESS) => {
            Err(OpenErrorKind::InUse { owner: owner::of_unix(path) })
        }
        Err(Errno::ACCESS | Errno::PERM) => Err(OpenErrorKind::ProbeDenied),
        Err(errno) => Err(other(errno)),
    }
}

/// The process that called listen(2) on the other end: the kernel knows it even if /proc hides it.
fn listener_behind(probe: &OwnedFd) -> Option<PortOwner> {
    let (RemoteAddress::Process { pid, .. } | RemoteAddress::Unknown { pid }) = credentials::of_peer(probe)
    else {
        return None;
    };
    owner::of_pid(i32::try_from(pid).ok().filter(|pid| *pid > 0)?)
}

/// bind(2), with the file's mode exactly `mode` from the start.
fn bind_with_mode(fd: &OwnedFd, address: &SocketAddrUnix, mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(mode & 0o777);
    // Linux gives the file the mode of the socket, minus the umask. The owner's bits are removed here,
    // so that the umask never keeps another thread from entering a directory that it creates.
    fchmod(fd, mode)?;
    with_umask(mode, || bind(fd, address))
}

/// Runs something with a umask that removes only the bits that `mode` does not give to group and others.
pub(super) fn with_umask<T>(mode: Mode, act: impl FnOnce() -> T) -> T {
    let _one_at_a_time = UMASK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = umask(Mode::from_raw_mode(!mode.as_raw_mode() & 0o077));
    let outcome = act();
    umask(before);
    outcome
}

/// The group of a new file beside `path`: ours, or the directory's if that is set-group-ID (inode(7)).
pub(super) fn group_of_new_files(path: &Path) -> u32 {
    match fs::metadata(parent(path)) {
        Ok(directory) if directory.mode() & 0o2000 != 0 => directory.gid(),
        _ => getegid().as_raw(),
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

impl SocketFiles {
    /// Whether the socket file is gone or replaced, so that clients can no longer connect.
    pub(super) fn is_orphaned(&self) -> bool {
        is_gone(&self.socket.made, &self.socket.path)
    }

    /// Changes the mode and group of the socket file; see [`Listener::set_permissions`](super::listener::Listener::set_permissions).
    pub(super) fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        self.socket.set_permissions(mode, group, Some(getegid().as_raw()))
    }
}

impl SocketFile {
    /// Sets mode and group, never looser in between than the new mode. `own` is the fallback if the group does not
    /// exist; without it, the file keeps its group.
    fn set_permissions(&self, mode: u32, group: &str, own: Option<u32>) -> io::Result<Vec<String>> {
        // Through a descriptor of the file itself, because the name may already belong to another file.
        let file = openat(CWD, &self.path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let now = fstat(&file)?;
        if now.st_dev != self.made.st_dev || now.st_ino != self.made.st_ino {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the socket file was replaced by another"));
        }
        let name = format!("unix://{}", self.path.display());
        permissions::change(file.as_fd(), name, |mode| set_mode(&file, mode), (mode, group), own)
    }
}

/// chmod(2) of the file of an O_PATH descriptor, which fchmod(2) refuses.
fn set_mode(file: &OwnedFd, mode: u32) -> io::Result<()> {
    fs::set_permissions(reopen::path_of(file.as_fd()), Permissions::from_mode(mode & 0o777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_mode_is_right_from_creation() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o660, 0o600, 0o666, 0o777, 0o640, 0o060, 0o000] {
            let path = directory.path().join(format!("{mode:o}"));
            let fd =
                socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
            bind_with_mode(&fd, &SocketAddrUnix::new(&path).unwrap(), mode).unwrap();
            assert_eq!(lstat(&path).unwrap().st_mode & 0o7777, mode);
        }
    }

    #[test]
    fn new_file_group_follows_a_setgid_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o2755)).unwrap();
        assert_eq!(group_of_new_files(&path), fs::metadata(directory.path()).unwrap().gid());
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(group_of_new_files(&path), getegid().as_raw());
    }
}
