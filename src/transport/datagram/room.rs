//! The unread part of a Unix datagram socket's send buffer.

use std::os::fd::AsFd;

use nix::libc;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;

/// The first four counts of SO_MEMINFO (SK_MEMINFO_RMEM_ALLOC and so on, `linux/sock_diag.h`).
type Counts = [u32; 4];
const WMEM_ALLOC: usize = 2;
const SNDBUF: usize = 3;

#[derive(Clone, Copy, Debug)]
struct MemInfo;

// The only `unsafe` behind it is nix's own, and checked there.
nix::getsockopt_impl!(MemInfo, libc::SOL_SOCKET, libc::SO_MEMINFO, Counts, GetStruct<Counts>);

/// A send buffer, in bytes as the kernel counts them: those of a message and its overhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The unread bytes in it.
    pub unread: usize,
    /// The size from which it accepts nothing more.
    pub capacity: usize,
}

/// The socket's send buffer; `None`: the kernel does not say (before Linux 4.12).
pub(super) fn of(socket: &impl AsFd) -> Option<Room> {
    let counts = getsockopt(socket, MemInfo).ok()?;
    Some(Room { unread: counts[WMEM_ALLOC] as usize, capacity: counts[SNDBUF] as usize })
}
