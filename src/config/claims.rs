//! The addresses, ports and files that the endpoints of a configuration take, and which two of them conflict.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::endpoint::ResolvedEndpoint;
use crate::endpoint::buffer::Layout;

/// The places in use, each with the index of its endpoint.
#[derive(Default)]
pub(super) struct Claims {
    places: HashMap<ResolvedEndpoint, usize>,
    /// The first endpoint on a port: the wildcard address conflicts with it.
    ports: HashMap<Port, usize>,
    paths: HashMap<PathBuf, usize>,
}

/// A port of one protocol, separately for IPv4 and IPv6.
#[derive(PartialEq, Eq, Hash)]
struct Port {
    is_udp: bool,
    is_ipv6: bool,
    number: u16,
}

impl Port {
    fn of(place: &ResolvedEndpoint) -> Option<Port> {
        let address = place.network()?;
        let is_udp = matches!(place, ResolvedEndpoint::Udp(_));
        Some(Port { is_udp, is_ipv6: address.is_ipv6(), number: address.port() })
    }
}

/// The files of an endpoint in the file system.
fn files(place: &ResolvedEndpoint) -> Vec<PathBuf> {
    match (place, place.path()) {
        (_, None) => Vec::new(),
        // Their names are not in the file system.
        (ResolvedEndpoint::Mq(_), Some(_)) => Vec::new(),
        (ResolvedEndpoint::Buffer(_), Some(place)) => {
            Layout::of(place).map(|layout| layout.files().into()).unwrap_or_default()
        }
        (ResolvedEndpoint::Fifo(_), Some(path)) => {
            [".in", ".out"].map(|end| PathBuf::from(format!("{}{end}", path.display()))).into()
        }
        (_, Some(path)) => vec![path.to_owned()],
    }
}

impl Claims {
    /// Claims the sockets, or returns the endpoint that already has one of them.
    pub(super) fn take(&mut self, sockets: &[ResolvedEndpoint], index: usize) -> Option<usize> {
        if let Some(first) = sockets.iter().find_map(|socket| self.holder(socket)) {
            return Some(first);
        }
        for socket in sockets {
            self.places.insert(socket.clone(), index);
            if let Some(port) = Port::of(socket) {
                self.ports.entry(port).or_insert(index);
            }
            self.paths.extend(files(socket).into_iter().map(|path| (path, index)));
        }
        None
    }

    fn holder(&self, place: &ResolvedEndpoint) -> Option<usize> {
        let same = self.places.get(place);
        let file = files(place).iter().find_map(|path| self.paths.get(path));
        let meets = match place.network() {
            Some(address) if address.ip().is_unspecified() => {
                Port::of(place).and_then(|port| self.ports.get(&port))
            }
            Some(_) => self.places.get(&place.map(|address| all_of(*address), Path::to_owned)),
            None => None,
        };
        same.or(file).or(meets).copied()
    }
}

/// The wildcard address of its family, with its port.
fn all_of(address: SocketAddr) -> SocketAddr {
    let all = match address.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(all, address.port())
}
