//! The client's side of a pair of message queues (mq_overview(7)).

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ipcd::host::raw::queue;
use nix::mqueue::{MQ_OFlag, mq_open};
use nix::sys::stat::Mode;

/// Opens the queues with this name, to write to and to read from, and drops the replies to other clients that nobody read.
pub(crate) fn open(name: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    let open = |end: &str, flags: MQ_OFlag| -> io::Result<OwnedFd> {
        let mut name = name.as_os_str().to_owned();
        name.push(end);
        let flags = flags | MQ_OFlag::O_NONBLOCK | MQ_OFlag::O_CLOEXEC;
        mq_open(name.as_os_str(), flags, Mode::empty(), None).map(queue::owned).map_err(|errno| match errno {
            nix::errno::Errno::ENOENT => io::Error::new(
                ErrorKind::NotFound,
                "no such message queue (a daemon with PrivateIPC=yes has its own, which others cannot see)",
            ),
            errno => errno.into(),
        })
    };
    let (to, from) = (open(".in", MQ_OFlag::O_WRONLY)?, open(".out", MQ_OFlag::O_RDONLY)?);
    let mut stale = Vec::new();
    while receive(&from, &mut stale).is_ok() {
        stale.clear();
    }
    Ok((to, from))
}

/// Appends the next message, and returns the number of its bytes.
pub(crate) fn receive(from: &OwnedFd, into: &mut Vec<u8>) -> io::Result<usize> {
    let longest = usize::try_from(queue::attributes(from.as_fd())?.msgsize()).unwrap_or_default();
    let before = into.len();
    into.resize(before + longest, 0);
    let received = queue::receive(from.as_fd(), &mut into[before..]);
    into.truncate(before + received.as_ref().map_or(0, |count| *count));
    received
}
