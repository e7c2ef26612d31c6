//! The options of every TCP connection, no matter which process opened its listener.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;
use socket2::Socket;

/// The longest idle time before the first keepalive probe (tcp(7), TCP_KEEPIDLE).
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// The times before the first probe: the longest one, and those that are shorter by 1, 2, 3 and so on seconds.
pub const KEEPALIVE_PHASES: u16 = 16;
/// The time between two probes (TCP_KEEPINTVL).
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// The number of unanswered probes after which a peer is gone, at most two minutes after its last data (TCP_KEEPCNT).
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
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    Ok(sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?)
}

/// Finds out when the machine of a peer is gone. A peer of this machine needs no probe: the kernel closes what its process had.
///
/// A message to a whole room ends everybody's silence at once. If all probes then left at once too, a device with a queue of 1,000
/// packets (net.core.netdev_max_backlog: loopback, veth) would drop the others each time, and live members would be taken for
/// dead: with 10,000 of them, some 500 on Linux 6.18. So the peers have different times, by their ports; a client's
/// ports differ by two (ip_local_port_range in ip(7)).
///
/// # Errors
/// Those of setsockopt(2); none is expected for a TCP connection.
pub(super) fn probe_when_silent(connection: impl AsFd, peer: SocketAddr) -> io::Result<()> {
    if peer.ip().is_loopback() {
        return Ok(());
    }
    let earlier = u64::from(peer.port() / 2 % KEEPALIVE_PHASES);
    sockopt::set_tcp_keepidle(&connection, KEEPALIVE_IDLE - Duration::from_secs(earlier))?;
    Ok(sockopt::set_socket_keepalive(&connection, true)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use socket2::SockRef;

    use super::*;

    #[test]
    fn silent_peers_are_probed_at_different_times_within_two_minutes() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        set_for_connections(&SockRef::from(&listener)).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        let mut together = BTreeMap::<Duration, usize>::new();
        // The kernel gives the clients of one machine every second port.
        for port in (32_768..52_768).step_by(2) {
            probe_when_silent(&connection, SocketAddr::from(([192, 0, 2, 7], port))).unwrap();
            *together.entry(sockopt::tcp_keepidle(&connection).unwrap()).or_default() += 1;
        }
        assert_eq!(together.values().sum::<usize>(), 10_000);
        assert!(together.values().all(|together| *together <= 1000), "{together:?}");
        assert!(sockopt::socket_keepalive(&connection).unwrap());
        let unanswered =
            sockopt::tcp_keepintvl(&connection).unwrap() * sockopt::tcp_keepcnt(&connection).unwrap();
        let times = [*together.first_entry().unwrap().key(), *together.last_entry().unwrap().key()];
        assert_eq!(times.map(|time| time.as_secs()), [45, 60]);
        assert_eq!(unanswered.as_secs(), 60);
    }
}
