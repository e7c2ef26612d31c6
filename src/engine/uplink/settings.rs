//! The configuration of the shared room, as values.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::ids::{House, RoomToken};

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers, at least one. Those that a cluster names later are tried as well.
    pub servers: Vec<Server>,
    /// Our credentials.
    pub credentials: Credentials,
    /// The house, whose daemons share one stream.
    pub house: House,
    /// The room.
    pub room: RoomToken,
    /// The stream, if we have to create it.
    pub stream: StreamSettings,
    /// What the server's administrator sees of this connection: the machine and the program.
    pub client: String,
}

/// The settings of a new stream. An existing one is used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// The number of servers that store it: 1 or 3.
    pub replicas: u8,
    /// How long a message is kept.
    pub age: Duration,
    /// The most messages that are kept.
    pub messages: u64,
    /// The most bytes that are kept.
    pub bytes: u64,
}

impl Default for StreamSettings {
    fn default() -> StreamSettings {
        StreamSettings {
            replicas: 1,
            age: Duration::from_secs(24 * 60 * 60),
            messages: 100_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// When TLS begins on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encrypt {
    /// If the server requires it: `nats://`.
    #[default]
    IfAsked,
    /// Always, after the server's first line. A server without TLS is not used: `tls://`.
    Always,
    /// Before the server's first line: `tls://` with `handshake_first`.
    First,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub encrypt: Encrypt,
    /// The name in its certificate: that of the configured server from which we know this one.
    pub name: String,
}

impl Server {
    /// A configured server; the name in its certificate is its own.
    pub fn new(host: &str, port: u16, encrypt: Encrypt) -> Server {
        Server { host: host.to_owned(), port, encrypt, name: host.to_owned() }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypt == Encrypt::IfAsked { "nats" } else { "tls" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

/// A function that makes an Ed25519 signature, outside of the engine, which has no cryptography.
pub type Sign = Rc<dyn Fn(&[u8]) -> [u8; 64]>;

/// How we identify ourselves to the server.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// With a token.
    Token(String),
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// With a key pair.
    Nkey {
        /// The public key, `U…`.
        public: String,
        /// Signs with the private key.
        sign: Sign,
    },
    /// With a `.creds` file, in which an account has signed for a user.
    Jwt {
        /// The file's token.
        jwt: String,
        /// Signs with the file's seed.
        sign: Sign,
    },
}

impl fmt::Debug for Credentials {
    /// Shows no secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Token(_) => "Token",
            Credentials::Password { .. } => "Password",
            Credentials::Nkey { .. } => "Nkey",
            Credentials::Jwt { .. } => "Jwt",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_the_configuration_has_them() {
        assert_eq!(Server::new("127.0.0.1", 4222, Encrypt::IfAsked).to_string(), "nats://127.0.0.1:4222");
        assert_eq!(Server::new("::1", 4222, Encrypt::First).to_string(), "tls://[::1]:4222");
    }

    #[test]
    fn secrets_are_never_shown() {
        let password = Credentials::Password { user: "ann".into(), password: "hunter2".into() };
        let nkey = Credentials::Nkey { public: "UXYZ".into(), sign: Rc::new(|_| [0; 64]) };
        assert_eq!(
            format!("{password:?} {nkey:?} {:?}", Credentials::Token("t".into())),
            "Password Nkey Token"
        );
    }
}
