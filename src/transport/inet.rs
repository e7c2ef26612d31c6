//! Opens network sockets: TCP listeners and UDP sockets.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};

use super::datagram;
use super::error::OpenErrorKind;
use super::options::Options;
use super::owner;
use super::sockopt::set_for_connections;

/// A UDP socket at `address`.
pub(super) fn udp(address: SocketAddr, share_port: bool) -> Result<OwnedFd, OpenErrorKind> {
    let error = |error| OpenErrorKind::on_network(address, error, owner::of_udp);
    let socket = datagram::open(address, share_port).map_err(error)?;
    datagram::prepare(&socket, Domain::for_address(address)).map_err(error)?;
    Ok(socket.into())
}

/// A listening TCP socket at `address`.
pub(super) fn tcp(address: SocketAddr, options: &Options) -> Result<OwnedFd, OpenErrorKind> {
    let error = |error| OpenErrorKind::on_network(address, error, owner::of_tcp);
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, None).map_err(error)?;
    // So that the remains of old connections (TIME_WAIT) do not block the port.
    socket.set_reuse_address(true).map_err(error)?;
    if options.share_port {
        socket.set_reuse_port(true).map_err(error)?;
    }
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two endpoints, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(true).map_err(error)?;
    }
    set_for_connections(&socket).map_err(error)?;
    if address.ip().is_loopback() {
        // Inside the machine there is no congestion: the simplest control is enough, and an elaborate one (BBR models the path
        // and paces) would only cost time. Every kernel has this one and allows it to all users (tcp(7)).
        let _ = rustix::net::sockopt::set_tcp_congestion(&socket, "reno");
    }
    socket.bind(&address.into()).map_err(error)?;
    socket.listen(options.backlog).map_err(error)?;
    Ok(socket.into())
}
