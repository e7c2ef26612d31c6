//! What every TCP connection has set, whoever opened the socket that it came in on.

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

/// A peer that has said nothing for so long is asked whether it is still there (tcp(7), TCP_KEEPIDLE).
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// The time from one such question to the next (TCP_KEEPINTVL).
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// A peer that leaves so many of them unanswered is gone, two minutes after its last word (TCP_KEEPCNT).
pub const KEEPALIVE_PROBES: u32 = 4;

/// The least that the kernel is to take from a TCP peer that is not read from, in bytes: as much as one read.
pub const RECEIVE_BYTES_MIN: usize = 16 * 1024;

/// What the kernel keeps for the peer of a Unix stream socket, in bytes: it takes twice as much memory (SO_SNDBUF, socket(7)).
/// Its own default is 208 KiB, and nothing bounds it for all together.
pub const UNIX_SEND_BYTES: usize = 16 * 1024;

/// The most memory of the kernel's that one Unix connection takes that does not read: seen were 34 KiB, and 4 KiB for the
/// socket, its file and its place in epoll. What TCP takes has the machine's own bound, a tenth of its memory at most.
pub const KERNEL_BYTES: usize = 40 * 1024;

/// Sets on a listening socket what its connections are to have: on Linux they inherit it.
pub(super) fn set_for_connections(socket: &Socket) -> io::Result<()> {
    // Otherwise Nagle's algorithm and delayed acknowledgements cost 40 ms on every other reply.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))
}
