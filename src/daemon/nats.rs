//! `[nats]`: reads its files and checks everything, at a start, a reload and `--check`.

use std::rc::Rc;

use super::Failure;
use super::key_file::load;
use super::nkey::{UserKey, parts_of_creds};
use crate::config::{Config, Errors, Nats};
use crate::engine::uplink::{Credentials, Encrypt, House, RoomToken, Server, Settings, StreamSettings};
#[cfg(feature = "tls")]
use crate::wire::tls::Connector;

/// What the daemon needs for a shared room.
pub(super) struct Shared {
    /// For the engine.
    pub(super) settings: Settings,
    /// For encrypted servers; a `nats://` server may ask for it too.
    #[cfg(feature = "tls")]
    pub(super) connector: Connector,
    /// To find out at a reload whether anything has changed.
    pub(super) config: SharedConfig,
}

/// The configuration of a shared room, and the contents of its files: if neither has changed, a reload changes nothing. Never
/// printed, because it has secrets.
#[derive(PartialEq, Eq)]
pub(super) struct SharedConfig {
    nats: Nats,
    files: Vec<Vec<u8>>,
}

/// Reads the files, if there is a shared room; `None`: there is none.
///
/// # Errors
/// A line for each thing that is wrong.
pub(super) fn read(config: &Config) -> Result<Option<Shared>, Failure> {
    let nats = &config.nats;
    let failure = |lines: Vec<String>| {
        let under = |line: String| format!("{line} (under [nats] in {})", config.file_to_change());
        Failure::Config(Errors::from(lines.into_iter().map(under).collect::<Vec<_>>()))
    };
    match (nats.servers.is_empty(), nats.room.is_empty()) {
        (_, true) => return Ok(None),
        (true, false) => {
            return Err(failure(vec![format!(
                "room = \"{}\" under [chat]: a shared room needs NATS servers; set servers, or leave room out",
                nats.room.escape_debug()
            )]));
        }
        (false, false) => {}
    }
    let mut files = Vec::new();
    let credentials = match &nats.credentials {
        None => Ok(Credentials::None),
        Some(path) => load("credentials", path, true).and_then(|file| {
            let read =
                credentials(&file.bytes).map_err(|reason| format!("{}: {reason}", file.path.display()));
            files.push(file.bytes);
            read
        }),
    };
    let ca = nats.ca.as_ref().map(|path| load("ca", path, false)).transpose();
    #[cfg(feature = "tls")]
    let connector = ca.and_then(|file| {
        let made = Connector::new(file.as_ref().map(|file| &file.bytes[..])).map_err(|reason| match &file {
            Some(file) => format!("{}: {reason}", file.path.display()),
            None => reason,
        });
        files.extend(file.map(|file| file.bytes));
        made
    });
    #[cfg(not(feature = "tls"))]
    let connector = ca.map(drop);
    let house = House::new(&nats.house).ok_or_else(|| "house is no part of a subject".to_owned());
    let room = RoomToken::new(&nats.room).ok_or_else(|| "room is no part of a subject".to_owned());
    match (credentials, connector, house, room) {
        (Ok(credentials), Ok(_connector), Ok(house), Ok(room)) => Ok(Some(Shared {
            settings: Settings {
                servers: servers(nats),
                credentials,
                house,
                room,
                stream: StreamSettings {
                    replicas: nats.replicas,
                    age: nats.max_age,
                    messages: nats.max_messages,
                    bytes: nats.max_bytes,
                },
                client: client(),
            },
            #[cfg(feature = "tls")]
            connector: _connector,
            config: SharedConfig { nats: nats.clone(), files },
        })),
        (credentials, connector, house, room) => {
            let wrong = [credentials.err(), connector.err(), house.err(), room.err()];
            Err(failure(wrong.into_iter().flatten().collect()))
        }
    }
}

fn servers(nats: &Nats) -> Vec<Server> {
    let encrypt = |is_encrypted: bool| match (is_encrypted, nats.is_handshake_first) {
        (false, _) => Encrypt::IfAsked,
        (true, false) => Encrypt::Always,
        (true, true) => Encrypt::First,
    };
    nats.servers
        .iter()
        .map(|server| Server::new(&server.host, server.port, encrypt(server.is_encrypted)))
        .collect()
}

/// What the server's administrator sees of this connection.
fn client() -> String {
    let uname = rustix::system::uname();
    format!("ipcd on {}", uname.nodename().to_string_lossy())
}

/// Parses a credentials file.
fn credentials(bytes: &[u8]) -> Result<Credentials, String> {
    const FORMS: &str = "it must be token = \"...\", or user = \"...\" and password = \"...\", or a seed of an nkey, or a .creds file";
    let text = std::str::from_utf8(bytes).map_err(|_| format!("this is not text; {FORMS}"))?;
    if let Some((jwt, seed)) = parts_of_creds(text) {
        let key = UserKey::of_seed(seed)?;
        return Ok(Credentials::Jwt { jwt: jwt.to_owned(), sign: Rc::new(move |text| key.sign(text)) });
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    if let [seed] = lines[..]
        && seed.starts_with('S')
        && !seed.contains('=')
    {
        let key = UserKey::of_seed(seed)?;
        let public = key.public.clone();
        return Ok(Credentials::Nkey { public, sign: Rc::new(move |text| key.sign(text)) });
    }
    // The errors of TOML quote the line.
    let table: toml::Table = text.parse().map_err(|_| FORMS.to_owned())?;
    let value = |key: &str| table.get(key).and_then(toml::Value::as_str).filter(|value| !value.is_empty());
    match (table.len(), value("token"), value("user"), value("password")) {
        (1, Some(token), None, None) => Ok(Credentials::Token(token.to_owned())),
        (2, None, Some(user), Some(password)) => {
            Ok(Credentials::Password { user: user.to_owned(), password: password.to_owned() })
        }
        _ => Err(FORMS.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_credentials_is_read_in_each_of_its_forms() {
        let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.e30.sig\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        for (text, expected) in [
            ("token = \"s3cret\"\n", "Token"),
            ("# ours\nuser = \"ann\"\npassword = \"s3cret\"", "Password"),
            (&format!("{seed}\n"), "Nkey"),
            (&creds, "Jwt"),
        ] {
            assert_eq!(format!("{:?}", credentials(text.as_bytes()).unwrap()), expected, "{text}");
        }
        for text in [
            "",
            "s3cret",
            "token = 5",
            "token = \"\"",
            "user = \"s3cret\"",
            "token = \"s3cret\"\nuser = \"s3cret\"",
            &seed[1..],
        ] {
            let reason = credentials(text.as_bytes()).unwrap_err();
            assert!(reason.contains("it must be token") && !reason.contains("s3cret"), "{text}: {reason}");
        }
        assert!(credentials(seed.replace("SUAC", "SUAD").as_bytes()).unwrap_err().contains("checksum"));
    }
}
