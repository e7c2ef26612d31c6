//! The argument of `--to`: an endpoint as in the configuration, or a host name to look up.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use ipcd::endpoint::Host;
use ipcd::endpoint::HostPort;
use ipcd::endpoint::{Endpoint, ResolvedEndpoint};
use ipcd::transport::directory::runtime_directory_if_there;

use super::error::CliError;
use ipcd::os_error::describe;

/// The longest host name, in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// The most addresses of one name to try: more than any host needs.
const ADDRESSES_MAX: usize = 16;

/// The target, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Endpoint(Endpoint),
    /// `tcp://NAME:PORT`, `tls://NAME:PORT`, `udp://NAME:PORT`, `http://NAME:PORT` or `https://NAME:PORT`
    Named {
        transport: Transport,
        name: String,
        port: u16,
    },
}

/// The scheme of a WebSocket, and that of the endpoint that offers it.
const WEB: [(&str, &str); 2] = [("ws://", "http://"), ("wss://", "https://")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    Udp,
    Http,
    Https,
}

impl Transport {
    fn scheme(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Udp => "udp",
            Transport::Http => "http",
            Transport::Https => "https",
        }
    }
}

impl FromStr for Target {
    type Err = String;

    /// Parses a target; the error says what is wrong and what would be right, without repeating the text.
    fn from_str(text: &str) -> Result<Target, String> {
        // Most people first type localhost:33000, or the path of a socket.
        let full = match text.contains("://") || text.starts_with(['/', '%', '.']) || !text.contains(':') {
            true if text.starts_with('/') => format!("unix://{text}"),
            true => text.to_owned(),
            false => format!("tcp://{text}"),
        };
        let web = WEB.iter().find_map(|(from, to)| Some(format!("{to}{}", full.strip_prefix(from)?)));
        let full = web.unwrap_or(full);
        let error = match full.parse::<Endpoint>() {
            Ok(endpoint) => return Ok(Target::Endpoint(endpoint)),
            Err(error) => portless(&full).unwrap_or(error),
        };
        let error = match error.starts_with("a host is ") {
            true => "a host is a name or an address, for example teacher.local, 192.168.1.7 or [fd00::7]"
                .to_owned(),
            false => error,
        };
        let (transport, rest) = match full.split_once("://") {
            Some(("tcp", rest)) => (Transport::Tcp, rest),
            Some(("tls", rest)) if cfg!(feature = "tls") => (Transport::Tls, rest),
            Some(("udp", rest)) => (Transport::Udp, rest),
            Some(("http", rest)) => (Transport::Http, rest),
            Some(("https", rest)) if cfg!(feature = "tls") => (Transport::Https, rest),
            _ => return Err(error),
        };
        let Some((name, port)) = rest.rsplit_once(':').filter(|(name, _)| is_name(name)) else {
            return Err(error);
        };
        match port.parse() {
            Ok(port @ 1..) if !rest.contains('+') => {
                Ok(Target::Named { transport, name: name.to_ascii_lowercase(), port })
            }
            _ => Err(error),
        }
    }
}

/// The error for a host without its port.
fn portless(text: &str) -> Option<String> {
    let (kind, host) = text.split_once("://").unwrap_or(("tcp", text));
    // Without brackets, the end of an IPv6 address may be meant as the port.
    let is_host = is_name(host) || host.parse::<Ipv4Addr>().is_ok() || is_bracketed(host);
    let is_other = !matches!(kind, "tcp" | "tls" | "udp" | "http" | "https");
    (!is_other && is_host).then(|| {
        let multiply = format!("the port is missing, for example {kind}://{host}:65432 for multiply");
        match kind {
            "http" | "https" => format!("the port is missing, for example {kind}://{host}:33080"),
            "udp" => multiply,
            _ => format!("{multiply}, {kind}://{host}:33000 for the chat"),
        }
    })
}

fn is_bracketed(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
}

/// Whether this is a valid host name: labels of letters, digits, hyphens and underscores, separated by dots. An
/// invalid address is not a host name either.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Endpoint(endpoint) => endpoint.fmt(f),
            Target::Named { transport, name, port } => write!(f, "{}://{name}:{port}", transport.scheme()),
        }
    }
}

impl Target {
    /// Whether it uses TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(
            self,
            Target::Endpoint(Endpoint::Tls(_) | Endpoint::Https(_))
                | Target::Named { transport: Transport::Tls | Transport::Https, .. }
        )
    }

    /// Whether its services are WebSockets.
    pub(crate) fn is_web(&self) -> bool {
        match self {
            Target::Endpoint(endpoint) => endpoint.scheme().transport.is_web,
            Target::Named { transport, .. } => matches!(transport, Transport::Http | Transport::Https),
        }
    }

    /// Its name or address with the port, for the Host field of an HTTP request.
    pub(crate) fn authority(&self) -> String {
        match self {
            Target::Named { name, port, .. } => format!("{name}:{port}"),
            Target::Endpoint(endpoint) => {
                endpoint.network().map_or_else(|| "localhost".to_owned(), HostPort::to_string)
            }
        }
    }

    /// The name or address that a certificate of this target has; empty if it is in the file system.
    #[cfg(feature = "tls")]
    pub(crate) fn host(&self) -> String {
        match self {
            Target::Named { name, .. } => name.clone(),
            Target::Endpoint(endpoint) => match endpoint.network() {
                Some(HostPort { host: Host::Localhost, .. }) => "localhost".to_owned(),
                Some(HostPort { host: Host::Address(address), .. }) => address.to_string(),
                None => String::new(),
            },
        }
    }

    /// The endpoints to try, in order.
    ///
    /// # Errors
    /// The name is unknown, or the lookup timed out.
    pub(crate) fn resolve(&self, deadline: Option<Instant>) -> Result<Vec<ResolvedEndpoint>, CliError> {
        let (transport, name, port) = match self {
            Target::Endpoint(endpoint) => {
                return Ok(endpoint.resolve(&runtime_directory_if_there().unwrap_or_default()));
            }
            Target::Named { transport, name, port } => (*transport, name, *port),
        };
        let mut addresses = look_up(name, port, deadline)?;
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses
            .into_iter()
            .map(|address| match transport {
                Transport::Tcp => ResolvedEndpoint::Tcp(address),
                Transport::Tls => ResolvedEndpoint::Tls(address),
                Transport::Udp => ResolvedEndpoint::Udp(address),
                Transport::Http => ResolvedEndpoint::Http(address),
                Transport::Https => ResolvedEndpoint::Https(address),
            })
            .collect())
    }
}

/// The addresses of a host, without duplicates. The system's resolver has no timeout: it runs in its own thread,
/// which is abandoned at the deadline.
fn look_up(name: &str, port: u16, deadline: Option<Instant>) -> Result<Vec<SocketAddr>, CliError> {
    let (sender, answer) = channel();
    let asked = name.to_owned();
    let resolver = std::thread::Builder::new().name("resolver".to_owned());
    let started = resolver.spawn(move || {
        // After a timeout, nobody receives this.
        let _ = sender.send((asked.as_str(), port).to_socket_addrs().map(Vec::from_iter));
    });
    started.map_err(|error| CliError::Failed(format!("{name}: {}", describe(&error))))?;
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let outcome = match left {
        Some(left) => answer.recv_timeout(left.max(Duration::from_millis(1))),
        None => answer.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match outcome {
        Ok(Ok(addresses)) if !addresses.is_empty() => {
            let mut each = Vec::new();
            for address in addresses {
                if !each.contains(&address) {
                    each.push(address);
                }
            }
            Ok(each)
        }
        Ok(outcome) => {
            let reason =
                outcome.err().map_or_else(|| "it has no addresses".to_owned(), |error| reason(&error));
            Err(CliError::Unreachable(format!(
                "{name}: {reason}; check the name, or give the address, for example tcp://192.168.1.7:{port}"
            )))
        }
        Err(RecvTimeoutError::Timeout) => Err(CliError::TimedOut(format!(
            "{name}: looking up its address timed out; give the address, for example tcp://192.168.1.7:{port}"
        ))),
        Err(RecvTimeoutError::Disconnected) => Err(CliError::Failed(format!("{name}: the resolver failed"))),
    }
}

/// The resolver's error, without its prefix.
fn reason(error: &std::io::Error) -> String {
    let text = describe(error);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_a_name_or_an_address_and_localhost_is_unchanged() {
        for (text, shown) in [
            ("tcp://teacher.local:33000", "tcp://teacher.local:33000"),
            ("udp://PC_7:65432", "udp://pc_7:65432"),
            ("teacher-pc:33000", "tcp://teacher-pc:33000"),
            ("example.org.:1", "tcp://example.org.:1"),
            ("ws://Teacher.local:33080", "http://teacher.local:33080"),
            ("http://teacher.local:33080", "http://teacher.local:33080"),
            ("tcp://3com.example:1", "tcp://3com.example:1"),
        ] {
            let target = text.parse::<Target>().expect(text);
            assert!(matches!(target, Target::Named { .. }), "{target:?}");
            assert_eq!(target.to_string(), shown);
        }
        for (text, shown) in [
            ("tcp://localhost:9999", "tcp://localhost:9999"),
            ("localhost:9999", "tcp://localhost:9999"),
            ("127.0.0.1:5", "tcp://127.0.0.1:5"),
            ("[::1]:5", "tcp://[::1]:5"),
            ("unix:///run/x", "unix:///run/x"),
            ("/run/x", "unix:///run/x"),
            ("ws://localhost:33080", "http://localhost:33080"),
            ("http+unix:///run/x", "http+unix:///run/x"),
        ] {
            let target = text.parse::<Target>().expect(text);
            assert!(matches!(target, Target::Endpoint(_)), "{target:?}");
            assert_eq!(target.to_string(), shown);
        }
    }

    #[test]
    fn host_without_a_port_is_an_error() {
        for (text, example) in [
            ("localhost", "tcp://localhost:65432 for multiply"),
            ("teacher.local", "tcp://teacher.local:65432"),
            ("192.168.1.7", "tcp://192.168.1.7:65432"),
            ("tcp://teacher", "tcp://teacher:65432"),
            ("tls://localhost", "tls://localhost:65432"),
            ("tcp://[::1]", "tcp://[::1]:65432"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(
                error.starts_with(&format!("the port is missing, for example {example}")),
                "{text}: {error}"
            );
        }
        for other in ["unix://", "tcp://", "localhost:", "localhost:x", "chat://localhost", "tcp://fd00::7"] {
            let error = other.parse::<Target>().unwrap_err();
            assert!(!error.contains("the port is missing"), "{other}: {error}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn target_with_tls_knows_the_name_that_its_certificate_has() {
        for (text, host) in [
            ("tls://Teacher.Local:65443", "teacher.local"),
            ("tls://localhost:1", "localhost"),
            ("tls://[::1]:1", "::1"),
            ("tls://192.0.2.7:1", "192.0.2.7"),
        ] {
            let target = text.parse::<Target>().expect(text);
            assert!(target.is_encrypted(), "{target:?}");
            assert_eq!(target.to_string(), text.to_ascii_lowercase());
            assert_eq!(target.host(), host);
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_target_needs_a_build_with_tls() {
        let error = "tls://localhost:1".parse::<Target>().unwrap_err();
        assert!(error.contains("built without TLS"), "{error}");
    }

    #[test]
    fn invalid_host_is_refused_as_in_the_configuration() {
        let long = format!("tcp://{}:1", "x".repeat(64));
        for (text, reason) in [
            ("tcp://teacher.local", "the port is missing"),
            ("./ipcd.sock", "KIND://PLACE"),
            ("tcp://teacher.local:0", "1 to 65535"),
            ("tcp://teacher.local:+8", "1 to 65535"),
            ("tcp://1.2.3:80", "a host is"),
            ("tcp://999.1.1.1:80", "a host is"),
            ("tcp://a b:80", "a host is"),
            ("tcp://-x:80", "a host is"),
            ("tcp://a..b:80", "a host is"),
            ("tcp://user@host:80", "a host is"),
            ("tcp://::1:80", "brackets"),
            ("tcp://caf\u{e9}.local:80", "a host is"),
            ("gopher://teacher.local:70", "unknown kind"),
            ("http://teacher.local", "the port is missing"),
            ("ws://localhost:33080/chat", "1 to 65535"),
            (&long, "a host is"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
