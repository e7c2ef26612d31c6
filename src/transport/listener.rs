//! A listening socket: accepts connections with their remote addresses.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, accept_with, acceptfrom_with, getsockname,
    sockopt,
};
use socket2::SockRef;

use super::connection::Connection;
use super::credentials;
use super::datagram::{self, Received, Return, Room};
use super::passing::refuse_descriptors;
use super::sockopt::{UNIX_SEND_BYTES, probe_when_silent, set_for_connections};
use super::unix::SocketFiles;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::{Dropped, RemoteAddress};
use crate::engine::transport::Lifetime;
use crate::os_error::describe;

/// An open endpoint. Dropping it closes it: waiting connections are reset, and a Unix socket's file
/// (if it is still ours), its lock and the directory created for it (if empty) are removed.
#[derive(Debug)]
pub struct Listener {
    // Dropped first: see `unix::SocketFile`.
    files: Option<SocketFiles>,
    fd: OwnedFd,
    place: ResolvedEndpoint,
    kept: bool,
}

impl Listener {
    pub(super) fn new(files: Option<SocketFiles>, fd: OwnedFd, place: ResolvedEndpoint) -> Self {
        Listener { files, fd, place, kept: false }
    }

    /// A listening socket from another process (systemd), which keeps its file. It becomes non-blocking,
    /// and its connections get the same options as those of [`open`](super::open::open). `kept`: the other process keeps
    /// listening when we stop.
    ///
    /// # Errors
    /// Those of fcntl(2) and setsockopt(2); none is expected for a listening socket.
    pub fn inherited(fd: OwnedFd, place: ResolvedEndpoint, kept: bool) -> io::Result<Self> {
        let socket = SockRef::from(&fd);
        socket.set_nonblocking(true)?;
        socket.set_cloexec(true)?;
        match place {
            ResolvedEndpoint::Tcp(_)
            | ResolvedEndpoint::Tls(_)
            | ResolvedEndpoint::Http(_)
            | ResolvedEndpoint::Https(_) => set_for_connections(&socket)?,
            ResolvedEndpoint::Udp(_) | ResolvedEndpoint::UnixGram(_) => {
                datagram::prepare(&fd, socket.domain()?)?
            }
            ResolvedEndpoint::Unix(_)
            | ResolvedEndpoint::UnixSeq(_)
            | ResolvedEndpoint::Shm(_)
            | ResolvedEndpoint::HttpUnix(_) => refuse_descriptors(&fd),
            _ => {}
        }
        Ok(Listener { files: None, fd, place, kept })
    }

    /// Accepts one connection, if one is waiting (accept4(2)). If there is no shared memory left for a client, it gets the text
    /// `refusal`.
    ///
    /// # Errors
    /// `WouldBlock`: none is waiting. ECONNABORTED: it was already gone, try the next. EMFILE, ENFILE, ENOBUFS and
    /// ENOMEM: it keeps waiting until resources are freed; for shared memory, the client gets an error and is closed.
    pub fn accept(&self, refusal: &str) -> io::Result<(Connection, RemoteAddress)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        if self.place.path().is_some() {
            let fd = retry_on_intr(|| accept_with(&self.fd, flags))?;
            let remote = credentials::of_peer(&fd);
            if matches!(self.place, ResolvedEndpoint::Shm(_)) {
                return Ok((Connection::sharing(fd, refusal)?, remote));
            }
            let is_packets = matches!(self.place, ResolvedEndpoint::UnixSeq(_));
            if !is_packets {
                // This only saves memory. Not for packets, which must fit whole and may be longer.
                let _ = SockRef::from(&fd).set_send_buffer_size(UNIX_SEND_BYTES);
            }
            return Ok((if is_packets { Connection::packets(fd) } else { Connection::new(fd) }, remote));
        }
        let (fd, address) = retry_on_intr(|| acceptfrom_with(&self.fd, flags))?;
        let remote = tcp_address(address)?;
        let _ = probe_when_silent(&fd, remote); // a connection without it is better than none
        Ok((Connection::new(fd), RemoteAddress::Address(remote)))
    }

    /// Whether it receives datagrams instead of connections.
    pub fn is_for_datagrams(&self) -> bool {
        self.place.scheme().transport.lifetime == Lifetime::Message
    }

    /// Reads one datagram into `buffer`.
    ///
    /// # Errors
    /// `WouldBlock`: none is there.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        datagram::receive(&self.fd, matches!(self.place, ResolvedEndpoint::UnixGram(_)), buffer)
    }

    /// Sends one datagram to a sender.
    ///
    /// # Errors
    /// Why it was not accepted; this concerns only the sender.
    pub fn reply(&self, to: &Return, bytes: &[u8]) -> Result<(), Dropped> {
        datagram::reply(&self.fd, to, bytes)
    }

    /// The part of its send buffer that unread answers fill; only a Unix socket has this.
    pub fn room(&self) -> Option<Room> {
        matches!(self.place, ResolvedEndpoint::UnixGram(_)).then(|| datagram::room(&self.fd))?
    }

    /// Whether another process keeps it open when we close it.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether clients can no longer reach it, because the file of our Unix socket is gone.
    pub fn is_orphaned(&self) -> bool {
        self.files.as_ref().is_some_and(SocketFiles::is_orphaned)
    }

    /// The same socket as another endpoint, of which it is the [bare](ResolvedEndpoint::bare) one.
    #[must_use]
    pub fn at(mut self, place: ResolvedEndpoint) -> Self {
        debug_assert_eq!(self.place.bare(), place.bare());
        self.place = place;
        self
    }

    /// Its endpoint, as requested.
    pub fn place(&self) -> &ResolvedEndpoint {
        &self.place
    }

    /// The TCP port that it listens on, also if port 0 was requested.
    #[cfg(test)]
    pub(super) fn local_port(&self) -> Option<u16> {
        let address = getsockname(&self.fd).ok()?;
        Some(SocketAddr::try_from(address).ok()?.port())
    }

    /// Changes the backlog (listen(2) again).
    pub fn set_backlog(&self, backlog: i32) -> io::Result<()> {
        if self.is_for_datagrams() {
            return Ok(());
        }
        Ok(rustix::net::listen(&self.fd, backlog)?)
    }

    /// Lets other sockets of the same user share its network address, or no further ones (SO_REUSEPORT, socket(7)). The kernel
    /// accepts this for a socket that already listens. A socket that another process keeps is not changed.
    ///
    /// # Errors
    /// setsockopt(2); none is expected.
    pub fn share_port(&self, share: bool) -> io::Result<()> {
        match self.place.network() {
            Some(_) if !self.kept => SockRef::from(&self.fd).set_reuse_port(share),
            _ => Ok(()),
        }
    }

    /// Limits the bytes that the kernel accepts from each new TCP peer that is not read from; they take twice as
    /// much memory (SO_RCVBUF, socket(7)). By default the kernel increases the limit as data is read, up to tcp_rmem: 30 MiB
    /// were measured for a peer that was then not read from.
    ///
    /// # Errors
    /// setsockopt(2); none is expected.
    pub fn set_receive_bytes(&self, bytes: usize) -> io::Result<()> {
        match self.place {
            ResolvedEndpoint::Tcp(_)
            | ResolvedEndpoint::Tls(_)
            | ResolvedEndpoint::Http(_)
            | ResolvedEndpoint::Https(_) => SockRef::from(&self.fd).set_recv_buffer_size(bytes),
            _ => Ok(()), // for other sockets it is the peer's memory, or bounded for the whole socket
        }
    }

    /// Changes the mode and group of a Unix socket's file; an empty or unknown group means our own. The file is never
    /// looser than the new mode in between. Has no effect on other sockets and on an inherited socket's file.
    ///
    /// Returns deviations from the request, each as a line for the log.
    ///
    /// # Errors
    /// The file is gone or replaced, or no longer belongs to us.
    pub fn set_permissions(&self, mode: u32, group: &str) -> io::Result<Vec<String>> {
        match &self.files {
            Some(files) => files.set_permissions(mode, group),
            None => Ok(Vec::new()),
        }
    }
}

/// The address of a listening or datagram descriptor from another process.
///
/// # Errors
/// What the descriptor is instead.
pub fn listening_place(fd: &OwnedFd) -> Result<ResolvedEndpoint, String> {
    let kind = sockopt::socket_type(fd).map_err(|_| "not a socket".to_owned())?;
    let address = getsockname(fd)
        .map_err(|error| format!("a socket without an address ({})", describe(&error.into())))?;
    let listens = sockopt::socket_acceptconn(fd) == Ok(true);
    let network = SocketAddr::try_from(address.clone()).ok();
    let path = || {
        let path =
            SocketAddrUnix::try_from(address).ok().and_then(|unix| unix.path_bytes().map(<[u8]>::to_vec));
        let path = path.ok_or("a Unix socket without a path")?;
        Ok::<_, String>(PathBuf::from(OsString::from_vec(path)))
    };
    match (kind, network) {
        (SocketType::STREAM, Some(address)) if listens => Ok(ResolvedEndpoint::Tcp(address)),
        (SocketType::STREAM, None) if listens => path().map(ResolvedEndpoint::Unix),
        (SocketType::SEQPACKET, None) if listens => path().map(ResolvedEndpoint::UnixSeq),
        (SocketType::DGRAM, Some(address)) => Ok(ResolvedEndpoint::Udp(address)),
        (SocketType::DGRAM, None) => path().map(ResolvedEndpoint::UnixGram),
        _ => Err("neither a listening socket nor one for datagrams".to_owned()),
    }
}

/// An IPv4-mapped peer of a socket for both families (an inherited one) becomes an IPv4 peer.
pub(super) fn tcp_address(address: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    let address = SocketAddr::try_from(address.ok_or(Errno::CONNABORTED)?)?;
    Ok(match address.ip() {
        ip if ip.is_ipv4() => address,
        ip if ip.to_canonical().is_ipv4() => SocketAddr::new(ip.to_canonical(), address.port()),
        _ => address, // with its scope
    })
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
