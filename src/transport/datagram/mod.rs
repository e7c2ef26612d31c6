//! Datagrams: one in, and replies to its sender, from the address that it was sent to. Never blocks, and parses nothing.

mod address;
mod room;

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{SCM_CREDENTIALS, SOL_SOCKET, cmsghdr, in_pktinfo, in6_pktinfo, ucred};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, PassCred};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, UnixAddr, UnixCredentials,
    recvmsg, sendmsg, setsockopt,
};
use socket2::{Domain, Socket, Type};

use super::credentials;
use super::passing::refuse_descriptors;
use crate::engine::message::{Dropped, RemoteAddress};

pub use address::MORE_TRIES_MAX;
use address::Target;
pub use room::Room;

/// The sender of a datagram, and the address that replies come from.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// `None`: it has no address of its own.
    address: Option<SenderAddress>,
    /// Our address that it was sent to.
    own: Option<Own>,
    remote: RemoteAddress,
}

/// The resolved address for a sender's replies.
#[derive(Debug)]
pub struct Return(ReturnPath);

#[derive(Debug)]
enum ReturnPath {
    Network(SockaddrStorage, Option<Own>),
    Unix(Target),
}

#[derive(Clone, Copy, Debug)]
enum SenderAddress {
    Network(SockaddrStorage),
    Unix(UnixAddr),
}

#[derive(Clone, Copy, Debug)]
enum Own {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Sender {
    /// Its address on a Unix socket as it wrote it, empty on the network; `None`: it has none.
    pub fn address(&self) -> Option<&[u8]> {
        match &self.address {
            Some(SenderAddress::Network(_)) => Some(&[]),
            Some(SenderAddress::Unix(address)) => Some(address::bytes(address)),
            None => None,
        }
    }

    /// Resolves the address for its replies. `more_tries`: lookups that are left to all datagrams of a turn, at first
    /// [`MORE_TRIES_MAX`].
    ///
    /// # Errors
    /// Why it gets none.
    pub fn find(&self, more_tries: &mut u32) -> Result<Return, Dropped> {
        Ok(Return(match (&self.address, self.remote) {
            (Some(SenderAddress::Network(address)), _) => ReturnPath::Network(*address, self.own),
            (Some(SenderAddress::Unix(address)), RemoteAddress::Process { uid, pid, .. }) => {
                ReturnPath::Unix(address::find(address, uid, pid, more_tries)?)
            }
            // A user that the kernel cannot identify owns nothing.
            (Some(SenderAddress::Unix(_)), _) => return Err(Dropped::NotItsOwn),
            (None, _) => return Err(Dropped::NoAddress),
        }))
    }
}

/// A datagram in the buffer.
#[derive(Debug)]
pub struct Received {
    /// Its bytes in the buffer.
    pub count: usize,
    /// It was longer, and the rest is lost.
    pub truncated: bool,
    /// Its sender, for the answer.
    pub sender: Sender,
    /// The sender's identity, for the log.
    pub remote: RemoteAddress,
}

/// A UDP socket at `address`. Without SO_REUSEADDR: with it, another process could take the datagrams away.
///
/// # Errors
/// Those of socket(2), setsockopt(2) and bind(2).
pub(super) fn open(address: SocketAddr, share_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if share_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Makes the kernel report for each datagram what [`receive`] needs.
///
/// # Errors
/// Those of setsockopt(2); none is expected for a datagram socket.
pub(super) fn prepare(socket: &impl AsFd, domain: Domain) -> io::Result<()> {
    match domain {
        Domain::IPV4 => setsockopt(socket, Ipv4PacketInfo, &true)?,
        Domain::IPV6 => setsockopt(socket, Ipv6RecvPacketInfo, &true)?,
        _ => {
            setsockopt(socket, PassCred, &true)?;
            refuse_descriptors(socket);
        }
    }
    Ok(())
}

/// How much of a Unix socket's send buffer is filled with unread data, if the kernel says.
pub(super) fn room(socket: &impl AsFd) -> Option<Room> {
    room::of(socket)
}

/// Reads one datagram into `buffer` (recvmsg(2)).
///
/// # Errors
/// `WouldBlock`: none is there.
pub(super) fn receive(socket: &impl AsRawFd, is_unix: bool, buffer: &mut [u8]) -> io::Result<Received> {
    if is_unix {
        // Exactly the size of the credentials: in a larger buffer the kernel would install descriptors (SCM_RIGHTS,
        // unix(7)), which nobody would close.
        let mut control = cmsg_space!(UnixCredentials);
        // An unnamed socket has an address of two bytes, or none at all.
        let address = |address: UnixAddr| (address.len() > 2).then_some(SenderAddress::Unix(address));
        receive_from(socket, buffer, &mut control, address)
    } else {
        let mut control = cmsg_space!(in_pktinfo, in6_pktinfo);
        receive_from(socket, buffer, &mut control, |address: SockaddrStorage| {
            network(&address).map(|_| SenderAddress::Network(address))
        })
    }
}

fn receive_from<S: SockaddrLike>(
    socket: &impl AsRawFd,
    buffer: &mut [u8],
    control: &mut [u8],
    read: impl FnOnce(S) -> Option<SenderAddress>,
) -> io::Result<Received> {
    let mut slices = [IoSliceMut::new(buffer)];
    // Close-on-exec, in case descriptors are received anyway.
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = loop {
        match recvmsg::<S>(socket.as_raw_fd(), &mut slices, Some(&mut *control), flags) {
            Err(Errno::EINTR) => {}
            message => break message?,
        }
    };
    let mut own = None;
    // It did not fit into the control buffer; then the kernel chooses.
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            // A datagram from before the option was set has none, and a socket for one address needs none.
            ControlMessageOwned::Ipv4PacketInfo(info) if info.ipi_spec_dst.s_addr != 0 => {
                own = Some(Own::V4(in_pktinfo { ipi_ifindex: 0, ..info }));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) if info.ipi6_addr.s6_addr != [0; 16] => {
                own = Some(Own::V6(info))
            }
            _ => {}
        }
    }
    let (count, truncated) = (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC));
    let address = message.address.and_then(read);
    let remote = match address.as_ref() {
        Some(SenderAddress::Network(address)) => network(address).map(RemoteAddress::Address),
        _ => None,
    };
    let remote = remote.or_else(|| process(control)).unwrap_or(RemoteAddress::Unknown { pid: 0 });
    Ok(Received { count, truncated, sender: Sender { address, own, remote }, remote })
}

/// The credentials in a control buffer, where they come first (cmsg(3), unix(7)). Read here, because nix returns nothing if
/// part of the control data was cut off, and the sender chooses what else is in it.
fn process(control: &[u8]) -> Option<RemoteAddress> {
    const HEADER: usize = size_of::<cmsghdr>();
    const LENGTH: usize = size_of::<usize>();
    let number = |at: usize| Some(u32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let length = usize::from_ne_bytes(control.get(..LENGTH)?.try_into().ok()?);
    let is_credentials = length == HEADER + size_of::<ucred>()
        && number(LENGTH)? == SOL_SOCKET as u32
        && number(LENGTH + 4)? == SCM_CREDENTIALS as u32;
    is_credentials.then_some(())?;
    let [pid, uid, gid] = [number(HEADER)?, number(HEADER + 4)?, number(HEADER + 8)?];
    Some(credentials::of_sender(uid, gid, pid))
}

/// Sends one datagram to a sender (sendmsg(2)).
///
/// # Errors
/// Why it was not accepted; there is nothing to wait for.
pub(super) fn reply(socket: &impl AsRawFd, to: &Return, bytes: &[u8]) -> Result<(), Dropped> {
    let (fd, slices, flags) =
        (socket.as_raw_fd(), [IoSlice::new(bytes)], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    loop {
        let sent = match &to.0 {
            ReturnPath::Network(address, own) => {
                let control = match own {
                    Some(Own::V4(own)) => Some(ControlMessage::Ipv4PacketInfo(own)),
                    Some(Own::V6(own)) => Some(ControlMessage::Ipv6PacketInfo(own)),
                    None => None,
                };
                sendmsg(fd, &slices, control.as_slice(), flags, Some(address))
            }
            ReturnPath::Unix(target) => sendmsg(fd, &slices, &[], flags, Some(target.address())),
        };
        return match sent {
            Ok(_) => Ok(()),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => Err(Dropped::NoRoom),
            Err(Errno::EACCES) => Err(Dropped::NotWritable),
            Err(Errno::ECONNREFUSED | Errno::EPIPE | Errno::ECONNRESET) => Err(Dropped::Gone),
            Err(_) => Err(Dropped::Failed),
        };
    }
}

fn network(address: &SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::V4((*v4).into())),
        (_, Some(v6)) => Some(SocketAddr::V6((*v6).into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, read_dir};
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::setsockopt;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    fn send(from: &UnixDatagram, descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
        sendmsg(from, &[IoSlice::new(b"5 10")], &mut ancillary, SendFlags::empty())
    }

    /// Descriptors of this process that are the file: other tests have theirs.
    fn open_of(file: &File) -> usize {
        let same = |path| {
            std::fs::metadata(path).is_ok_and(|other| {
                use std::os::unix::fs::MetadataExt;
                let own = file.metadata().unwrap();
                (own.dev(), own.ino()) == (other.dev(), other.ino())
            })
        };
        read_dir("/proc/self/fd")
            .unwrap()
            .filter(|entry| entry.as_ref().is_ok_and(|entry| same(entry.path())))
            .count()
    }

    /// As on a kernel that cannot refuse them where they are sent.
    #[test]
    fn datagram_yields_credentials_but_never_descriptors() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, PassCred, &true).unwrap();
        let file = tempfile::tempfile().unwrap();
        for count in [1, 2, 14, 200] {
            send(&theirs, &vec![file.as_fd(); count]).unwrap();
            let received = receive(&ours, true, &mut [0; 8]).unwrap();
            assert_eq!((received.count, open_of(&file)), (4, 1), "of {count}");
            let uid = rustix::process::getuid().as_raw();
            let is_us = |remote| matches!(remote, RemoteAddress::Process { uid: its, pid, .. } if (its, pid) == (uid, std::process::id()));
            assert!(is_us(received.remote), "{:?}", received.remote);
        }
    }

    #[test]
    fn kernel_refuses_descriptors_at_the_sender_where_it_can() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        prepare(&ours, Domain::UNIX).unwrap();
        let file = tempfile::tempfile().unwrap();
        let is_refused = send(&theirs, &[file.as_fd()]) == Err(rustix::io::Errno::PERM);
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut version = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (version.next().unwrap_or(0), version.next().unwrap_or(0));
        assert_eq!(is_refused, version >= (6, 16), "{release}");
    }
}
