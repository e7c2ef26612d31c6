//! The lock beside a Unix socket, `PATH.lock`: of two daemons that want one path, exactly one gets it, and the socket
//! file of a dead one can be removed without a race against somebody who is just doing the same.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, lstat, openat};
use rustix::io::Errno;

use super::error::Obstacle;
use super::holder;

/// How often a lock file is opened anew because its last owner removed it just then. Guessed.
const TRIES_MAX: u32 = 16;

/// The lock file's mode: nobody else needs to open it, and who can open it can keep us out (flock(2)).
const LOCK_MODE: Mode = Mode::from_raw_mode(0o600);

/// A lock that we hold. Dropping it removes the file, then lets go.
#[derive(Debug)]
pub(super) struct Lock {
    fd: OwnedFd,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock beside `socket`, at once or not at all.
    pub(super) fn take(socket: &Path) -> Result<Lock, Obstacle> {
        let mut path = socket.to_owned().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        for _ in 0..TRIES_MAX {
            let fd = open(&path, socket)?;
            let ours = fstat(&fd).map_err(other)?;
            // A file with something in it was not made by us, and must not be removed by us.
            if FileType::from_raw_mode(ours.st_mode) != FileType::RegularFile || ours.st_size != 0 {
                return Err(Obstacle::NotALock(path));
            }
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(Obstacle::Locked { holder: holder::of_lock(ours.st_ino) });
                }
                Err(errno) => return Err(other(errno)),
            }
            // The last owner removes the file before letting go: then this is a lock on nothing.
            if is_at(&ours, &path) {
                return Ok(Lock { fd, path });
            }
        }
        Err(Obstacle::Locked { holder: None })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if fstat(&self.fd).is_ok_and(|ours| is_at(&ours, &self.path)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the lock file, or makes it. `NONBLOCK`, in case that somebody put a FIFO there.
fn open(path: &Path, socket: &Path) -> Result<OwnedFd, Obstacle> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    openat(CWD, path, flags, LOCK_MODE).map_err(|errno| match errno {
        Errno::LOOP | Errno::ISDIR | Errno::NXIO => Obstacle::NotALock(path.to_owned()),
        Errno::ACCESS | Errno::PERM if lstat(path).is_ok() => Obstacle::LockDenied(path.to_owned()),
        errno => Obstacle::in_directory_of(socket, errno),
    })
}

/// Whether `path` is still the file that `ours` was said of.
pub(super) fn is_at(ours: &Stat, path: &Path) -> bool {
    lstat(path).is_ok_and(|there| there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
}

/// Whether `path` is no longer the file that `ours` was said of: where it cannot be looked at, nobody knows.
pub(super) fn is_gone(ours: &Stat, path: &Path) -> bool {
    match lstat(path) {
        Ok(there) => (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino),
        Err(error) => matches!(error, Errno::NOENT | Errno::NOTDIR),
    }
}

fn other(errno: Errno) -> Obstacle {
    Obstacle::Other(io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_gone_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        for _ in 0..2 {
            let lock = Lock::take(&socket).unwrap();
            let holder = match Lock::take(&socket).unwrap_err() {
                Obstacle::Locked { holder } => holder.expect("visible in /proc/locks"),
                other => panic!("{other:?}"),
            };
            assert_eq!(holder.pid, std::process::id() as i32);
            drop(lock);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_lock_file_left_by_a_killed_daemon_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("s.lock"), "").unwrap();
        Lock::take(&directory.path().join("s")).unwrap();
    }

    #[test]
    fn what_is_no_lock_file_of_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, lock) = (directory.path().join("s"), directory.path().join("s.lock"));
        let refused = || {
            let obstacle = Lock::take(&socket).unwrap_err();
            assert!(matches!(&obstacle, Obstacle::NotALock(path) if *path == lock), "{obstacle:?}");
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
    fn of_many_at_once_exactly_one_has_the_lock() {
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
