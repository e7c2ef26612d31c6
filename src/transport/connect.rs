//! An outgoing connection: begun without waiting, and settled once its socket can be written to.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::endpoint::ResolvedEndpoint;

/// Begins to connect, and does not wait. Once the socket can be written to (poll(2)), [`outcome`] says what has come of it.
/// It does not block, and has TCP_NODELAY set if it is one of TCP.
///
/// # Errors
/// Why there is no connection, if that is known at once (connect(2)). `WouldBlock`: the queue of a Unix listener is full, and
/// no event tells when it is not: to be tried again. `Unsupported`: nobody connects to such an endpoint.
pub fn begin(place: &ResolvedEndpoint) -> io::Result<OwnedFd> {
    let (address, kind) = match place {
        ResolvedEndpoint::Tcp(address) => (SockAddr::from(*address), Type::STREAM),
        ResolvedEndpoint::Unix(path) => (SockAddr::unix(path)?, Type::STREAM),
        ResolvedEndpoint::UnixSeq(path) => (SockAddr::unix(path)?, Type::SEQPACKET),
        ResolvedEndpoint::Udp(_) | ResolvedEndpoint::UnixGram(_) | ResolvedEndpoint::Fifo(_) => {
            return Err(ErrorKind::Unsupported.into());
        }
    };
    let socket = Socket::new(address.domain(), kind, None)?;
    socket.set_nonblocking(true)?;
    if address.domain() != Domain::UNIX {
        socket.set_tcp_nodelay(true)?; // otherwise what is said in two writes waits for an acknowledgement, 40 ms
    }
    match socket.connect(&address) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        outcome => outcome?,
    }
    Ok(socket.into())
}

/// What has come of a connection that was [begun](begin) (SO_ERROR, socket(7)). An error is told once.
///
/// # Errors
/// Why there is none. `WouldBlock`: it is not known yet.
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
