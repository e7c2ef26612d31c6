//! An outgoing connection: begun without waiting, and completed when its socket is writable.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::endpoint::ResolvedEndpoint;

/// Begins to connect without waiting. When the socket is writable (poll(2)), [`outcome`] returns the result.
/// The socket is non-blocking, and has TCP_NODELAY if it is TCP.
///
/// # Errors
/// Why there is no connection, if known at once (connect(2)). `WouldBlock`: the queue of a Unix listener is full, and
/// no event reports a change: try again later. `Unsupported`: the endpoint has no connections.
pub fn begin(place: &ResolvedEndpoint) -> io::Result<OwnedFd> {
    let (address, kind) = match place {
        ResolvedEndpoint::Tcp(address)
        | ResolvedEndpoint::Tls(address)
        | ResolvedEndpoint::Http(address)
        | ResolvedEndpoint::Https(address) => (SockAddr::from(*address), Type::STREAM),
        ResolvedEndpoint::Unix(path) | ResolvedEndpoint::HttpUnix(path) | ResolvedEndpoint::Shm(path) => {
            (SockAddr::unix(path)?, Type::STREAM)
        }
        ResolvedEndpoint::UnixSeq(path) => (SockAddr::unix(path)?, Type::SEQPACKET),
        ResolvedEndpoint::Udp(_)
        | ResolvedEndpoint::UnixGram(_)
        | ResolvedEndpoint::Fifo(_)
        | ResolvedEndpoint::Mq(_)
        | ResolvedEndpoint::Buffer(_) => {
            return Err(ErrorKind::Unsupported.into());
        }
    };
    let socket = Socket::new(address.domain(), kind, None)?;
    socket.set_nonblocking(true)?;
    if address.domain() != Domain::UNIX {
        socket.set_tcp_nodelay(true)?; // otherwise data in two writes waits 40 ms for an acknowledgement
    }
    match socket.connect(&address) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        outcome => outcome?,
    }
    Ok(socket.into())
}

/// The result of a connection that was [begun](begin) (SO_ERROR, socket(7)). An error is returned once.
///
/// # Errors
/// Why there is no connection. `WouldBlock`: not known yet.
pub fn outcome(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Err(error) if error.kind() == ErrorKind::NotConnected => Err(ErrorKind::WouldBlock.into()),
        outcome => outcome.map(|_| ()),
    }
}
