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
    /// `unix://PATH`, a stream socket; the path as written, `%t` not yet replaced.
    Unix(PathBuf),
}

/// The host part of a TCP endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// `localhost`: 127.0.0.1 and ::1, whichever this machine has.
    Localhost,
    /// One address.
    Address(IpAddr),
}

/// One socket to open: an endpoint with nothing left to resolve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// A Unix stream socket's absolute path.
    Unix(PathBuf),
}

impl Endpoint {
    /// The sockets this endpoint stands for: two for `tcp://localhost`, one otherwise.
    pub fn places(&self, runtime_directory: &Path) -> Vec<Place> {
        match self {
            Endpoint::Tcp(Host::Localhost, port) => vec![
                Place::Tcp(SocketAddr::from(([127, 0, 0, 1], *port))),
                Place::Tcp(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], *port))),
            ],
            Endpoint::Tcp(Host::Address(address), port) => vec![Place::Tcp(SocketAddr::new(*address, *port))],
            Endpoint::Unix(path) => vec![Place::Unix(resolve(path, runtime_directory))],
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
            "tcp" => tcp(rest),
            "unix" => unix(rest),
            _ => Err(format!("unknown kind of endpoint {scheme:?}; known: tcp, unix")),
        }
    }
}

fn tcp(rest: &str) -> Result<Endpoint, String> {
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
    Ok(Endpoint::Tcp(host, port))
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

fn unix(path: &str) -> Result<Endpoint, String> {
    let absolute = path.starts_with('/') || path.starts_with("%t/");
    if !absolute || path.ends_with('/') {
        return Err(
            "a socket's path is absolute or starts with %t/, for example unix://%t/ipcd/ipcd.sock".to_owned()
        );
    }
    if path.contains('\0') || path.chars().any(char::is_control) {
        return Err("a socket's path has no control characters".to_owned());
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(format!(
            "a socket's path has at most {UNIX_PATH_BYTES_MAX} bytes, this one has {}",
            path.len()
        ));
    }
    Ok(Endpoint::Unix(PathBuf::from(path)))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(Host::Localhost, port) => write!(f, "tcp://localhost:{port}"),
            Endpoint::Tcp(Host::Address(address), port) => {
                write!(f, "tcp://{}", SocketAddr::new(*address, *port))
            }
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "tcp://{address}"),
            Place::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_back_as_it_is_written() {
        for text in [
            "tcp://127.0.0.1:65432",
            "tcp://[::1]:65432",
            "tcp://localhost:9999",
            "tcp://0.0.0.0:1",
            "unix:///run/ipcd/ipcd.sock",
            "unix://%t/ipcd/ipcd.sock",
        ] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_reason() {
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
        ] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn localhost_is_both_families_and_percent_t_the_runtime_directory() {
        let run = Path::new("/run/user/7");
        let both = "tcp://localhost:5".parse::<Endpoint>().unwrap().places(run);
        assert_eq!(
            both.iter().map(Place::to_string).collect::<Vec<_>>(),
            ["tcp://127.0.0.1:5", "tcp://[::1]:5"]
        );
        let path = "unix://%t/ipcd/ipcd.sock".parse::<Endpoint>().unwrap().places(run);
        assert_eq!(path, [Place::Unix(PathBuf::from("/run/user/7/ipcd/ipcd.sock"))]);
    }
}
