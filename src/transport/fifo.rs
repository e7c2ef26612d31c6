//! Two FIFOs, `PATH.in` and `PATH.out`: checking that the paths are free, creating them with the right mode and group, and
//! removing them if necessary. See fifo(7); the lock beside `PATH.in` is in `lock::Lock`.
//!
//! Both are opened read-write, so that there is no end of file when the last writer leaves, a missing reader is not an error,
//! and neither wakes the loop.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, lstat, mknodat, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::connection::Connection;
use super::direction::{Direction, set_permissions};
use super::error::{OpenError, OpenErrorKind, kind_of_file, other};
use super::group::find_group;
use super::lock::{Lock, is_at, is_gone};
use super::on_drop::OnDrop;
use super::options::Options;
use super::unix::{Directory, group_of_new_files, prepare, with_umask};
use crate::endpoint::ResolvedEndpoint;

/// An open pair of FIFOs. Whether dropping it removes the files: see [`keep`](Fifo::keep).
#[derive(Debug)]
pub struct Fifo {
    place: ResolvedEndpoint,
    // Removed before the lock is released.
    input: FifoEnd,
    output: FifoEnd,
    _lock: Lock,
    _directory: Option<Directory>,
}

/// One open FIFO.
#[derive(Debug)]
struct FifoEnd {
    direction: Direction,
    path: PathBuf,
    fd: OwnedFd,
    stat: Stat,
    made: bool,
    on_drop: Cell<OnDrop>,
}

impl Drop for FifoEnd {
    fn drop(&mut self) {
        // A FIFO that no process has open keeps nothing.
        if self.on_drop.get().removes(self.made, || true) {
            self.remove();
        }
    }
}

impl FifoEnd {
    fn remove(&self) {
        if is_at(&self.stat, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the two FIFOs of `place`, and creates missing ones. Anything that is not our FIFO is never removed.
///
/// Also returns deviations from the request, each as a line for the log.
///
/// # Errors
/// The obstacle.
pub fn open(place: &ResolvedEndpoint, options: &Options) -> Result<(Fifo, Vec<String>), OpenError> {
    try_open(place, options).map_err(|kind| OpenError { place: place.clone(), kind })
}

fn try_open(place: &ResolvedEndpoint, options: &Options) -> Result<(Fifo, Vec<String>), OpenErrorKind> {
    let path = place.path().ok_or(Errno::PROTONOSUPPORT).map_err(other)?;
    let end = |direction: Direction| {
        let mut path = path.as_os_str().to_owned();
        path.push(direction.suffix());
        PathBuf::from(path)
    };
    let (directory, lock) = prepare(&end(Direction::In), options.make_directory.as_deref())?;
    let open = |direction| open_end(end(direction), direction, options);
    let (input, output) = (open(Direction::In)?, open(Direction::Out)?);
    let fifo = Fifo { place: place.clone(), input, output, _lock: lock, _directory: directory };
    let warnings = fifo.set_permissions(options.mode, &options.group).map_err(OpenErrorKind::Other)?;
    Ok((fifo, warnings))
}

/// Creates one FIFO if it does not exist, and opens it.
fn open_end(path: PathBuf, direction: Direction, options: &Options) -> Result<FifoEnd, OpenErrorKind> {
    // Until the file has its final group, its mode lets no others in.
    let later = find_group(&options.group).is_some_and(|gid| gid != group_of_new_files(&path));
    let mode = direction.mode(if later { options.mode & 0o700 } else { options.mode });
    // Bits that the owner does not get are removed after opening.
    let mode = Mode::from_raw_mode(mode & 0o777 | 0o600);
    let made = match with_umask(mode, || mknodat(CWD, &path, FileType::Fifo, mode, 0)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(OpenErrorKind::in_directory_of(&path, errno)),
    };
    let stat = lstat(&path).map_err(other)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => {}
        what => return Err(OpenErrorKind::NotAFifo(path, kind_of_file(what))),
    }
    if stat.st_uid != geteuid().as_raw() {
        return Err(OpenErrorKind::OtherOwner(path, stat.st_uid));
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = match openat(CWD, &path, flags, Mode::empty()) {
        // Its owner may always restore the mode.
        Err(Errno::ACCESS) => {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).map_err(OpenErrorKind::Other)?;
            openat(CWD, &path, flags, Mode::empty())
        }
        fd => fd,
    }
    .map_err(other)?;
    let opened = fstat(&fd).map_err(other)?;
    if (opened.st_dev, opened.st_ino) != (stat.st_dev, stat.st_ino) {
        return Err(other(Errno::STALE)); // another process is replacing files there
    }
    Ok(FifoEnd { direction, path, fd, stat: opened, made, on_drop: Cell::new(OnDrop::RemoveIfNew) })
}

impl Fifo {
    /// Its path, without `.in` and `.out`.
    pub fn place(&self) -> &ResolvedEndpoint {
        &self.place
    }

    /// Both as one connection, which reads from `.in` and writes to `.out`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn connection(&self) -> io::Result<Connection> {
        Ok(Connection::pair(self.input.fd.try_clone()?, self.output.fd.try_clone()?))
    }

    /// The two descriptors: while a process has them open, the contents of the FIFOs are not lost.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.input.fd.as_fd(), self.output.fd.as_fd()]
    }

    /// Whether clients can no longer reach it, because a file is gone or was replaced.
    pub fn is_orphaned(&self) -> bool {
        [&self.input, &self.output].iter().any(|end| is_gone(&end.stat, &end.path))
    }

    /// Keeps the files when this is dropped: a writer then waits, instead of creating a regular file with that name.
    /// Without this call, the files that we created are removed.
    pub fn keep(&self) {
        self.decide(OnDrop::Keep);
    }

    /// Removes the files, so that no client writes to one that is not read any more.
    pub fn discard(&self) {
        self.decide(OnDrop::Remove);
        [&self.input, &self.output].into_iter().for_each(FifoEnd::remove);
    }

    fn decide(&self, on_drop: OnDrop) {
        self.input.on_drop.set(on_drop);
        self.output.on_drop.set(on_drop);
    }

    /// Changes the mode of the files (each gets its part) and their group; an empty or unknown group means our own. They are
    /// never looser than the new mode in between.
    ///
    /// Returns deviations from the request, each as a line for the log.
    ///
    /// # Errors
    /// They no longer belong to us.
    pub fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        let mut warnings = Vec::new();
        for end in [&self.input, &self.output] {
            let mode = end.direction.mode(mode);
            warnings.extend(set_permissions(end.fd.as_fd(), end.path.display(), mode, group)?);
        }
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    use tempfile::TempDir;

    use super::*;

    fn options(mode: u32) -> Options {
        Options {
            backlog: 0,
            share_port: false,
            mode,
            group: String::new(),
            message_bytes: 0,
            message_timeout: std::time::Duration::ZERO,
            make_directory: None,
        }
    }

    fn directory_and_endpoint() -> (TempDir, ResolvedEndpoint) {
        let directory = tempfile::tempdir().unwrap();
        let place = ResolvedEndpoint::Fifo(directory.path().join("f"));
        (directory, place)
    }

    fn names(directory: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn both_fifos_have_their_mode_and_never_end() {
        let (directory, place) = directory_and_endpoint();
        for (mode, input, output) in [
            (0o660, 0o620, 0o640),
            (0o622, 0o622, 0o600),
            (0o600, 0o600, 0o600),
            (0o666, 0o622, 0o644),
            (0o000, 0o000, 0o000),
            (0o777, 0o722, 0o744),
        ] {
            let (fifo, warnings) = open(&place, &options(mode)).unwrap();
            assert!(warnings.is_empty());
            for (name, mode) in [("f.in", input), ("f.out", output)] {
                let there = fs::metadata(directory.path().join(name)).unwrap();
                assert!(there.file_type().is_fifo());
                assert_eq!(there.mode() & 0o7777, mode, "{name}");
            }
            let connection = fifo.connection().unwrap();
            assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(connection.write(&[b"x"]).unwrap(), 1, "nobody has to read");
            assert!(!connection.has_failed());
        }
    }

    #[test]
    fn failed_start_removes_only_what_it_made() {
        let (directory, place) = directory_and_endpoint();
        drop(open(&place, &options(0o660)).unwrap());
        assert_eq!(names(&directory), [""; 0]);
        let (fifo, _) = open(&place, &options(0o660)).unwrap();
        assert_eq!(names(&directory), ["f.in", "f.in.lock", "f.out"]);
        fifo.keep();
        drop(fifo);
        assert_eq!(names(&directory), ["f.in", "f.out"]);
        drop(open(&place, &options(0o660)).unwrap());
        assert_eq!(names(&directory), ["f.in", "f.out"], "they were there before");
        let (fifo, _) = open(&place, &options(0o660)).unwrap();
        fifo.discard();
        drop(fifo);
        assert_eq!(names(&directory), [""; 0]);
    }

    #[test]
    fn anything_but_a_fifo_is_kept_and_named() {
        let (directory, place) = directory_and_endpoint();
        let path = directory.path().join("f.out");
        fs::write(&path, "somebody's").unwrap();
        let error = open(&place, &options(0o660)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{place}: {} is a regular file, not a FIFO; move it away, if nobody needs it, or choose another path",
                path.display()
            )
        );
        assert_eq!(names(&directory), ["f.out"]);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("f.in", &path).unwrap();
        assert!(open(&place, &options(0o660)).unwrap_err().to_string().contains("a symbolic link"));
        assert_eq!(names(&directory), ["f.out"]);
    }

    #[test]
    fn two_daemons_never_share_a_fifo() {
        let (_directory, place) = directory_and_endpoint();
        let (fifo, _) = open(&place, &options(0o660)).unwrap();
        assert!(open(&place, &options(0o660)).unwrap_err().is_in_use());
        assert!(!fifo.is_orphaned(), "the second one has removed nothing");
    }

    #[test]
    fn missing_group_is_a_warning_per_file() {
        let (_directory, place) = directory_and_endpoint();
        let with = Options { group: "no-such-group".to_owned(), ..options(0o640) };
        let (fifo, warnings) = open(&place, &with).unwrap();
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("f.in: group no-such-group does not exist"), "{warnings:?}");
        assert!(fifo.set_permissions(0o600, "").unwrap().is_empty());
    }
}
