//! The files of a bounded buffer: its object and its three semaphores, which the C library keeps in /dev/shm. They are only read
//! and written here, not mapped: a process that has mapped a file is killed when another one shortens it (SIGBUS).

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    CWD, FallocateFlags, FileType, FlockOperation, Mode, OFlags, Stat, fallocate, flock, fstat, lstat, openat,
};
use rustix::io::{Errno, pread, write};
use rustix::process::geteuid;

use super::super::error::{OpenErrorKind, kind_of_file, other};
use super::super::lock::is_at;
use super::super::owner;
use super::error::BufferErrorKind;
use crate::endpoint::buffer::{INDEX_BYTES, Layout};
use crate::host::raw::semaphore;

/// How often files are opened again because another process has just created or removed them; an estimate.
const TRIES_MAX: u32 = 16;

/// An open object, with the lock on it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) fd: OwnedFd,
    pub(super) stat: Stat,
    /// We have created it just now.
    pub(super) is_new: bool,
}

/// Opens a file of our user; `None`: there is none.
pub(super) fn open_ours(path: &Path) -> Result<Option<(OwnedFd, Stat)>, OpenErrorKind> {
    let seen = match lstat(path) {
        Err(Errno::NOENT) => return Ok(None),
        seen => seen.map_err(other)?,
    };
    let kind = FileType::from_raw_mode(seen.st_mode);
    if kind != FileType::RegularFile {
        return Err(OpenErrorKind::Buffer(BufferErrorKind::NotAFile(path.to_owned(), kind_of_file(kind))));
    }
    if seen.st_uid != geteuid().as_raw() {
        return Err(OpenErrorKind::Buffer(BufferErrorKind::OtherOwner(path.to_owned(), seen.st_uid)));
    }
    let fd =
        openat(CWD, path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()).map_err(other)?;
    let opened = fstat(&fd).map_err(other)?;
    if (opened.st_dev, opened.st_ino) != (seen.st_dev, seen.st_ino) {
        return Err(other(Errno::STALE)); // another process is replacing files there
    }
    Ok(Some((fd, opened)))
}

fn create(path: &Path) -> Result<OwnedFd, OpenErrorKind> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| OpenErrorKind::in_directory_of(path, errno))
}

/// The two indices.
pub(super) fn indices(object: &OwnedFd) -> io::Result<(u32, u32)> {
    let mut bytes = [0; INDEX_BYTES];
    if pread(object, &mut bytes, 0)? < INDEX_BYTES {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let [head, tail] = [[bytes[0], bytes[1], bytes[2], bytes[3]], [bytes[4], bytes[5], bytes[6], bytes[7]]];
    Ok((u32::from_ne_bytes(head), u32::from_ne_bytes(tail)))
}

/// Whether the existing files can be used.
fn is_usable(layout: &Layout, object: &OwnedFd) -> Result<bool, OpenErrorKind> {
    for path in layout.semaphore_files() {
        let Some((_, stat)) = open_ours(&path)? else { return Ok(false) };
        if stat.st_size != semaphore::BYTES as i64 {
            return Ok(false);
        }
    }
    let is_size = fstat(object).map_err(other)?.st_size == layout.bytes() as i64;
    Ok(is_size && indices(object).is_ok_and(|(head, tail)| head < layout.slots && tail < layout.slots))
}

/// Takes over the buffer of an earlier daemon, or creates it. Also returns what was wrong with an earlier one, for the log.
pub(super) fn take_over(layout: &Layout) -> Result<(Object, Option<String>), OpenErrorKind> {
    let path = layout.object_file();
    for _ in 0..TRIES_MAX {
        let Some((fd, stat)) = open_ours(&path)? else { return Ok((make(layout)?, None)) };
        lock(&fd, &stat)?;
        if !is_at(&stat, &path) {
            continue; // its last owner has removed it
        }
        if is_usable(layout, &fd)? {
            return Ok((Object { fd, stat, is_new: false }, None));
        }
        let reason = format!(
            "{} or one of its semaphores is missing, or has another size or invalid indices; all are created again",
            path.display()
        );
        return Ok((make(layout)?, Some(reason)));
    }
    Err(OpenErrorKind::Locked { owner: None })
}

fn lock(fd: &OwnedFd, stat: &Stat) -> Result<(), OpenErrorKind> {
    match flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(OpenErrorKind::Locked { owner: owner::of_lock(stat.st_ino) }),
        Err(errno) => Err(other(errno)),
    }
}

/// Creates a new buffer, which replaces an earlier one of ours. Until it has its mode, only our user may open it.
pub(super) fn make(layout: &Layout) -> Result<Object, OpenErrorKind> {
    // Nothing is removed if one of the files belongs to another user.
    for path in layout.files() {
        open_ours(&path)?;
    }
    remove(layout);
    let made = try_make(layout);
    if made.is_err() {
        remove(layout);
    }
    made
}

fn try_make(layout: &Layout) -> Result<Object, OpenErrorKind> {
    // The object last: a program that finds it finds the semaphores too.
    for (path, value) in layout.semaphore_files().iter().zip([layout.slots, 0, 1]) {
        let image = semaphore::image(value).map_err(OpenErrorKind::Other)?;
        write(create(path)?, &image).map_err(other)?;
    }
    let fd = create(&layout.object_file())?;
    // All of it, so that a lack of memory is an error here, and no SIGBUS in a writer.
    fallocate(&fd, FallocateFlags::empty(), 0, layout.bytes()).map_err(other)?;
    let stat = fstat(&fd).map_err(other)?;
    lock(&fd, &stat)?;
    Ok(Object { fd, stat, is_new: true })
}

/// Removes the files that are ours.
pub(super) fn remove(layout: &Layout) {
    for path in layout.files() {
        if let Ok(Some(_)) = open_ours(&path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}
