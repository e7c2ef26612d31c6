//! The addresses of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

/// The most addresses to report.
const ADDRESSES_MAX: usize = 4;

/// The addresses that other machines can use. In a sandbox without AF_NETLINK they cannot be listed: then the source addresses
/// of packets to other networks.
pub fn addresses() -> Vec<IpAddr> {
    let mut found = listed().unwrap_or_else(|| outward().collect());
    found.retain(is_for_others);
    found.sort(); // IPv4 first
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    found
}

/// The addresses of all interfaces.
fn listed() -> Option<Vec<IpAddr>> {
    let interfaces = getifaddrs().ok()?;
    let address = |address: SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
    };
    Some(interfaces.filter_map(|interface| address(interface.address?)).collect())
}

/// The source address of a route to another network: connect(2) on a datagram socket looks one up, and sends nothing. The addresses are
/// for documentation (RFC 5737, RFC 3849).
fn outward() -> impl Iterator<Item = IpAddr> {
    let somewhere: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    somewhere.into_iter().filter_map(|(here, there)| {
        let socket = UdpSocket::bind((here, 0)).ok()?;
        socket.connect((there, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

/// Neither a loopback address nor one that needs an interface name.
fn is_for_others(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => Ipv6Addr::is_unicast_link_local(address),
    };
    !address.is_loopback() && !address.is_unspecified() && !is_link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outward_addresses_are_among_those_of_the_interfaces() {
        let Some(listed) = listed() else { return };
        assert!(outward().all(|address| listed.contains(&address)));
    }

    #[test]
    fn addresses_for_others_are_neither_local_nor_of_one_link() {
        for (address, expected) in [
            ("192.168.1.7", true),
            ("2001:db8::7", true),
            ("127.0.0.1", false),
            ("::1", false),
            ("0.0.0.0", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_for_others(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
