//! One connection: bytes in, bytes out. Knows neither who is at the other end nor what is said.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{retry_on_intr, write, writev};
use rustix::net::{Shutdown, shutdown, sockopt};

/// A connected descriptor that does not block: a TCP or Unix stream socket; or two, one to read from and one to write to
/// (pipes, FIFOs, a terminal, files).
///
/// Dropping it closes it.
#[derive(Debug)]
pub struct Link {
    /// What is read from, and written to where there is no other.
    input: OwnedFd,
    /// What is written to, of a pair.
    output: Option<OwnedFd>,
}

impl Link {
    /// Takes over a connected descriptor. The caller has made it non-blocking and close-on-exec.
    pub fn new(fd: OwnedFd) -> Self {
        Link { input: fd, output: None }
    }

    /// Takes over two descriptors, none of which blocks for long: one to read from, another to write to.
    pub fn pair(input: OwnedFd, output: OwnedFd) -> Self {
        Link { input, output: Some(output) }
    }

    /// What is written to, where it is not what is read from.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there into `buffer`: `Ok(0)` is end of file (or an empty buffer), `WouldBlock` is nothing now
    /// (read(2)).
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::read(&self.input, &mut *buffer))?)
    }

    /// Writes as much of `slices` as the kernel takes, in one call (writev(2)); slices beyond IOV_MAX (1024) wait
    /// for the next one.
    ///
    /// A peer that is gone is `BrokenPipe`: Rust's runtime has ignored SIGPIPE since before `main`.
    pub fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let output = self.output.as_ref().unwrap_or(&self.input);
        Ok(retry_on_intr(|| match slices {
            [] => Ok(0),
            [one] => write(output, one),
            many => writev(output, many),
        })?)
    }

    /// Tells the peer that nothing more will come, and goes on reading (shutdown(2) with SHUT_WR). Not for a pair.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(shutdown(&self.input, Shutdown::Write)?)
    }

    /// The number of the socket behind the descriptor: the same in every process that holds it (its inode).
    pub fn number(&self) -> u64 {
        rustix::fs::fstat(&self.input).map_or(0, |stat| stat.st_ino)
    }

    /// Whether an error is pending on it, for a connection that is not being read from (SO_ERROR, socket(7)); of a pair,
    /// whether nobody is left to read what is written (POLLERR, poll(2)).
    pub fn has_failed(&self) -> bool {
        let Some(output) = &self.output else {
            return !matches!(sockopt::socket_error(&self.input), Ok(Ok(())));
        };
        let mut output = [PollFd::new(output, PollFlags::OUT)];
        let _ = poll(&mut output, Some(&Timespec::default()));
        output[0].revents().contains(PollFlags::ERR)
    }

    /// Closes it with a reset: what waits to be sent is thrown away (SO_LINGER 0, socket(7)).
    /// On anything but TCP it is a plain close.
    pub fn reset(self) {
        // A pipe has no such option; then the close below is all there is.
        let _ = sockopt::set_socket_linger(&self.input, Some(Duration::ZERO));
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        self.input.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Link::new(ours.into()), theirs)
    }

    #[test]
    fn bytes_come_and_go_and_nothing_there_is_would_block() {
        let (link, mut peer) = pair();
        let mut buffer = [0; 8];
        assert_eq!(link.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        peer.write_all(b"ping").unwrap();
        assert_eq!((link.read(&mut buffer).unwrap(), &buffer[..4]), (4, &b"ping"[..]));

        assert_eq!(link.write(&[]).unwrap(), 0);
        assert_eq!(link.write(&[IoSlice::new(b"po")]).unwrap(), 2);
        assert_eq!(link.write(&[IoSlice::new(b"n"), IoSlice::new(b""), IoSlice::new(b"g")]).unwrap(), 2);
        link.shutdown_write().unwrap();
        let mut got = String::new();
        peer.read_to_string(&mut got).unwrap();
        assert_eq!(got, "pong");

        peer.write_all(b"after").unwrap();
        assert_eq!(link.read(&mut buffer).unwrap(), 5, "the other direction stays open");
        drop(peer);
        assert_eq!(link.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn more_slices_than_the_kernel_takes_are_written_in_part() {
        let (link, _peer) = pair();
        let slices = vec![IoSlice::new(b"x"); 3000];
        assert_eq!(link.write(&slices).unwrap(), 1024);
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error_and_no_signal() {
        let (link, peer) = pair();
        drop(peer);
        assert_eq!(link.write(&[IoSlice::new(b"x")]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_reset_reaches_a_tcp_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Link::new(listener.accept().unwrap().0.into()).reset();
        assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
