//! The options of every TCP connection, no matter which process opened its listener.

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

/// The idle time before the first keepalive probe (tcp(7), TCP_KEEPIDLE).
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// The time between two probes (TCP_KEEPINTVL).
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// The number of unanswered probes after which a peer is gone, two minutes after its last data (TCP_KEEPCNT).
pub const KEEPALIVE_PROBES: u32 = 4;

/// The least that the kernel accepts from a TCP peer that is not read from, in bytes: as much as one read.
pub const RECEIVE_BYTES_MIN: usize = 16 * 1024;

/// What the kernel buffers for the peer of a Unix stream socket, in bytes; it takes twice as much memory (SO_SNDBUF, socket(7)).
/// The default is 208 KiB, and there is no bound for all sockets together.
pub const UNIX_SEND_BYTES: usize = 16 * 1024;

/// The most kernel memory of one Unix connection that does not read; measured: 34 KiB, and 4 KiB for the
/// socket, its file and its place in epoll. TCP has its own bound for the machine, at most a tenth of its memory.
pub const KERNEL_BYTES: usize = 40 * 1024;

/// Sets the options of connections on their listening socket: on Linux they inherit them.
pub(super) fn set_for_connections(socket: &Socket) -> io::Result<()> {
    // Otherwise Nagle's algorithm and delayed acknowledgements cost 40 ms on every other reply.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))
}
