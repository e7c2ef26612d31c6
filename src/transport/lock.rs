//! The lock file beside a Unix socket, `PATH.lock`: only one of two daemons can get a path, and the stale socket
//! file of a dead daemon can be removed without a race. A pid file is itself locked in
//! the same way.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FileType, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, ftruncate, lstat, openat,
};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

use super::error::{OpenErrorKind, other};
use super::owner;

/// How often a lock file is reopened because its last owner has just removed it; an estimate.
const TRIES_MAX: u32 = 16;

/// The lock file's mode: no other user needs to open it, and anyone who can open it can block us (flock(2)).
const LOCK_MODE: Mode = Mode::from_raw_mode(0o600);

/// The allowed contents of a file to lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// Nothing: a file with contents was not created by us, so we must not remove it.
    Nothing,
    /// Digits and white space: the process id of an earlier daemon.
    ProcessId,
}

/// The longest valid pid file, in bytes.
const PROCESS_ID_BYTES_MAX: usize = 32;

/// A lock that we hold. Dropping it removes the file, then releases the lock.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock beside `socket`, without waiting.
    pub(super) fn take(socket: &Path) -> Result<Lock, OpenErrorKind> {
        let mut path = socket.to_owned().into_os_string();
        path.push(".lock");
        Lock::at(PathBuf::from(path), Contents::Nothing)
    }

    /// Takes the lock on a pid file, without waiting; from then on only its owner may open it.
    ///
    /// # Errors
    /// Another process has it, or it is not our pid file.
    pub fn on_pid_file(path: &Path) -> Result<Lock, OpenErrorKind> {
        let lock = Lock::at(path.to_owned(), Contents::ProcessId).map_err(|error| match error {
            // The kernel knows only the process that took the lock: the parent, which is gone. The holder wrote its pid into the file.
            OpenErrorKind::Locked { .. } => {
                let pid = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
                OpenErrorKind::Locked { owner: pid.and_then(owner::of_pid) }
            }
            other => other,
        })?;
        // Any user could lock a file of an earlier version.
        fchmod(&lock.fd, LOCK_MODE).map_err(other)?;
        Ok(lock)
    }

    fn at(path: PathBuf, contents: Contents) -> Result<Lock, OpenErrorKind> {
        for _ in 0..TRIES_MAX {
            let fd = open(&path)?;
            let ours = fstat(&fd).map_err(other)?;
            let is_file = FileType::from_raw_mode(ours.st_mode) == FileType::RegularFile;
            let is_ours = ours.st_size == 0 || contents == Contents::ProcessId && holds_process_id(&fd)?;
            if !is_file || !is_ours {
                return Err(OpenErrorKind::NotALock(path));
            }
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(OpenErrorKind::Locked { owner: owner::of_lock(ours.st_ino) });
                }
                Err(errno) => return Err(other(errno)),
            }
            // The last owner removes the file before it releases the lock: then this lock protects nothing.
            if is_at(&ours, &path) {
                return Ok(Lock { fd, path });
            }
        }
        Err(OpenErrorKind::Locked { owner: None })
    }
}

/// Whether a file contains only a process id.
fn holds_process_id(fd: &OwnedFd) -> Result<bool, OpenErrorKind> {
    let mut buffer = [0; PROCESS_ID_BYTES_MAX + 1];
    let count = retry_on_intr(|| pread(fd, &mut buffer, 0)).map_err(other)?;
    let is_process_id = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace();
    Ok(count <= PROCESS_ID_BYTES_MAX && buffer[..count].iter().all(is_process_id))
}

impl Lock {
    /// Writes our process id into the file.
    ///
    /// # Errors
    /// The disk is full, or broken.
    pub fn write_pid(&self) -> io::Result<()> {
        let text = format!("{}\n", std::process::id());
        ftruncate(&self.fd, 0)?;
        match pwrite(&self.fd, text.as_bytes(), 0)? {
            count if count == text.len() => Ok(()),
            _ => Err(Errno::NOSPC.into()),
        }
    }

    /// Leaves the lock and the file to the forked process, which also has them.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// Empties the file, in case we may not remove it.
    pub fn empty(&self) {
        let _ = ftruncate(&self.fd, 0);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if fstat(&self.fd).is_ok_and(|ours| is_at(&ours, &self.path)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens or creates the lock file. `NONBLOCK`, in case it is a FIFO.
fn open(path: &Path) -> Result<OwnedFd, OpenErrorKind> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    openat(CWD, path, flags, LOCK_MODE).map_err(|errno| match errno {
        Errno::LOOP | Errno::ISDIR | Errno::NXIO => OpenErrorKind::NotALock(path.to_owned()),
        Errno::ACCESS | Errno::PERM if lstat(path).is_ok() => OpenErrorKind::LockDenied(path.to_owned()),
        errno => OpenErrorKind::in_directory_of(path, errno),
    })
}

/// Whether `path` is still the file that `ours` describes.
pub(super) fn is_at(ours: &Stat, path: &Path) -> bool {
    lstat(path).is_ok_and(|there| there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
}

/// Whether `path` is known to be a different file than `ours` describes; `false` if it cannot be examined.
pub(super) fn is_gone(ours: &Stat, path: &Path) -> bool {
    match lstat(path) {
        Ok(there) => (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino),
        Err(error) => matches!(error, Errno::NOENT | Errno::NOTDIR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_exclusive_and_released_on_drop() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        for _ in 0..2 {
            let lock = Lock::take(&socket).unwrap();
            let owner = match Lock::take(&socket).unwrap_err() {
                OpenErrorKind::Locked { owner } => owner.expect("visible in /proc/locks"),
                other => panic!("{other:?}"),
            };
            assert_eq!(owner.pid, std::process::id() as i32);
            drop(lock);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn lock_file_of_a_killed_daemon_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("s.lock"), "").unwrap();
        Lock::take(&directory.path().join("s")).unwrap();
    }

    #[test]
    fn foreign_file_is_not_used_as_a_lock() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, lock) = (directory.path().join("s"), directory.path().join("s.lock"));
        let refused = || {
            let error = Lock::take(&socket).unwrap_err();
            assert!(matches!(&error, OpenErrorKind::NotALock(path) if *path == lock), "{error:?}");
            assert!(lstat(&lock).is_ok());
        };
        std::fs::write(&lock, "somebody's").unwrap();
        refused();
        std::fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
        refused();
        std::fs::remove_file(&lock).unwrap();
        std::fs::create_dir(&lock).unwrap();
        refused();
    }

    #[test]
    fn pid_file_is_locked_and_private_to_its_owner() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        // A file of an earlier version, which anyone could open and so lock.
        std::fs::write(&path, "4711\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let lock = Lock::on_pid_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        lock.write_pid().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert!(matches!(Lock::on_pid_file(&path), Err(OpenErrorKind::Locked { .. })));
        drop(lock);
        assert!(!path.exists());
        for (text, is_ours) in [("", true), ("1 \n", true), ("root:x:0:0\n", false), (&"1".repeat(33), false)]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Lock::on_pid_file(&path).is_ok(), is_ours, "{text:?}");
            assert_eq!(path.exists(), !is_ours, "{text:?}");
        }
    }

    #[test]
    fn exactly_one_of_many_contenders_gets_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        for _ in 0..50 {
            let start = std::sync::Barrier::new(4);
            let taken: Vec<_> = std::thread::scope(|scope| {
                let takers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            Lock::take(&socket)
                        })
                    })
                    .collect();
                takers.into_iter().map(|taker| taker.join().unwrap()).collect()
            });
            assert_eq!(taken.iter().filter(|lock| lock.is_ok()).count(), 1);
        }
    }
}
