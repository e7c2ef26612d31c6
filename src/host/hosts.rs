//! The addresses of the machine's own name in /etc/hosts. No name server is used: that could take any time, and
//! Debian's installer writes the name into that file.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

/// The file of names that need no server (hosts(5)).
const FILE: &str = "/etc/hosts";

/// The most that is read of it, in bytes: such a file has a few hundred; lists that block advertisements have more.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The most addresses that are used.
const ADDRESSES_MAX: usize = 4;

/// The loopback addresses of the machine's own name (gethostname(2)), other than 127.0.0.1 and ::1.
pub fn own_loopback_addresses() -> Vec<IpAddr> {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    // Does not block if the file is a FIFO.
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(FILE);
    let mut text = Vec::new();
    match file.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text)) {
        Ok(_) => loopback_addresses_of(&name, &String::from_utf8_lossy(&text)),
        Err(_) => Vec::new(),
    }
}

fn loopback_addresses_of(name: &str, hosts: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        let is_other = address.is_loopback() && address != IpAddr::from([127, 0, 0, 1]) && address.is_ipv4();
        if is_other && words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found.truncate(ADDRESSES_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_address_of_the_own_host_name_is_found() {
        let debian = "127.0.0.1\tlocalhost\n127.0.1.1\tbox.example.org\tBox # ours\n::1 localhost box\n\
                      192.168.1.7 box\n127.0.2.1 boxes #box\nnonsense box\n127.0.1.1 box\n127.0.0.1 box\n";
        assert_eq!(loopback_addresses_of("box", debian), [IpAddr::from([127, 0, 1, 1])]);
        assert_eq!(loopback_addresses_of("box.example.org", debian), [IpAddr::from([127, 0, 1, 1])]);
        for other in ["localhost", "bo", "", "ours"] {
            assert!(loopback_addresses_of(other, debian).is_empty(), "{other}");
        }
        let many: String = (2..30).map(|last| format!("127.0.1.{last} box\n")).collect();
        assert_eq!(loopback_addresses_of("box", &many).len(), ADDRESSES_MAX);
    }
}
