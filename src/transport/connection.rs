//! One connection: bytes in, bytes out. Knows neither the peer nor the protocol.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use mio::Interest;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread, read, retry_on_intr, write};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketType, recv, send, sendmsg, shutdown, sockopt,
};

use super::buffer::consumer::Consumer;
use super::messages;
use super::rings::{self, Rings};
use crate::host::raw::queue;

/// The most pieces in one write.
pub const PIECES_MAX: usize = 8;

/// A connected non-blocking descriptor, or several that are one connection.
///
/// Dropping it closes it.
#[derive(Debug)]
pub enum Connection {
    /// A socket of bytes: TCP, or a Unix stream socket.
    Bytes(OwnedFd),
    /// A socket of packets.
    Packets(OwnedFd),
    /// A descriptor to read from and one to write to: pipes, FIFOs, a terminal, files.
    Pair(OwnedFd, OwnedFd),
    /// Two message queues: one to take from, one to add to.
    Queues(OwnedFd, OwnedFd),
    /// Two rings in shared memory, and the socket that they came through.
    Rings(Box<Rings>),
    /// The messages of a bounded buffer. Output is discarded: nothing can be sent back.
    Buffer(Box<Consumer>),
}

/// The most descriptors of one connection to wait for.
pub const SOURCES_MAX: usize = 3;

/// One descriptor of a connection, with the events to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// The events to wait for.
    pub interest: Interest,
    /// Whether another process may share the open file: then closing it does not end the registration (epoll(7)).
    pub is_shared: bool,
}

/// The result of [`Connection::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// One packet, with the number of bytes in the buffer; `truncated`: it was longer, and the rest is lost.
    Packet {
        /// Bytes in the buffer.
        count: usize,
        /// Whether the packet was longer.
        truncated: bool,
    },
    /// Nothing more will come.
    End,
}

impl Connection {
    /// Takes over a connected socket. The caller has made it non-blocking and close-on-exec.
    pub fn new(fd: OwnedFd) -> Self {
        Connection::Bytes(fd)
    }

    /// Takes over a socket that carries packets (SOCK_SEQPACKET, unix(7)).
    pub fn packets(fd: OwnedFd) -> Self {
        Connection::Packets(fd)
    }

    /// Takes over a socket of either kind.
    pub fn of(fd: OwnedFd) -> Self {
        match sockopt::socket_type(&fd) {
            Ok(SocketType::SEQPACKET) => Connection::Packets(fd),
            _ => Connection::Bytes(fd),
        }
    }

    /// Gives a connected client its shared memory; if that fails, the client gets the text `refusal`.
    ///
    /// # Errors
    /// There is no descriptor or no memory left, or the client is gone (ECONNABORTED).
    pub(super) fn sharing(socket: OwnedFd, refusal: &str) -> io::Result<Connection> {
        let lacks = |error: &io::Error| {
            let errno = Errno::from_io_error(error);
            matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS))
        };
        match Rings::offer(&socket) {
            Ok(others) => {
                let rings = Rings::serve(socket, others).map_err(|error| match error.kind() {
                    // From mmap(2) this error means a lack of memory, not that no client is waiting.
                    io::ErrorKind::WouldBlock => Errno::NOMEM.into(),
                    _ => error,
                })?;
                Ok(Connection::Rings(Box::new(rings)))
            }
            Err(error) => {
                let _ = send(&socket, refusal.as_bytes(), SendFlags::NOSIGNAL);
                Err(if lacks(&error) { error } else { Errno::CONNABORTED.into() })
            }
        }
    }

    /// Takes over the sockets of a previous process; those with rings are followed by their [other descriptors](Self::others).
    pub fn all_of(descriptors: impl IntoIterator<Item = OwnedFd>) -> Vec<Connection> {
        let mut descriptors = descriptors.into_iter().peekable();
        let is_socket = |fd: &OwnedFd| sockopt::socket_type(fd).is_ok();
        let mut connections = Vec::new();
        while let Some(socket) = descriptors.next() {
            let mut others = Vec::new();
            while let Some(other) = descriptors.next_if(|fd| !is_socket(fd)) {
                others.push(other);
            }
            match <[OwnedFd; rings::DESCRIPTORS]>::try_from(others) {
                // What cannot be mapped is missing: its session ends.
                Ok(others) => {
                    let rings = Rings::resume(socket, others).ok();
                    connections.extend(rings.map(|rings| Connection::Rings(Box::new(rings))));
                }
                Err(_) => connections.push(Connection::of(socket)),
            }
        }
        connections
    }

    /// Whether it keeps messages apart: then use [`receive`](Self::receive).
    pub fn is_packets(&self) -> bool {
        !matches!(self, Connection::Bytes(_) | Connection::Pair(..))
    }

    /// Takes over two descriptors that do not block for long: one to read from, one to write to.
    pub fn pair(input: OwnedFd, output: OwnedFd) -> Self {
        Connection::Pair(input, output)
    }

    /// Takes over two message queues that do not block: one to take from, one to add to.
    pub fn queues(input: OwnedFd, output: OwnedFd) -> Self {
        Connection::Queues(input, output)
    }

    /// The process id of our helper process, if there is one.
    pub fn helper(&self) -> Option<u32> {
        match self {
            Connection::Buffer(taken) => Some(taken.pid()),
            _ => None,
        }
    }

    /// Its rings, if it has any.
    pub fn rings(&self) -> Option<&Rings> {
        match self {
            Connection::Rings(rings) => Some(rings),
            _ => None,
        }
    }

    /// The descriptor to read from, and also to write to if there is no other.
    fn input(&self) -> &OwnedFd {
        match self {
            Connection::Bytes(fd) | Connection::Packets(fd) => fd,
            Connection::Pair(input, _) | Connection::Queues(input, _) => input,
            Connection::Rings(rings) => rings.socket(),
            Connection::Buffer(taken) => taken.socket(),
        }
    }

    /// The descriptors, besides its socket, with which another process can go on.
    pub fn others(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings().into_iter().flat_map(Rings::descriptors)
    }

    /// The descriptor to wait for from now on, because the kernel takes nothing more; `None`: [`sources`](Self::sources) waits for
    /// room already. A Unix socket reports room each time its peer reads (EPOLLOUT, epoll(7)), so most never ask.
    pub fn room_source(&self) -> Option<Source<'_>> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Connection::Bytes(socket) | Connection::Packets(socket) => {
                Some(Source { fd: socket.as_fd(), interest, is_shared: false })
            }
            Connection::Pair(..) | Connection::Queues(..) | Connection::Buffer(_) | Connection::Rings(_) => {
                None
            }
        }
    }

    /// The descriptors to wait for, each once.
    pub fn sources(&self) -> [Option<Source<'_>>; SOURCES_MAX] {
        let source = |fd, interest, is_shared| Some(Source { fd, interest, is_shared });
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Connection::Bytes(socket) | Connection::Packets(socket) => {
                [source(socket.as_fd(), Interest::READABLE, false), None, None]
            }
            Connection::Pair(input, output) | Connection::Queues(input, output) => [
                source(input.as_fd(), Interest::READABLE, true),
                source(output.as_fd(), Interest::WRITABLE, true),
                None,
            ],
            Connection::Buffer(taken) => {
                [source(taken.socket().as_fd(), Interest::READABLE, false), None, None]
            }
            // The client signals both on it: a message, or room for ours.
            Connection::Rings(rings) => [
                source(rings.socket().as_fd(), Interest::READABLE, false),
                source(rings.bell(), both, true),
                None,
            ],
        }
    }

    /// Whether its peer is that of a socket: then an error comes from the peer, a short read has taken all available data, an
    /// event reports more, and another process can go on with it.
    pub fn is_socket(&self) -> bool {
        !matches!(self, Connection::Pair(..) | Connection::Queues(..) | Connection::Buffer(_))
    }

    /// Reads available data into `buffer`: `Ok(0)` is end of file (or an empty buffer), `WouldBlock` is nothing now
    /// (recv(2), or of a pair read(2)); not for what keeps messages apart.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| match self {
            Connection::Pair(input, _) => read(input, &mut *buffer),
            // For a socket this is the shorter path through the kernel.
            _ => recv(self.input(), &mut *buffer, RecvFlags::empty()).map(|(_, length)| length),
        })?)
    }

    /// Reads one packet into `buffer`; `WouldBlock` is none now (recv(2), or mq_receive(3)). Each write is a packet, and is accepted whole or
    /// not at all; a packet longer than the socket's send buffer is EMSGSIZE. Rings have no end of their own: the socket reports it.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let socket = match self {
            Connection::Rings(rings) => {
                let count = rings.receive(buffer)?;
                return Ok(Received::Packet { count, truncated: false });
            }
            Connection::Queues(input, _) => {
                let count = queue::receive(input.as_fd(), buffer)?;
                return Ok(Received::Packet { count, truncated: false });
            }
            Connection::Buffer(taken) => {
                let count = taken.receive(buffer)?;
                return Ok(Received::Packet { count, truncated: false });
            }
            Connection::Bytes(input) | Connection::Packets(input) | Connection::Pair(input, _) => input,
        };
        let (_, length) = retry_on_intr(|| recv(socket, &mut *buffer, RecvFlags::TRUNC))?;
        if length == 0 && self.has_ended() {
            return Ok(Received::End);
        }
        Ok(Received::Packet { count: length.min(buffer.len()), truncated: length > buffer.len() })
    }

    /// Whether an empty read means end of file, and not an empty packet.
    fn has_ended(&self) -> bool {
        let mut input = [PollFd::new(self.input(), PollFlags::RDHUP)];
        let _ = poll(&mut input, Some(&Timespec::default()));
        let is_shut = input[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP);
        is_shut && ioctl_fionread(self.input()).unwrap_or(0) == 0
    }

    /// Writes as much of the pieces as the kernel accepts, in one call (send(2), or write(2) for a pair; for queues as one
    /// message, or as few as have room for it); pieces beyond the eighth wait for the next call.
    ///
    /// A peer that is gone is `BrokenPipe`, and no signal: Rust's runtime has ignored SIGPIPE since before `main`.
    pub fn write(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL;
        let pieces = &pieces[..pieces.len().min(PIECES_MAX)];
        Ok(match (pieces, self) {
            ([], _) => 0,
            // One piece is the usual case, and cheaper for the kernel.
            ([one], Connection::Bytes(socket) | Connection::Packets(socket)) => {
                retry_on_intr(|| send(socket, one, flags))?
            }
            (pieces, Connection::Rings(rings)) => rings.send(pieces)?,
            (pieces, Connection::Buffer(_)) => pieces.iter().map(|piece| piece.len()).sum(),
            (pieces, Connection::Queues(_, output)) => messages::send(output.as_fd(), &pieces.concat())?,
            ([one], Connection::Pair(_, output)) => retry_on_intr(|| write(output, one))?,
            (many, Connection::Bytes(socket) | Connection::Packets(socket)) => {
                let mut slices = [IoSlice::new(&[]); PIECES_MAX];
                slices.iter_mut().zip(many).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
                let (slices, mut nothing) = (&slices[..many.len()], SendAncillaryBuffer::default());
                retry_on_intr(|| sendmsg(socket, slices, &mut nothing, flags))?
            }
            (many, Connection::Pair(_, output)) => {
                let whole = many.concat();
                retry_on_intr(|| write(output, &whole))?
            }
        })
    }

    /// Writes the last bytes before the end: TCP sends them and the end in one segment (MSG_MORE, send(2)).
    pub fn write_last(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Connection::Bytes(socket) => {
                let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
                Ok(retry_on_intr(|| send(socket, bytes, flags))?)
            }
            _ => self.write(&[bytes]),
        }
    }

    /// Acknowledges received data at once (TCP_QUICKACK, tcp(7)): a sender without TCP_NODELAY holds back its next segment
    /// until then, which otherwise takes about 40 ms. Has no effect except on TCP.
    pub fn acknowledge(&self) {
        let _ = sockopt::set_tcp_quickack(self.input(), true);
    }

    /// Sends end of file to the peer; reading still works (shutdown(2) with SHUT_WR). Not for a pair.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(shutdown(self.input(), Shutdown::Write)?)
    }

    /// The number of the socket behind the descriptor: the same in every process that holds it (its inode).
    pub fn number(&self) -> u64 {
        if let Connection::Buffer(taken) = self {
            return taken.number();
        }
        rustix::fs::fstat(self.input()).map_or(0, |stat| stat.st_ino)
    }

    /// Whether an error is pending, for a connection that is not being read from (SO_ERROR, socket(7)); for a pair,
    /// whether there is no reader left (POLLERR, poll(2)).
    pub fn has_failed(&self) -> bool {
        let (Connection::Pair(_, output) | Connection::Queues(_, output)) = self else {
            return !matches!(sockopt::socket_error(self.input()), Ok(Ok(())));
        };
        let mut output = [PollFd::new(output, PollFlags::OUT)];
        let _ = poll(&mut output, Some(&Timespec::default()));
        output[0].revents().contains(PollFlags::ERR)
    }

    /// Whether the process at the other end is gone, which rings do not report.
    pub fn is_abandoned(&self) -> bool {
        let Some(rings) = self.rings() else { return false };
        let mut socket = [PollFd::new(rings.socket(), PollFlags::empty())];
        let _ = poll(&mut socket, Some(&Timespec::default()));
        socket[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// Closes it with a reset: unsent data is discarded (SO_LINGER 0, socket(7)).
    /// On anything but TCP it is a normal close.
    pub fn reset(self) {
        // A pipe has no such option; then only the close below happens.
        let _ = sockopt::set_socket_linger(self.input(), Some(Duration::ZERO));
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input().as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use rustix::net::{AddressFamily, SocketFlags, socketpair};

    use super::*;

    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Connection::new(ours.into()), theirs)
    }

    #[test]
    fn last_bytes_on_tcp_go_out_in_one_segment_with_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // The kernel lets them wait for 200 ms at most, which a busy machine may take between two lines.
        let mut have_waited = false;
        for _ in 0..20 {
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let connection = Connection::new(listener.accept().unwrap().0.into());
            peer.set_nonblocking(true).unwrap();
            assert_eq!(connection.write_last(b"bye").unwrap(), 3);
            have_waited |=
                peer.read(&mut [0; 8]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            peer.set_nonblocking(false).unwrap();
            connection.shutdown_write().unwrap();
            let mut got = String::new();
            peer.read_to_string(&mut got).unwrap();
            assert!("bye".ends_with(&got), "{got}");
            if have_waited {
                assert_eq!(got, "bye");
                return;
            }
        }
        panic!("they went out at once");
    }

    #[test]
    fn bytes_pass_both_ways_and_empty_read_would_block() {
        let (connection, mut peer) = pair();
        let mut buffer = [0; 8];
        assert_eq!(connection.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        peer.write_all(b"ping").unwrap();
        assert_eq!((connection.read(&mut buffer).unwrap(), &buffer[..4]), (4, &b"ping"[..]));

        assert_eq!(connection.write(&[]).unwrap(), 0);
        assert_eq!(connection.write(&[b"po"]).unwrap(), 2);
        assert_eq!(connection.write(&[b"n", b"", b"g"]).unwrap(), 2);
        connection.shutdown_write().unwrap();
        let mut got = String::new();
        peer.read_to_string(&mut got).unwrap();
        assert_eq!(got, "pong");

        peer.write_all(b"after").unwrap();
        assert_eq!(connection.read(&mut buffer).unwrap(), 5, "the other direction stays open");
        drop(peer);
        assert_eq!(connection.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn empty_packet_is_not_end_of_file_and_long_one_is_reported() {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).unwrap();
        let (connection, peer) = (Connection::of(ours), Connection::packets(theirs));
        assert!(connection.is_packets());
        let mut buffer = [0; 8];
        assert_eq!(connection.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for packet in [&b""[..], b"ab", b"", b"123456789", b""] {
            peer.write(&[packet]).unwrap();
        }
        peer.shutdown_write().unwrap();
        let packet = |count, truncated| Received::Packet { count, truncated };
        let expected = [packet(0, false), packet(2, false), packet(0, false), packet(8, true)];
        for packet in expected {
            assert_eq!(connection.receive(&mut buffer).unwrap(), packet);
        }
        assert_eq!(
            connection.receive(&mut buffer).unwrap(),
            Received::End,
            "the last empty one does not matter"
        );
        assert_eq!(connection.receive(&mut buffer).unwrap(), Received::End);
    }

    #[test]
    fn more_pieces_than_iov_max_are_written_in_part() {
        let (connection, _peer) = pair();
        assert_eq!(connection.write(&[&b"x"[..]; 3000]).unwrap(), PIECES_MAX);
    }

    #[test]
    fn closed_peer_is_an_error_and_raises_no_signal() {
        let (connection, peer) = pair();
        drop(peer);
        assert_eq!(connection.write(&[b"x"]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn reset_reaches_a_tcp_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Connection::new(listener.accept().unwrap().0.into()).reset();
        assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
