//! The networks from which clients may connect. Knows addresses; knows no socket, and not how a network is written.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// A list of networks; an empty list allows everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// These networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Networks {
        Networks(networks.into_iter().map(canonical).collect())
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a client at that address may connect. An IPv4-mapped IPv6 address is the IPv4 address.
    pub fn let_in(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether it excludes all loopback addresses of this machine.
    pub fn keep_out_loopback(&self) -> bool {
        let is_loopback = |network: &IpNet| match network {
            IpNet::V4(network) => network.network().is_loopback() || network.prefix_len() == 0,
            IpNet::V6(network) => network.contains(&std::net::Ipv6Addr::LOCALHOST),
        };
        !self.is_empty() && !self.0.iter().any(is_loopback)
    }
}

/// A network of IPv4-mapped IPv6 addresses is one of IPv4 addresses.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let IpNet::V6(six) = network else { return network };
    let four = six.network().to_ipv4_mapped().filter(|_| six.prefix_len() >= MAPPED);
    let four = four.and_then(|four| Ipv4Net::new(four, six.prefix_len() - MAPPED).ok());
    four.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks::new(texts.iter().map(|text| text.parse().expect(text)))
    }

    #[test]
    fn listed_networks_are_admitted_and_an_empty_list_admits_all() {
        let class =
            networks(&["192.0.2.0/25", "2001:db8:1::/48", "198.51.100.7/32", "::ffff:203.0.113.0/124"]);
        for (address, is_let_in) in [
            ("192.0.2.0", true),
            ("192.0.2.127", true),
            ("192.0.2.128", false),
            ("::ffff:192.0.2.5", true),
            ("::ffff:192.0.2.200", false),
            ("2001:db8:1:ffff::1", true),
            ("2001:db8:2::1", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("203.0.113.15", true),
            ("203.0.113.16", false),
            ("127.0.0.1", false),
            ("::1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(class.let_in(address), is_let_in, "{address}");
            assert!(Networks::default().let_in(address));
        }
        let all = networks(&["0.0.0.0/0"]);
        assert!(all.let_in("203.0.113.1".parse().unwrap()) && !all.let_in("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn list_knows_whether_it_admits_loopback() {
        for (texts, keeps_out) in [
            (&[][..], false),
            (&["192.0.2.0/24"], true),
            (&["192.0.2.0/24", "127.0.0.0/8"], false),
            (&["127.0.0.1/32"], false),
            (&["0.0.0.0/0"], false),
            (&["::/0"], false),
            (&["2001:db8::/32"], true),
            (&["::1/128"], false),
        ] {
            assert_eq!(networks(texts).keep_out_loopback(), keeps_out, "{texts:?}");
        }
    }
}
