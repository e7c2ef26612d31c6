//! Datagrams: one in, and replies to who sent it, from the address it was sent to. Waits for nobody, and parses nothing.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, PassCred};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, UnixAddr, UnixCredentials,
    recvmsg, sendmsg, setsockopt,
};
use socket2::{Domain, Socket, Type};

use super::credentials;
use crate::engine::message::Origin;

/// Who sent a datagram, and whence replies to it go.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// `None`: it has no address of its own.
    address: Option<Address>,
    /// The address of ours that it wrote to.
    own: Option<Own>,
}

#[derive(Clone, Copy, Debug)]
enum Address {
    Network(SockaddrStorage),
    Unix(UnixAddr),
}

#[derive(Clone, Copy, Debug)]
enum Own {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Sender {
    /// Whether it can be answered.
    pub fn has_address(&self) -> bool {
        self.address.is_some()
    }
}

/// A datagram in the buffer.
#[derive(Debug)]
pub struct Received {
    /// Its bytes in the buffer.
    pub count: usize,
    /// It was longer, and the rest is lost.
    pub truncated: bool,
    /// Who sent it, to be answered.
    pub sender: Sender,
    /// Who that is, for the log.
    pub origin: Origin,
}

/// A UDP socket at `address`. Without SO_REUSEADDR: with it, another process could take the datagrams away.
///
/// # Errors
/// Those of socket(2), setsockopt(2) and bind(2).
pub(super) fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Has the kernel tell of each datagram what [`receive`] wants to know.
///
/// # Errors
/// Those of setsockopt(2); none is to be expected of a datagram socket.
pub(super) fn prepare(socket: &impl AsFd, domain: Domain) -> io::Result<()> {
    match domain {
        Domain::IPV4 => setsockopt(socket, Ipv4PacketInfo, &true)?,
        Domain::IPV6 => setsockopt(socket, Ipv6RecvPacketInfo, &true)?,
        _ => setsockopt(socket, PassCred, &true)?,
    }
    Ok(())
}

/// Takes one datagram into `buffer` (recvmsg(2)).
///
/// # Errors
/// `WouldBlock`: none is there.
pub(super) fn receive(socket: &impl AsRawFd, is_unix: bool, buffer: &mut [u8]) -> io::Result<Received> {
    if is_unix {
        // An unnamed socket has an address of two bytes, or none at all.
        let address = |address: UnixAddr| (address.len() > 2).then_some(Address::Unix(address));
        receive_from(socket, buffer, address)
    } else {
        receive_from(socket, buffer, |address: SockaddrStorage| {
            network(&address).map(|_| Address::Network(address))
        })
    }
}

fn receive_from<S: SockaddrLike>(
    socket: &impl AsRawFd,
    buffer: &mut [u8],
    read: impl FnOnce(S) -> Option<Address>,
) -> io::Result<Received> {
    let mut control = cmsg_space!(in_pktinfo, in6_pktinfo, UnixCredentials);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg::<S>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            message => break message?,
        }
    };
    let (mut own, mut process) = (None, Origin::Unknown { pid: 0 });
    // What did not fit into the control buffer is not there; then the kernel chooses.
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            // One that came before we asked for this says nothing, and a socket for one address needs nothing.
            ControlMessageOwned::Ipv4PacketInfo(info) if info.ipi_spec_dst.s_addr != 0 => {
                own = Some(Own::V4(in_pktinfo { ipi_ifindex: 0, ..info }));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) if info.ipi6_addr.s6_addr != [0; 16] => {
                own = Some(Own::V6(info))
            }
            ControlMessageOwned::ScmCredentials(who) => {
                process = credentials::of(who.uid(), who.gid(), who.pid())
            }
            _ => {}
        }
    }
    let (count, truncated) = (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC));
    let address = message.address.and_then(read);
    let origin = match address.as_ref() {
        Some(Address::Network(address)) => network(address).map(Origin::Address),
        _ => None,
    };
    Ok(Received { count, truncated, sender: Sender { address, own }, origin: origin.unwrap_or(process) })
}

/// Sends one datagram to who sent one (sendmsg(2)).
///
/// # Errors
/// It cannot be taken now, or by anybody: nothing to be waited for.
pub(super) fn reply(socket: &impl AsRawFd, to: &Sender, bytes: &[u8]) -> io::Result<()> {
    let Some(address) = &to.address else { return Err(io::ErrorKind::AddrNotAvailable.into()) };
    let control = match &to.own {
        Some(Own::V4(own)) => Some(ControlMessage::Ipv4PacketInfo(own)),
        Some(Own::V6(own)) => Some(ControlMessage::Ipv6PacketInfo(own)),
        None => None,
    };
    let (fd, slices, flags) =
        (socket.as_raw_fd(), [IoSlice::new(bytes)], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    loop {
        let sent = match address {
            Address::Network(address) => sendmsg(fd, &slices, control.as_slice(), flags, Some(address)),
            Address::Unix(address) => sendmsg(fd, &slices, control.as_slice(), flags, Some(address)),
        };
        match sent {
            Err(Errno::EINTR) => {}
            sent => return Ok(sent.map(drop)?),
        }
    }
}

fn network(address: &SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::V4((*v4).into())),
        (_, Some(v6)) => Some(SocketAddr::V6((*v6).into())),
        _ => None,
    }
}
