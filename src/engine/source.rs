//! The owner of a share: a client with one address often has many more.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::message::RemoteAddress;

/// Clients that have one share together, for example of connections, of the table of machines, or of lines in the log.
///
/// The owner of an IPv6 address has 2^64 of them (RFC 4291, 2.5.1), so a /64 counts as one; and a process on this
/// machine has all of 127.0.0.0/8. An IPv4-mapped IPv6 address is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// An IPv4 address outside of 127.0.0.0/8.
    Ipv4(Ipv4Addr),
    /// 127.0.0.0/8.
    Loopback,
    /// The first 64 bits of an IPv6 address.
    Ipv6(u64),
    /// A user on a Unix socket.
    User(u32),
    /// All users that the kernel does not identify.
    Unknown,
    /// The writer to our standard input.
    Input,
    /// All writers to FIFOs and message queues.
    Writers,
}

impl From<RemoteAddress> for Source {
    fn from(remote: RemoteAddress) -> Source {
        match remote {
            RemoteAddress::Address(address) => match address.ip().to_canonical() {
                IpAddr::V4(ip) if ip.is_loopback() => Source::Loopback,
                IpAddr::V4(ip) => Source::Ipv4(ip),
                IpAddr::V6(ip) => Source::Ipv6((ip.to_bits() >> 64) as u64),
            },
            RemoteAddress::Process { uid, .. } => Source::User(uid),
            RemoteAddress::Unknown { .. } => Source::Unknown,
            RemoteAddress::Input => Source::Input,
            RemoteAddress::Writers => Source::Writers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Source {
        RemoteAddress::Address(address.parse().unwrap()).into()
    }

    #[test]
    fn all_addresses_of_one_machine_are_one_source() {
        for (one, other, is_same) in [
            ("127.0.0.1:5", "127.255.255.254:6", true),
            ("127.0.0.1:5", "[::ffff:127.0.0.2]:5", true),
            ("127.0.0.1:5", "128.0.0.1:5", false),
            ("192.0.2.1:5", "192.0.2.1:6", true),
            ("192.0.2.1:5", "192.0.2.2:5", false),
            ("192.0.2.1:5", "[::ffff:192.0.2.1]:5", true),
            ("[::ffff:192.0.2.1]:5", "[::ffff:192.0.2.2]:5", false),
            ("[2001:db8:1:2::1]:5", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:5", true),
            ("[2001:db8:1:2::1]:5", "[2001:db8:1:3::1]:5", false),
            ("[::1]:5", "127.0.0.1:5", false),
        ] {
            assert_eq!(at(one) == at(other), is_same, "{one} {other}");
        }
        let user = |uid, pid| Source::from(RemoteAddress::Process { uid, gid: 1, pid });
        assert!(user(1, 1) == user(1, 2) && user(1, 1) != user(2, 1));
    }
}
