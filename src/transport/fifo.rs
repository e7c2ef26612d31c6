//! Two FIFOs, `PATH.in` and `PATH.out`: whether the paths are free, making them with the right mode and group, and what
//! becomes of them in the end. See fifo(7); the lock beside `PATH.in` is `lock::Lock`'s.
//!
//! Both are opened read-write, so that the last writer leaving is not end of file, a missing reader is no error, and
//! neither wakes us.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Stat, fchmod, fchown, fstat, lstat, mknodat, openat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::connection::Connection;
use super::error::{OpenError, OpenErrorKind};
use super::group::{find_group, group_name};
use super::lock::{Lock, is_at, is_gone};
use super::options::Options;
use super::unix::{Directory, group_of_new_files, other, prepare, with_umask};
use crate::endpoint::ResolvedEndpoint;

/// An open pair of FIFOs. Dropping it leaves the files where they are, or not: see [`keep`](Fifo::keep).
#[derive(Debug)]
pub struct Fifo {
    place: ResolvedEndpoint,
    // Removed before the lock is given back.
    input: End,
    output: End,
    _lock: Lock,
    _directory: Option<Directory>,
}

/// What becomes of a file when it is no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDrop {
    /// Removed if we made it: the start or the reload that it was made for may still fail.
    AsBefore,
    /// It stays: a writer that comes while no daemon runs waits for the next one.
    Stays,
    /// Removed.
    Goes,
}

/// Which of the two a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// `.in`: others write, the daemon alone reads.
    In,
    /// `.out`: the daemon alone writes, others read.
    Out,
}

impl Direction {
    fn suffix(self) -> &'static str {
        match self {
            Direction::In => ".in",
            Direction::Out => ".out",
        }
    }

    /// What of the configured mode its file gets: whoever could read `.in` would take requests away, and whoever could
    /// write to `.out` would answer in our place.
    fn mode(self, mode: u32) -> u32 {
        match self {
            Direction::In => mode & 0o722,
            Direction::Out => mode & 0o744,
        }
    }
}

/// One of the two.
#[derive(Debug)]
struct End {
    direction: Direction,
    path: PathBuf,
    fd: OwnedFd,
    stat: Stat,
    made: bool,
    fate: Cell<OnDrop>,
}

impl Drop for End {
    fn drop(&mut self) {
        let goes = match self.fate.get() {
            OnDrop::AsBefore => self.made,
            OnDrop::Stays => false,
            OnDrop::Goes => true,
        };
        if goes && is_at(&self.stat, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the two FIFOs of `place`, and makes those that are not there. What is no FIFO of ours is never removed.
///
/// Returns what is not quite as asked as well, each a line for the log.
///
/// # Errors
/// What is in the way.
pub fn open(place: &ResolvedEndpoint, options: &Options) -> Result<(Fifo, Vec<String>), OpenError> {
    try_open(place, options).map_err(|obstacle| OpenError { place: place.clone(), obstacle })
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

/// Makes one FIFO, if it is not there, and opens it.
fn open_end(path: PathBuf, direction: Direction, options: &Options) -> Result<End, OpenErrorKind> {
    // With a group other than the file will get, others are let in only when it has it.
    let later = find_group(&options.group).is_some_and(|gid| gid != group_of_new_files(&path));
    let mode = direction.mode(if later { options.mode & 0o700 } else { options.mode });
    // What is to be taken from the owner is taken when it is open.
    let mode = Mode::from_raw_mode(mode & 0o777 | 0o600);
    let made = match with_umask(mode, || mknodat(CWD, &path, FileType::Fifo, mode, 0)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(OpenErrorKind::in_directory_of(&path, errno)),
    };
    let stat = lstat(&path).map_err(other)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => {}
        what => return Err(OpenErrorKind::NotAFifo(path, name_of(what))),
    }
    if stat.st_uid != geteuid().as_raw() {
        return Err(OpenErrorKind::SomebodyElses(path, stat.st_uid));
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = match openat(CWD, &path, flags, Mode::empty()) {
        // Its owner may always give it back.
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
        return Err(other(Errno::STALE)); // somebody is exchanging files there
    }
    Ok(End { direction, path, fd, stat: opened, made, fate: Cell::new(OnDrop::AsBefore) })
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "a socket",
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::RegularFile => "a regular file",
        _ => "a device",
    }
}

impl Fifo {
    /// Where it is, without `.in` and `.out`.
    pub fn place(&self) -> &ResolvedEndpoint {
        &self.place
    }

    /// Both as one connection: what is written to `.in` is read, and what is written comes out of `.out`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn connection(&self) -> io::Result<Connection> {
        Ok(Connection::pair(self.input.fd.try_clone()?, self.output.fd.try_clone()?))
    }

    /// The two descriptors: as long as somebody has them, what is in the FIFOs is not lost.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.input.fd.as_fd(), self.output.fd.as_fd()]
    }

    /// Whether nobody can write or read any more, because a file is gone or another one is in its place.
    pub fn is_orphaned(&self) -> bool {
        [&self.input, &self.output].iter().any(|end| is_gone(&end.stat, &end.path))
    }

    /// The files stay when this is dropped: a writer that comes meanwhile waits, instead of making a file of that name.
    /// Before this is said, those that we made go.
    pub fn keep(&self) {
        self.decide(OnDrop::Stays);
    }

    /// The files go when this is dropped.
    pub fn discard(&self) {
        self.decide(OnDrop::Goes);
    }

    fn decide(&self, fate: OnDrop) {
        self.input.fate.set(fate);
        self.output.fate.set(fate);
    }

    /// Gives the files another mode, each its part of it, and group; an empty or unknown group means our own. In between, they are never looser
    /// than the new mode.
    ///
    /// Returns what is not quite as asked, each a line for the log.
    ///
    /// # Errors
    /// They are no longer ours to change.
    pub fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        let named = find_group(group);
        let wanted = named.unwrap_or(getegid().as_raw());
        let mut warnings = Vec::new();
        for end in [&self.input, &self.output] {
            let mode_of = |mode| Mode::from_raw_mode(end.direction.mode(mode));
            let now = fstat(&end.fd)?;
            let mut gid = now.st_gid;
            if wanted != gid {
                fchmod(&end.fd, mode_of(mode & 0o700))?;
                match fchown(&end.fd, None, Some(Gid::from_raw(wanted))) {
                    Ok(()) => gid = wanted,
                    Err(errno) => warnings.push(format!(
                        "{}: cannot be given to group {}: {}; it has group {}",
                        end.path.display(),
                        group_name(wanted),
                        io::Error::from(errno),
                        group_name(gid),
                    )),
                }
            }
            fchmod(&end.fd, mode_of(mode))?;
            if named.is_none() && !group.is_empty() {
                warnings.push(format!(
                    "{}: group {group} does not exist; using group {}",
                    end.path.display(),
                    group_name(gid)
                ));
            }
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
        Options { backlog: 0, mode, group: String::new(), make_directory: None }
    }

    fn ground() -> (TempDir, ResolvedEndpoint) {
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
        let (directory, place) = ground();
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
        let (directory, place) = ground();
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
        let (directory, place) = ground();
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
        let (_directory, place) = ground();
        let (fifo, _) = open(&place, &options(0o660)).unwrap();
        assert!(open(&place, &options(0o660)).unwrap_err().is_in_use());
        assert!(!fifo.is_orphaned(), "the second one has removed nothing");
    }

    #[test]
    fn missing_group_is_a_warning_per_file() {
        let (_directory, place) = ground();
        let with = Options { group: "no-such-group".to_owned(), ..options(0o640) };
        let (fifo, warnings) = open(&place, &with).unwrap();
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("f.in: group no-such-group does not exist"), "{warnings:?}");
        assert!(fifo.set_permissions(0o600, "").unwrap().is_empty());
    }
}
