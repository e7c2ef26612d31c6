//! Endpoints: one URL-like string, the same in the configuration, in the log and on the command line.
//! Knows the syntax, and opens nothing.

pub mod buffer;
mod queue;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::engine::transport::Transport;

/// The longest path of a Unix socket, in bytes: `sun_path` has 108, the last one is NUL (unix(7)).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// The address of an endpoint: `N` on the network, or a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address<N> {
    /// `tcp://ADDRESS:PORT`
    Tcp(N),
    /// `tls://ADDRESS:PORT`: TLS on TCP.
    Tls(N),
    /// `http://ADDRESS:PORT`: HTTP, and WebSockets, on TCP.
    Http(N),
    /// `https://ADDRESS:PORT`: HTTP, and WebSockets, in TLS.
    Https(N),
    /// `http+unix://PATH`: HTTP, and WebSockets, on a stream socket, behind a proxy.
    HttpUnix(PathBuf),
    /// `udp://ADDRESS:PORT`
    Udp(N),
    /// `unix://PATH`, a stream socket.
    Unix(PathBuf),
    /// `unixseq://PATH`, a sequenced-packet socket.
    UnixSeq(PathBuf),
    /// `unixgram://PATH`, a datagram socket.
    UnixGram(PathBuf),
    /// `fifo://PATH`, the two FIFOs `PATH.in` and `PATH.out`.
    Fifo(PathBuf),
    /// `mq:///NAME`, the two POSIX message queues `/NAME.in` and `/NAME.out`.
    Mq(PathBuf),
    /// `shm://PATH`, a socket that passes shared memory.
    Shm(PathBuf),
    /// `shm:///NAME?semaphores`, a bounded buffer in shared memory; with the options after the question mark.
    Buffer(PathBuf),
}

/// One endpoint, as written in a configuration, with `%t` not yet replaced.
pub type Endpoint = Address<HostPort>;

/// One endpoint to open, with an address or absolute path.
pub type ResolvedEndpoint = Address<SocketAddr>;

/// A host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port: 1 to 65535.
    pub port: u16,
}

/// The host part of a TCP or UDP endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// `localhost`: 127.0.0.1 and ::1, or the one of them that this machine has.
    Localhost,
    /// One address.
    Address(IpAddr),
}

/// One kind of endpoint.
#[derive(Debug)]
pub struct Scheme {
    /// Its name, before `://`.
    pub name: &'static str,
    /// Its transport.
    pub transport: Transport,
    /// Parses the part after `://`.
    parse: fn(&str) -> Result<Endpoint, String>,
}

/// Every kind of endpoint.
pub static SCHEMES: [&Scheme; 13] =
    [&TCP, &TLS, &UDP, &UNIX, &UNIXSEQ, &UNIXGRAM, &FIFO, &MQ, &SHM, &BUFFER, &HTTP, &HTTPS, &HTTP_UNIX];

/// The names of all kinds, each once.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.name).collect();
    names.dedup();
    names
}

impl Scheme {
    /// The kind with this name.
    fn named(name: &str) -> Option<&'static Scheme> {
        SCHEMES.into_iter().find(|known| known.name == name)
    }

    /// The kind of an endpoint, given as text.
    fn of(endpoint: &str) -> Option<&'static Scheme> {
        endpoint.split_once("://").and_then(|(name, _)| Scheme::named(name))
    }

    /// Whether an endpoint, given as text, is encrypted.
    pub fn is_encrypted(endpoint: &str) -> bool {
        Scheme::of(endpoint).is_some_and(|scheme| scheme.transport.is_encrypted)
    }

    /// Whether an endpoint, given as text, uses shared memory.
    pub fn is_memory(endpoint: &str) -> bool {
        Scheme::of(endpoint).is_some_and(|scheme| scheme.transport.is_memory)
    }
}

static TCP: Scheme =
    Scheme { name: "tcp", transport: Transport::TCP, parse: |rest| network(rest).map(Address::Tcp) };
static TLS: Scheme =
    Scheme { name: "tls", transport: Transport::TLS, parse: |rest| encrypted(rest).map(Address::Tls) };
static HTTP: Scheme =
    Scheme { name: "http", transport: Transport::HTTP, parse: |rest| web(rest, network).map(Address::Http) };
static HTTPS: Scheme = Scheme {
    name: "https",
    transport: Transport::HTTPS,
    parse: |rest| web(rest, encrypted).map(Address::Https),
};
static HTTP_UNIX: Scheme = Scheme {
    name: "http+unix",
    transport: Transport::HTTP_UNIX,
    parse: |rest| socket_path(rest).map(Address::HttpUnix),
};
static UDP: Scheme =
    Scheme { name: "udp", transport: Transport::UDP, parse: |rest| network(rest).map(Address::Udp) };
static UNIX: Scheme =
    Scheme { name: "unix", transport: Transport::UNIX, parse: |rest| socket_path(rest).map(Address::Unix) };
static UNIXSEQ: Scheme = Scheme {
    name: "unixseq",
    transport: Transport::UNIXSEQ,
    parse: |rest| socket_path(rest).map(Address::UnixSeq),
};
static UNIXGRAM: Scheme = Scheme {
    name: "unixgram",
    transport: Transport::UNIXGRAM,
    parse: |rest| socket_path(rest).map(Address::UnixGram),
};
static FIFO: Scheme =
    Scheme { name: "fifo", transport: Transport::FIFO, parse: |rest| path(rest).map(Address::Fifo) };
static MQ: Scheme =
    Scheme { name: "mq", transport: Transport::MQ, parse: |rest| queue::parse(rest).map(Address::Mq) };
static SHM: Scheme = Scheme { name: "shm", transport: Transport::SHM, parse: |rest| memory(rest) };
/// The second kind with this name.
static BUFFER: Scheme = Scheme { name: "shm", transport: Transport::BUFFER, parse: |rest| memory(rest) };

impl<N> Address<N> {
    /// Its kind.
    pub fn scheme(&self) -> &'static Scheme {
        match self {
            Address::Tcp(_) => &TCP,
            Address::Tls(_) => &TLS,
            Address::Http(_) => &HTTP,
            Address::Https(_) => &HTTPS,
            Address::HttpUnix(_) => &HTTP_UNIX,
            Address::Udp(_) => &UDP,
            Address::Unix(_) => &UNIX,
            Address::UnixSeq(_) => &UNIXSEQ,
            Address::UnixGram(_) => &UNIXGRAM,
            Address::Fifo(_) => &FIFO,
            Address::Mq(_) => &MQ,
            Address::Shm(_) => &SHM,
            Address::Buffer(_) => &BUFFER,
        }
    }

    /// Its network address; `None`: it is in the file system.
    pub fn network(&self) -> Option<&N> {
        match self {
            Address::Tcp(network)
            | Address::Tls(network)
            | Address::Udp(network)
            | Address::Http(network)
            | Address::Https(network) => Some(network),
            Address::Unix(_)
            | Address::UnixSeq(_)
            | Address::UnixGram(_)
            | Address::Fifo(_)
            | Address::Mq(_)
            | Address::Shm(_)
            | Address::Buffer(_)
            | Address::HttpUnix(_) => None,
        }
    }

    /// The path of an endpoint in the file system; of a FIFO without `.in` and `.out`; of a message queue or a buffer its name,
    /// which begins with a slash too.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Tcp(_) | Address::Tls(_) | Address::Udp(_) | Address::Http(_) | Address::Https(_) => {
                None
            }
            Address::Unix(path)
            | Address::UnixSeq(path)
            | Address::UnixGram(path)
            | Address::Fifo(path)
            | Address::Mq(path)
            | Address::Shm(path)
            | Address::Buffer(path)
            | Address::HttpUnix(path) => Some(path),
        }
    }

    /// An endpoint of the same kind at another address: `network` maps a network address, `path` a path.
    pub fn map<M>(&self, network: impl FnOnce(&N) -> M, path: impl FnOnce(&Path) -> PathBuf) -> Address<M> {
        match self {
            Address::Tcp(at) => Address::Tcp(network(at)),
            Address::Tls(at) => Address::Tls(network(at)),
            Address::Http(at) => Address::Http(network(at)),
            Address::Https(at) => Address::Https(network(at)),
            Address::HttpUnix(at) => Address::HttpUnix(path(at)),
            Address::Udp(at) => Address::Udp(network(at)),
            Address::Unix(at) => Address::Unix(path(at)),
            Address::UnixSeq(at) => Address::UnixSeq(path(at)),
            Address::UnixGram(at) => Address::UnixGram(path(at)),
            Address::Fifo(at) => Address::Fifo(path(at)),
            Address::Mq(at) => Address::Mq(path(at)),
            Address::Shm(at) => Address::Shm(path(at)),
            Address::Buffer(at) => Address::Buffer(path(at)),
        }
    }
}

impl ResolvedEndpoint {
    /// The endpoint of the bare socket, which is all that another process knows of it.
    pub fn bare(&self) -> ResolvedEndpoint {
        match self {
            Address::Tls(address) | Address::Http(address) | Address::Https(address) => {
                Address::Tcp(*address)
            }
            Address::HttpUnix(path) | Address::Shm(path) => Address::Unix(path.clone()),
            other => other.clone(),
        }
    }
}

impl Endpoint {
    /// The endpoints to open: two for `localhost`, otherwise one.
    pub fn resolve(&self, runtime_directory: &Path) -> Vec<ResolvedEndpoint> {
        let at =
            |family| self.map(|network| network.address(family), |path| resolve(path, runtime_directory));
        match self.is_localhost() {
            true => vec![at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into())],
            false => vec![at(Ipv4Addr::LOCALHOST.into())],
        }
    }

    /// Whether it is at `localhost`. A machine may have only one of its two addresses.
    pub fn is_localhost(&self) -> bool {
        self.network().is_some_and(|network| network.host == Host::Localhost)
    }
}

impl HostPort {
    /// Its address; for `localhost` the given one.
    fn address(&self, localhost: IpAddr) -> SocketAddr {
        match self.host {
            Host::Localhost => SocketAddr::new(localhost, self.port),
            Host::Address(address) => SocketAddr::new(address, self.port),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Localhost => f.write_str("localhost"),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// The path with a leading `%t` replaced by the runtime directory.
fn resolve(path: &Path, runtime_directory: &Path) -> PathBuf {
    match path.strip_prefix("%t") {
        Ok(rest) => runtime_directory.join(rest),
        Err(_) => path.to_owned(),
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// Parses an endpoint; the error says what is wrong and what would be right, without repeating the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "an endpoint is written KIND://PLACE, for example tcp://localhost:65432 or unix://%t/ipcd/ipcd.sock"
                    .to_owned(),
            );
        };
        match Scheme::named(scheme) {
            Some(known) => (known.parse)(rest),
            None => Err(format!("unknown kind of endpoint {scheme:?}; known: {}", names().join(", "))),
        }
    }
}

/// `HOST:PORT` for TLS, if this program has TLS.
fn encrypted(rest: &str) -> Result<HostPort, String> {
    if cfg!(not(feature = "tls")) {
        return Err(
            "this program was built without TLS; build it with the feature tls, or use tcp://".to_owned()
        );
    }
    network(rest)
}

/// The address of a page, which people may copy from a browser with a slash at the end.
fn web(rest: &str, read: fn(&str) -> Result<HostPort, String>) -> Result<HostPort, String> {
    if rest.starts_with(['/', '%']) {
        return Err("a Unix socket for a proxy is written http+unix://PATH".to_owned());
    }
    read(rest.strip_suffix('/').unwrap_or(rest))
}

/// `HOST:PORT`
fn network(rest: &str) -> Result<HostPort, String> {
    let Some((host, port)) = rest.rsplit_once(':') else {
        return Err("a port is missing; for example tcp://localhost:65432".to_owned());
    };
    let port = match port.parse::<u16>() {
        Ok(port) if port > 0 && !port_has_sign(rest) => port,
        _ => return Err("a port is 1 to 65535".to_owned()),
    };
    let host = match host {
        "localhost" => Host::Localhost,
        _ => Host::Address(address(host)?),
    };
    Ok(HostPort { host, port })
}

/// `u16::from_str` accepts `+80`, which is not valid in a URL.
fn port_has_sign(rest: &str) -> bool {
    rest.rsplit_once(':').is_some_and(|(_, port)| port.starts_with('+'))
}

fn address(host: &str) -> Result<IpAddr, String> {
    let wrong = || {
        "a host is localhost or an address, for example 127.0.0.1, [::1], 0.0.0.0 (everybody) or [::]"
            .to_owned()
    };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => {
            let address: Ipv6Addr = inner.parse().map_err(|_| wrong())?;
            match address.to_ipv4_mapped() {
                // An IPv6 socket accepts no IPv4 here (IPV6_V6ONLY).
                Some(ipv4) => Err(format!("an IPv4 address is written without the brackets: {ipv4}")),
                None => Ok(IpAddr::V6(address)),
            }
        }
        None if host.contains(':') => Err(format!("write an IPv6 address in brackets: [{host}]")),
        None => host.parse().map(IpAddr::V4).map_err(|_| wrong()),
    }
}

fn path(path: &str) -> Result<PathBuf, String> {
    let absolute = path.starts_with('/') || path.starts_with("%t/");
    if !absolute || path.ends_with('/') {
        return Err("a path is absolute or starts with %t/, for example unix://%t/ipcd/ipcd.sock".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err("a path has no control characters".to_owned());
    }
    Ok(PathBuf::from(path))
}

fn socket_path(text: &str) -> Result<PathBuf, String> {
    let path = path(text)?;
    if text.len() > UNIX_PATH_BYTES_MAX {
        return Err(format!(
            "a socket's path has at most {UNIX_PATH_BYTES_MAX} bytes, this one has {}",
            text.len()
        ));
    }
    Ok(path)
}

/// Both kinds of shared memory.
fn memory(rest: &str) -> Result<Endpoint, String> {
    match buffer::is_meant(rest) {
        true => buffer::parse(rest).map(Address::Buffer),
        false => socket_path(rest).map(Address::Shm),
    }
}

impl<N: fmt::Display> fmt::Display for Address<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scheme().name;
        match (self.network(), self.path()) {
            (Some(network), _) => write!(f, "{name}://{network}"),
            (None, Some(path)) => write!(f, "{name}://{}", path.display()),
            (None, None) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
