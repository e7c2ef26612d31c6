//! The descriptors of a conversation: sending to and receiving from each kind of endpoint. Knows no message's meaning.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::queues;
use super::secure::{Secure, SecureConnection};
use super::shared::Shared;
use super::web::WebSocket;
use ipcd::endpoint::ResolvedEndpoint;
use ipcd::host::raw::queue;
use ipcd::transport::connect;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

/// The largest packet, in bytes: more than the kernel's default for a Unix socket (208 KiB).
const PACKET_BYTES_MAX: usize = 256 << 10;

/// An open connection to an endpoint. Nothing here blocks, except [`Connection::open`].
pub(crate) enum Connection {
    /// Bytes.
    Stream(Socket),
    /// Messages, and an end.
    Packets(Socket),
    /// Messages.
    Datagrams(Socket),
    /// Encrypted bytes on a stream.
    Secure(Box<SecureConnection>),
    /// Lines, each in a frame of a WebSocket.
    Web(Box<Framed>),
    /// Bytes.
    Fifo { to: OwnedFd, from: OwnedFd },
    /// Messages.
    Queues { to: OwnedFd, from: OwnedFd },
    /// Messages, and an end.
    Shared(Box<Shared>),
}

/// A WebSocket, and the stream that carries it.
pub(crate) struct Framed {
    stream: Connection,
    socket: WebSocket,
}

impl Connection {
    /// Connects to a stream or packet endpoint without waiting: until it is connected, nothing goes out or comes in, and if
    /// it fails, the next read says why.
    pub(crate) fn open_soon(endpoint: &ResolvedEndpoint) -> io::Result<Connection> {
        match endpoint {
            ResolvedEndpoint::Tcp(_)
            | ResolvedEndpoint::Tls(_)
            | ResolvedEndpoint::Http(_)
            | ResolvedEndpoint::Https(_)
            | ResolvedEndpoint::Unix(_)
            | ResolvedEndpoint::HttpUnix(_) => Ok(Connection::Stream(connect::begin(endpoint)?.into())),
            ResolvedEndpoint::UnixSeq(_) => Ok(Connection::Packets(connect::begin(endpoint)?.into())),
            ResolvedEndpoint::Udp(_)
            | ResolvedEndpoint::UnixGram(_)
            | ResolvedEndpoint::Fifo(_)
            | ResolvedEndpoint::Mq(_)
            | ResolvedEndpoint::Shm(_)
            | ResolvedEndpoint::Buffer(_) => Connection::open(endpoint, None),
        }
    }

    /// Connects; `timeout`: `None` waits without a limit.
    pub(crate) fn open(endpoint: &ResolvedEndpoint, timeout: Option<Duration>) -> io::Result<Connection> {
        let socket = |domain, kind| -> io::Result<Socket> {
            let socket = Socket::new(domain, kind, None)?;
            socket.set_write_timeout(timeout)?; // connect() on a Unix socket keeps it
            Ok(socket)
        };
        let connection = match endpoint {
            ResolvedEndpoint::Tcp(address)
            | ResolvedEndpoint::Tls(address)
            | ResolvedEndpoint::Http(address)
            | ResolvedEndpoint::Https(address) => {
                let address = SockAddr::from(*address);
                let socket = socket(address.domain(), Type::STREAM)?;
                match timeout {
                    Some(timeout) => socket.connect_timeout(&address, timeout)?,
                    None => socket.connect(&address)?,
                }
                socket.set_tcp_nodelay(true)?;
                Connection::Stream(socket)
            }
            ResolvedEndpoint::Udp(address) => {
                let address = SockAddr::from(*address);
                let socket = socket(address.domain(), Type::DGRAM)?;
                socket.connect(&address)?;
                Connection::Datagrams(socket)
            }
            ResolvedEndpoint::Unix(path) | ResolvedEndpoint::HttpUnix(path) => {
                let socket = socket(Domain::UNIX, Type::STREAM)?;
                socket.connect(&SockAddr::unix(path)?)?;
                Connection::Stream(socket)
            }
            ResolvedEndpoint::UnixSeq(path) => {
                let socket = socket(Domain::UNIX, Type::SEQPACKET)?;
                socket.connect(&SockAddr::unix(path)?)?;
                Connection::Packets(socket)
            }
            ResolvedEndpoint::Shm(path) => {
                let socket = socket(Domain::UNIX, Type::STREAM)?;
                socket.set_read_timeout(timeout)?;
                socket.connect(&SockAddr::unix(path)?)?;
                return Ok(Connection::Shared(Box::new(Shared::join(socket)?)));
            }
            ResolvedEndpoint::UnixGram(path) => {
                let socket = socket(Domain::UNIX, Type::DGRAM)?;
                // An address for the answer that the kernel chooses, without a file: a service with its own view of the
                // file system (PrivateTmp=, ProtectHome=) could not see our file.
                rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new_unnamed())?;
                socket.connect(&SockAddr::unix(path)?)?;
                Connection::Datagrams(socket)
            }
            ResolvedEndpoint::Fifo(path) => return fifo(path),
            // `buffer` writes to these.
            ResolvedEndpoint::Buffer(_) => return Err(ErrorKind::Unsupported.into()),
            ResolvedEndpoint::Mq(name) => {
                let (to, from) = queues::open(name)?;
                return Ok(Connection::Queues { to, from });
            }
        };
        if let Connection::Stream(socket) | Connection::Packets(socket) | Connection::Datagrams(socket) =
            &connection
        {
            socket.set_nonblocking(true)?;
        }
        Ok(connection)
    }

    /// The same stream with TLS. The handshake goes on with each read and write.
    pub(crate) fn secured(self, secure: Option<&Secure>) -> io::Result<Connection> {
        match (self, secure) {
            (Connection::Stream(socket), Some(secure)) => {
                Ok(Connection::Secure(Box::new(secure.over(socket)?)))
            }
            (connection, _) => Ok(connection),
        }
    }

    /// The same stream with a WebSocket of this service in it. Its opening goes on with each read and write.
    pub(crate) fn in_frames(self, service: &str, host: &str) -> Connection {
        Connection::Web(Box::new(Framed { stream: self, socket: WebSocket::open(service, host) }))
    }

    /// Completes a connection that was begun, when it is writable: it is connected, or the reason why not.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match self {
            Connection::Stream(socket) | Connection::Packets(socket) => connect::outcome(socket),
            Connection::Secure(connection) => connect::outcome(connection.socket()),
            Connection::Web(framed) => framed.stream.connected(),
            Connection::Datagrams(_)
            | Connection::Fifo { .. }
            | Connection::Queues { .. }
            | Connection::Shared(_) => Ok(()),
        }
    }

    /// Whether one write is one message.
    pub(crate) fn has_messages(&self) -> bool {
        matches!(
            self,
            Connection::Packets(_)
                | Connection::Datagrams(_)
                | Connection::Queues { .. }
                | Connection::Shared(_)
        )
    }

    /// Whether the other side can close it.
    pub(crate) fn has_end(&self) -> bool {
        !matches!(self, Connection::Datagrams(_) | Connection::Queues { .. })
    }

    /// Whether bytes can be sent, as soon as there is room: TLS has made its handshake.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Connection::Secure(connection) => connection.is_open(),
            Connection::Web(framed) => framed.stream.is_open(),
            _ => true,
        }
    }

    /// Whether to wait until there is room for sending; `has_more`: there are bytes to send, or the end.
    pub(crate) fn wants_write(&self, has_more: bool) -> bool {
        match self {
            Connection::Secure(connection) => connection.wants_write() || has_more && connection.is_open(),
            Connection::Web(framed) => {
                framed.stream.wants_write(has_more || !framed.socket.unsent().is_empty())
            }
            Connection::Shared(shared) => has_more && shared.has_room(),
            _ => has_more,
        }
    }

    /// Whether the end has come together with the last bytes.
    pub(crate) fn is_ended(&self) -> bool {
        match self {
            Connection::Secure(connection) => connection.is_ended(),
            Connection::Web(framed) => framed.socket.is_ended(),
            _ => false,
        }
    }

    /// Sends end of file, if the kind of endpoint has it.
    pub(crate) fn half_close(&mut self) -> io::Result<()> {
        match self {
            Connection::Secure(connection) => connection.end(),
            Connection::Web(framed) => {
                framed.socket.end();
                framed.flush()
            }
            Connection::Stream(socket) | Connection::Packets(socket) => {
                socket.shutdown(std::net::Shutdown::Write)
            }
            Connection::Shared(shared) => {
                Ok(rustix::net::shutdown(shared.socket(), rustix::net::Shutdown::Write)?)
            }
            Connection::Datagrams(_) | Connection::Fifo { .. } | Connection::Queues { .. } => Ok(()),
        }
    }

    /// Shuts down both directions: the other side sees our end, although the descriptor is still open.
    #[cfg(feature = "tui")] // a line filter ends with its connection
    pub(crate) fn hang_up(&mut self) -> io::Result<()> {
        match self {
            Connection::Secure(connection) => {
                let _ = connection.end(); // a lost connection needs none
                connection.socket().shutdown(std::net::Shutdown::Both)
            }
            Connection::Web(framed) => framed.stream.hang_up(),
            Connection::Stream(socket) | Connection::Packets(socket) => {
                socket.shutdown(std::net::Shutdown::Both)
            }
            Connection::Shared(shared) => {
                Ok(rustix::net::shutdown(shared.socket(), rustix::net::Shutdown::Both)?)
            }
            Connection::Datagrams(_) | Connection::Fifo { .. } | Connection::Queues { .. } => Ok(()),
        }
    }

    /// Sends as much of `bytes` as the kernel accepts, and returns the number.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Connection::Secure(connection) => connection.write(bytes),
            Connection::Web(framed) => framed.write(bytes),
            Connection::Queues { to, .. } => queue::send(to.as_fd(), bytes).map(|()| bytes.len()),
            Connection::Shared(shared) => shared.send(bytes),
            _ => Ok(rustix::io::write(self.descriptors().1, bytes)?),
        }
    }

    /// Appends the available data, and returns the number of bytes.
    pub(crate) fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Connection::Secure(connection) => return connection.read(into),
            Connection::Web(framed) => return framed.read(into),
            Connection::Queues { from, .. } => return queues::receive(from, into),
            Connection::Shared(shared) => return shared.receive(into),
            _ => {}
        }
        into.reserve(PACKET_BYTES_MAX);
        Ok(rustix::io::read(self.descriptors().0, spare_capacity(into))?)
    }

    /// The descriptors to read from and to write to.
    pub(crate) fn descriptors(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>) {
        match self {
            Connection::Stream(socket) | Connection::Packets(socket) | Connection::Datagrams(socket) => {
                (socket.as_fd(), socket.as_fd())
            }
            Connection::Secure(connection) => (connection.descriptor(), connection.descriptor()),
            Connection::Web(framed) => framed.stream.descriptors(),
            Connection::Fifo { to, from } | Connection::Queues { to, from } => (from.as_fd(), to.as_fd()),
            // A socket that nothing is sent on is always writable.
            Connection::Shared(shared) => (shared.events(), shared.socket().as_fd()),
        }
    }
}

impl Framed {
    /// Takes lines, and sends what the stream accepts. `WouldBlock`: nothing was taken.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.flush()?;
        if !self.socket.unsent().is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.socket.say(lines);
        self.flush().map(|()| lines.len())
    }

    /// Appends what has come, as lines; 0 is the end. Also sends what waits.
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        // The peer may have said why it closed: read that before reporting an error of sending.
        let sent = self.flush();
        let begin = into.len();
        let count = match self.stream.read(self.socket.received()) {
            Ok(count) => count,
            Err(error) => return Err(sent.err().unwrap_or(error)),
        };
        let has_ended = count == 0 || self.stream.is_ended();
        self.socket.hear(has_ended, into)?;
        // Sends a pong if there is one; the next call reports an error.
        let _ = self.flush();
        match into.len() - begin {
            0 if !self.socket.is_ended() => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.socket.unsent().is_empty() {
            match self.stream.write(self.socket.unsent()) {
                Ok(count) => self.socket.sent(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn fifo(path: &Path) -> io::Result<Connection> {
    let open = |end: &str, flags| -> io::Result<OwnedFd> {
        let mut path = path.as_os_str().to_owned();
        path.push(end);
        let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fifo = rustix::fs::open(PathBuf::from(path), flags, Mode::empty())?;
        match rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fifo)?.st_mode).is_fifo() {
            true => Ok(fifo),
            false => Err(io::Error::new(ErrorKind::InvalidInput, "this is not a FIFO")),
        }
    };
    // A write end without a reader cannot be opened (ENXIO): there is no daemon.
    let (to, from) = (open(".in", OFlags::WRONLY)?, open(".out", OFlags::RDONLY)?);
    let mut connection = Connection::Fifo { to, from };
    // Replies to another client that nobody read.
    let mut stale = Vec::new();
    while connection.read(&mut stale).is_ok_and(|count| count > 0) {
        stale.clear();
    }
    Ok(connection)
}

/// Waits until one of these is ready, or until the deadline, and returns the ready ones.
pub(crate) fn wait<const N: usize>(
    descriptors: [(Option<BorrowedFd<'_>>, PollFlags); N],
    deadline: Option<Instant>,
) -> io::Result<[bool; N]> {
    loop {
        let mut fds: Vec<PollFd<'_>> = descriptors
            .iter()
            .filter_map(|(fd, flags)| fd.map(|fd| PollFd::from_borrowed_fd(fd, *flags)))
            .collect();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time that is too long to express counts as none.
        let left: Option<Timespec> = left.and_then(|left| left.try_into().ok());
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
                return Ok(descriptors.map(|(fd, _)| fd.is_some() && ready.next() == Some(true)));
            }
        }
    }
}
