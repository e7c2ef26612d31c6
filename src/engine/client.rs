//! A client as a person sees it: the address of a machine, or a user of this machine. Finer than a [source](super::source), which
//! counts for shares: 127.0.0.1 and 127.0.0.2 are two clients.

use std::fmt;
use std::net::IpAddr;

use super::message::RemoteAddress;

/// One address or user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// An address; an IPv4-mapped IPv6 address is the IPv4 address.
    Address(IpAddr),
    /// A user on a Unix socket.
    User(u32),
    /// All users that the kernel does not report.
    Unknown,
    /// The writer to our standard input.
    Input,
    /// All writers to FIFOs and message queues.
    Writers,
}

impl From<RemoteAddress> for Client {
    fn from(remote: RemoteAddress) -> Client {
        match remote {
            RemoteAddress::Address(address) => Client::Address(address.ip().to_canonical()),
            RemoteAddress::Process { uid, .. } => Client::User(uid),
            RemoteAddress::Unknown { .. } => Client::Unknown,
            RemoteAddress::Input => Client::Input,
            RemoteAddress::Writers => Client::Writers,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::Address(address) => write!(f, "{address}"),
            Client::User(uid) => write!(f, "uid {uid}"),
            Client::Unknown => f.write_str("uid unknown"),
            Client::Input => f.write_str("standard input"),
            Client::Writers => f.write_str("writers"),
        }
    }
}
