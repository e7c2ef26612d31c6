//! Networks in the configuration: in CIDR notation, or single addresses. Names are not looked up.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use toml::de::DeValue;

use super::syntax::{Diagnostic, quoted};
use super::value::{Text, Value, typed};
use crate::engine::allow::networks::Networks;

/// The most networks in one list: more belong in a firewall.
const NETWORKS_MAX: usize = 256;

/// Reads a list. Errors in elements are reported at their positions; the returned error is about the whole value.
pub(super) fn read(value: Value<'_>, faults: &mut Vec<Diagnostic>) -> Result<Networks, String> {
    let list = match value.into_inner() {
        DeValue::Array(list) => list,
        other => {
            return Err(match other.as_str().and_then(|text| network(text).ok()) {
                Some(network) => format!("it must be a list; did you mean [\"{network}\"]?"),
                None => "it must be a list of networks, for example [\"192.168.1.0/24\"]".to_owned(),
            });
        }
    };
    if list.len() > NETWORKS_MAX {
        return Err(format!("it must be a list of at most {NETWORKS_MAX} networks; use a firewall for more"));
    }
    let mut networks = Vec::with_capacity(list.len());
    for element in list {
        let at = element.span().start;
        match typed::<Text>(element).and_then(|Text(text)| network(&text)) {
            Ok(network) => networks.push(network),
            Err(text) => faults.push(Diagnostic { at, text }),
        }
    }
    Ok(Networks::new(networks))
}

/// Parses a network, or says what would be right.
fn network(text: &str) -> Result<IpNet, String> {
    let shown = quoted(text);
    let did_you_mean = |network: IpNet| format!("{shown}: did you mean {network}?");
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        return match network.addr() == network.network() {
            true => Ok(network),
            false => Err(format!(
                "{shown} is the address of a machine, not of a network; write {} for its network, or {} for the machine only",
                network.trunc(),
                network.addr(),
            )),
        };
    }
    if let Some(network) = of_mask(text).or_else(|| of_stars(text)) {
        return Err(did_you_mean(network));
    }
    match text.split_once('/').and_then(|(address, _)| address.parse::<IpAddr>().ok()) {
        Some(IpAddr::V4(_)) => Err(format!("{shown}: the prefix length after the / must be 0 to 32")),
        Some(IpAddr::V6(_)) => Err(format!("{shown}: the prefix length after the / must be 0 to 128")),
        None if text.eq_ignore_ascii_case("localhost") => {
            Err(format!("{shown}: names are not looked up; write \"127.0.0.0/8\", \"::1\" for this machine"))
        }
        None => Err(format!(
            "{shown} is not a network; write an address and a prefix length, for example 192.168.1.0/24"
        )),
    }
}

/// `192.168.1.0/255.255.255.0`.
fn of_mask(text: &str) -> Option<IpNet> {
    let (address, mask) = text.split_once('/')?;
    let (address, mask) = (address.parse::<IpAddr>().ok()?, mask.parse::<IpAddr>().ok()?);
    IpNet::with_netmask(address, mask).ok().map(|network| network.trunc())
}

/// `192.168.1.*`, `192.168.`, `192.168.1`.
fn of_stars(text: &str) -> Option<IpNet> {
    let parts: Vec<&str> = text.split('.').filter(|part| !matches!(*part, "" | "*" | "x")).collect();
    if !(1..=3).contains(&parts.len()) || !text.contains('.') || text.contains('/') {
        return None;
    }
    let mut octets = [0; 4];
    for (octet, part) in octets.iter_mut().zip(&parts) {
        *octet = part.parse::<u8>().ok()?;
    }
    IpNet::new(Ipv4Addr::from(octets).into(), 8 * parts.len() as u8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_cidr_or_a_single_address() {
        for (text, meant) in [
            ("192.168.1.0/24", "192.168.1.0/24"),
            ("192.168.1.7", "192.168.1.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), Ok(meant), "{text}");
        }
    }

    #[test]
    fn invalid_network_is_refused_with_a_correction() {
        for (text, right) in [
            ("192.168.1.7/24", "write 192.168.1.0/24 for its network, or 192.168.1.7 for the machine only"),
            ("192.168.1.0/255.255.255.0", "did you mean 192.168.1.0/24?"),
            ("192.168.1.7/255.255.0.0", "did you mean 192.168.0.0/16?"),
            ("192.168.1.*", "did you mean 192.168.1.0/24?"),
            ("192.168.*.*", "did you mean 192.168.0.0/16?"),
            ("10.", "did you mean 10.0.0.0/8?"),
            ("192.168.1.0/33", "must be 0 to 32"),
            ("192.168.1.0/", "must be 0 to 32"),
            ("::/129", "must be 0 to 128"),
            ("localhost", "write \"127.0.0.0/8\", \"::1\""),
            ("teacher.local", "for example 192.168.1.0/24"),
            ("", "for example 192.168.1.0/24"),
            ("300.1.1.0/24", "for example 192.168.1.0/24"),
        ] {
            let error = network(text).expect_err(text);
            assert!(error.contains(right), "{text}: {error}");
        }
    }
}
