//! The options of every TCP connection, no matter which process opened its listener.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;
use socket2::Socket;

/// The longest idle time before the first keepalive probe (tcp(7), TCP_KEEPIDLE).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// How many idle times there are, a second apart, up to the longest one.
const KEEPALIVE_PHASES: u16 = 31;
/// The time between two probes (TCP_KEEPINTVL).
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// The number of unanswered probes after which a peer is gone, at most two minutes after its last data (TCP_KEEPCNT).
const KEEPALIVE_PROBES: u32 = 4;

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
    // Whoever opened it may have set this: see `probe_when_silent`.
    socket.set_keepalive(false)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    Ok(sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?)
}

/// Finds out when the machine of a peer is gone. A peer on a loopback address needs no probe: the kernel ends its connection with its
/// process.
///
/// A message to a whole room ends everybody's silence at once. If all probes then left at once too, a device with a queue of 1,000
/// packets (net.core.netdev_max_backlog: loopback, veth) would drop the others each time, and live members would be taken for
/// dead: with 10,000 of them, some 500 on Linux 6.18. So the peers have different times, by their ports. The kernel's timers are
/// coarse at such times (2 s with 250 ticks a second, 4 or 5 s with 1,000 or 100), and it gives the clients of one machine every second
/// port first (seen on Linux 6.18).
///
/// # Errors
/// Those of setsockopt(2); none is expected for a TCP connection.
pub(super) fn probe_when_silent(connection: impl AsFd, peer: SocketAddr) -> io::Result<()> {
    if peer.ip().to_canonical().is_loopback() {
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
        SockRef::from(&listener).set_keepalive(true).unwrap(); // as in another process
        set_for_connections(&SockRef::from(&listener)).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        for near in ["127.1.2.3:4", "[::1]:4", "[::ffff:127.0.0.1]:4"] {
            probe_when_silent(&connection, near.parse().unwrap()).unwrap();
            assert!(!sockopt::socket_keepalive(&connection).unwrap(), "{near}");
        }
        let mut together = BTreeMap::<u64, usize>::new();
        let mut times = Vec::new();
        for port in (32_768..52_768).step_by(2) {
            probe_when_silent(&connection, SocketAddr::from(([192, 0, 2, 7], port))).unwrap();
            times.push(sockopt::tcp_keepidle(&connection).unwrap());
            // With 1,000 ticks a second, the kernel's timers have steps of 4.096 s there.
            *together.entry(times[times.len() - 1].as_millis() as u64 / 4096).or_default() += 1;
        }
        // Four probes let 1,000 through each time.
        assert!(together.values().all(|together| *together < 2000), "{together:?}");
        assert!(sockopt::socket_keepalive(&connection).unwrap());
        let seconds = |time: Option<&Duration>| time.unwrap().as_secs();
        assert_eq!([seconds(times.iter().min()), seconds(times.iter().max())], [30, 60]);
        let unanswered =
            sockopt::tcp_keepintvl(&connection).unwrap() * sockopt::tcp_keepcnt(&connection).unwrap();
        assert_eq!(unanswered.as_secs(), 60);
    }
}
