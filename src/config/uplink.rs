//! The checked `[nats]` table: how this daemon reaches the servers that keep the log of rooms shared by several machines.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The port of NATS.
const PORT: u16 = 4222;

/// The most servers.
pub(super) const SERVERS_MAX: usize = 16;

/// The longest name in the DNS.
const HOST_BYTES_MAX: usize = 253;

/// One server, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NatsServer {
    /// A name or an address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// `tls://`.
    pub is_encrypted: bool,
}

impl NatsServer {
    /// Reads `nats://HOST:PORT` or `tls://HOST:PORT`.
    ///
    /// # Errors
    /// What would be right.
    pub(super) fn parse(text: &str) -> Result<NatsServer, &'static str> {
        const RIGHT: &str = "a server is nats:// or tls://, a name or an address, and a port if it is not 4222, for example nats://127.0.0.1:4222";
        let (is_encrypted, rest) = match text.split_once("://") {
            Some(("nats", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            _ => return Err(RIGHT),
        };
        if rest.contains('@') {
            return Err(
                "user and password do not belong here: put them into a file and name it with credentials",
            );
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
            Some(_) => return Err(RIGHT),
            None if rest.starts_with('[') => return Err(RIGHT),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => PORT,
            None => return Err(RIGHT),
            Some(digits) => match digits.parse::<u16>() {
                Ok(port @ 1..) if digits.bytes().all(|byte| byte.is_ascii_digit()) => port,
                _ => return Err("a port is 1 to 65535"),
            },
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_host = host.contains(':') || host.bytes().all(is_name);
        if host.is_empty() || host.len() > HOST_BYTES_MAX || !is_host {
            return Err(RIGHT);
        }
        Ok(NatsServer { host: host.to_owned(), port, is_encrypted })
    }
}

impl fmt::Display for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "tls" } else { "nats" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// `[nats]`, and the name of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// The servers; none: the room is not shared.
    pub servers: Vec<NatsServer>,
    /// The name that the daemons of one house share.
    pub house: String,
    /// The file with token, user and password, seed or .creds; `%d` at its beginning is the directory of the service's
    /// credentials. `None`: the servers require none.
    pub credentials: Option<PathBuf>,
    /// The authorities of `tls://` servers, as PEM; `None`: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The servers expect the TLS handshake before anything else.
    pub is_handshake_first: bool,
    /// The number of servers that keep the log, if it must be created.
    pub replicas: u8,
    /// How long it keeps a message.
    pub max_age: Duration,
    /// How many messages it keeps.
    pub max_messages: u64,
    /// How many bytes it keeps.
    pub max_bytes: u64,
    /// The name of the room; empty: the room is not shared.
    pub room: String,
}

impl Default for Nats {
    fn default() -> Nats {
        Nats {
            servers: Vec::new(),
            house: "house".to_owned(),
            credentials: None,
            ca: None,
            is_handshake_first: false,
            replicas: 1,
            max_age: Duration::from_secs(24 * 60 * 60),
            max_messages: 100_000,
            max_bytes: 64 * 1024 * 1024,
            room: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_read_with_its_port_and_written_as_it_was() {
        for (text, expected) in [
            ("nats://127.0.0.1:4222", Ok("nats://127.0.0.1:4222")),
            ("nats://teacher", Ok("nats://teacher:4222")),
            ("tls://nats.school.example:443", Ok("tls://nats.school.example:443")),
            ("tls://[::1]", Ok("tls://[::1]:4222")),
            ("nats://[::1]:1", Ok("nats://[::1]:1")),
            ("127.0.0.1:4222", Err("a server is nats://")),
            ("http://x", Err("a server is nats://")),
            ("nats://", Err("a server is nats://")),
            ("nats://a b", Err("a server is nats://")),
            ("nats://[::1", Err("a server is nats://")),
            ("nats://[x]", Err("a server is nats://")),
            ("nats://[::1]4222", Err("a server is nats://")),
            ("nats://::1:4222", Err("a port is")),
            ("nats://x:0", Err("a port is")),
            ("nats://x:+1", Err("a port is")),
            ("nats://x:65536", Err("a port is")),
            ("nats://ann:secret@x", Err("user and password do not belong here")),
        ] {
            let read = NatsServer::parse(text).map(|server| server.to_string());
            match expected {
                Ok(shown) => assert_eq!(read.as_deref(), Ok(shown), "{text}"),
                Err(start) => {
                    assert!(read.as_ref().is_err_and(|reason| reason.starts_with(start)), "{text}: {read:?}")
                }
            }
        }
    }
}
