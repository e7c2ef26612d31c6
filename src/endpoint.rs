//! Where something is said: one URL-like string, the same in the configuration, the log and on the command line.
//! Knows how an endpoint is written; has never opened one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest path a Unix socket can have, in bytes: `sun_path` is 108, the last one NUL (unix(7)).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// One endpoint, as a configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `tcp://ADDRESS:PORT`
    Tcp(Host, u16),
    /// `udp://ADDRESS:PORT`
    Udp(Host, u16),
    /// `unix://PATH`, a stream socket; the path as written, `%t` not yet replaced.
    Unix(PathBuf),
    /// `unixseq://PATH`, a sequenced-packet socket.
    UnixSeq(PathBuf),
    /// `unixgram://PATH`, a datagram socket.
    UnixGram(PathBuf),
    /// `fifo://PATH`, the two FIFOs `PATH.in` and `PATH.out`.
    Fifo(PathBuf),
}

/// The host part of a TCP or UDP endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// `localhost`: 127.0.0.1 and ::1, whichever this machine has.
    Localhost,
    /// One address.
    Address(IpAddr),
}

/// One socket to open: an endpoint with nothing left to resolve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResolvedEndpoint {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// A UDP address and port.
    Udp(SocketAddr),
    /// A Unix stream socket's absolute path.
    Unix(PathBuf),
    /// A Unix sequenced-packet socket's absolute path.
    UnixSeq(PathBuf),
    /// A Unix datagram socket's absolute path.
    UnixGram(PathBuf),
    /// The absolute path of two FIFOs, without their `.in` and `.out`.
    Fifo(PathBuf),
}

impl Endpoint {
    /// The places this endpoint stands for: two for `localhost`, one otherwise.
    pub fn places(&self, runtime_directory: &Path) -> Vec<ResolvedEndpoint> {
        let resolved = |path: &Path| resolve(path, runtime_directory);
        match self {
            Endpoint::Tcp(host, port) => {
                host.addresses(*port).into_iter().map(ResolvedEndpoint::Tcp).collect()
            }
            Endpoint::Udp(host, port) => {
                host.addresses(*port).into_iter().map(ResolvedEndpoint::Udp).collect()
            }
            Endpoint::Unix(path) => vec![ResolvedEndpoint::Unix(resolved(path))],
            Endpoint::UnixSeq(path) => vec![ResolvedEndpoint::UnixSeq(resolved(path))],
            Endpoint::UnixGram(path) => vec![ResolvedEndpoint::UnixGram(resolved(path))],
            Endpoint::Fifo(path) => vec![ResolvedEndpoint::Fifo(resolved(path))],
        }
    }

    /// The path of one in the file system, as written.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Endpoint::Tcp(..) | Endpoint::Udp(..) => None,
            Endpoint::Unix(path)
            | Endpoint::UnixSeq(path)
            | Endpoint::UnixGram(path)
            | Endpoint::Fifo(path) => Some(path),
        }
    }

    /// Whether it is at `localhost`, of which a machine may have one half alone.
    pub fn is_localhost(&self) -> bool {
        matches!(self, Endpoint::Tcp(Host::Localhost, _) | Endpoint::Udp(Host::Localhost, _))
    }
}

impl Host {
    fn addresses(self, port: u16) -> Vec<SocketAddr> {
        match self {
            Host::Localhost => vec![
                SocketAddr::from(([127, 0, 0, 1], port)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)),
            ],
            Host::Address(address) => vec![SocketAddr::new(address, port)],
        }
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

    /// Reads an endpoint; the error says what is wrong and what would be right, without repeating the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "an endpoint is written KIND://PLACE, for example tcp://localhost:65432 or unix://%t/ipcd/ipcd.sock"
                    .to_owned(),
            );
        };
        match scheme {
            "tcp" => network(rest).map(|(host, port)| Endpoint::Tcp(host, port)),
            "udp" => network(rest).map(|(host, port)| Endpoint::Udp(host, port)),
            "unix" => socket_path(rest).map(Endpoint::Unix),
            "unixseq" => socket_path(rest).map(Endpoint::UnixSeq),
            "unixgram" => socket_path(rest).map(Endpoint::UnixGram),
            "fifo" => path(rest).map(Endpoint::Fifo),
            _ => Err(format!(
                "unknown kind of endpoint {scheme:?}; known: tcp, udp, unix, unixseq, unixgram, fifo"
            )),
        }
    }
}

/// `HOST:PORT`
fn network(rest: &str) -> Result<(Host, u16), String> {
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
    Ok((host, port))
}

/// `u16::from_str` accepts `+80`, which no URL does.
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
            let address: std::net::Ipv6Addr = inner.parse().map_err(|_| wrong())?;
            match address.to_ipv4_mapped() {
                // An IPv6 socket takes no IPv4 here (IPV6_V6ONLY).
                Some(ipv4) => Err(format!("an IPv4 address is written without the brackets: {ipv4}")),
                None => Ok(IpAddr::V6(address)),
            }
        }
        None if host.contains(':') => Err(format!("an IPv6 address stands in brackets: [{host}]")),
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

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Endpoint::Udp(host, port) => write!(f, "udp://{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::UnixSeq(path) => write!(f, "unixseq://{}", path.display()),
            Endpoint::UnixGram(path) => write!(f, "unixgram://{}", path.display()),
            Endpoint::Fifo(path) => write!(f, "fifo://{}", path.display()),
        }
    }
}

impl ResolvedEndpoint {
    /// Its path, of one in the file system; a FIFO's without `.in` and `.out`.
    pub fn path(&self) -> Option<&Path> {
        match self {
            ResolvedEndpoint::Tcp(_) | ResolvedEndpoint::Udp(_) => None,
            ResolvedEndpoint::Unix(path)
            | ResolvedEndpoint::UnixSeq(path)
            | ResolvedEndpoint::UnixGram(path)
            | ResolvedEndpoint::Fifo(path) => Some(path),
        }
    }
}

impl fmt::Display for ResolvedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolvedEndpoint::Tcp(address) => write!(f, "tcp://{address}"),
            ResolvedEndpoint::Udp(address) => write!(f, "udp://{address}"),
            ResolvedEndpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            ResolvedEndpoint::UnixSeq(path) => write!(f, "unixseq://{}", path.display()),
            ResolvedEndpoint::UnixGram(path) => write!(f, "unixgram://{}", path.display()),
            ResolvedEndpoint::Fifo(path) => write!(f, "fifo://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_reads_back_as_it_is_written() {
        for text in [
            "tcp://127.0.0.1:65432",
            "tcp://[::1]:65432",
            "tcp://localhost:9999",
            "tcp://0.0.0.0:1",
            "unix:///run/ipcd/ipcd.sock",
            "unix://%t/ipcd/ipcd.sock",
            "udp://localhost:65432",
            "udp://[::]:5",
            "unixseq:///run/ipcd/seq",
            "unixgram://%t/ipcd/gram",
            "fifo://%t/ipcd/multiply",
        ] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn invalid_endpoint_is_refused_with_a_reason() {
        let long = format!("unix:///{}", "x".repeat(107));
        for (text, reason) in [
            ("localhost:80", "KIND://PLACE"),
            ("http://localhost:80", "unknown kind"),
            ("tcp://localhost", "port is missing"),
            ("tcp://localhost:0", "1 to 65535"),
            ("tcp://localhost:70000", "1 to 65535"),
            ("tcp://localhost:+80", "1 to 65535"),
            ("tcp://example.org:80", "a host is"),
            ("tcp://::1:80", "brackets"),
            ("tcp://[127.0.0.1]:80", "a host is"),
            ("tcp://[::ffff:127.0.0.1]:80", "without the brackets: 127.0.0.1"),
            ("unix://ipcd.sock", "absolute"),
            ("unix:///run/", "absolute"),
            ("unix:///run/\u{1b}", "control"),
            (&long, "at most 107"),
            (&long.replace("unix:", "unixgram:"), "at most 107"),
            ("udp://localhost", "port is missing"),
            ("fifo://multiply", "absolute"),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn localhost_is_both_families_and_percent_t_is_the_runtime_directory() {
        let run = Path::new("/run/user/7");
        let both = "tcp://localhost:5".parse::<Endpoint>().unwrap().places(run);
        assert_eq!(
            both.iter().map(ResolvedEndpoint::to_string).collect::<Vec<_>>(),
            ["tcp://127.0.0.1:5", "tcp://[::1]:5"]
        );
        let path = "unix://%t/ipcd/ipcd.sock".parse::<Endpoint>().unwrap().places(run);
        assert_eq!(path, [ResolvedEndpoint::Unix(PathBuf::from("/run/user/7/ipcd/ipcd.sock"))]);
    }
}
