//! `[nats]`, and the name of the room that it shares. Knows the syntax; reaches no server.

use std::time::Duration;

use toml::de::DeValue;

use super::builder::Builder;
use super::syntax::quoted;
use super::table::Table;
use super::tls::path;
use super::uplink::{NatsServer, SERVERS_MAX};
use super::value::{Count, Size, Text, Time, Value, typed};
use crate::engine::name::Key;

/// The longest name of a house, in bytes, and of a room: each is a part of every subject.
const HOUSE_BYTES_MAX: usize = 32;
const ROOM_BYTES_MAX: usize = 64;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn servers(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || {
        format!(
            "it must be a list of at most {SERVERS_MAX} servers, for example [\"nats://127.0.0.1:4222\"], or [] for none"
        )
    };
    let DeValue::Array(elements) = value.into_inner() else { return Err(right()) };
    if elements.len() > SERVERS_MAX {
        return Err(right());
    }
    let mut servers = Vec::with_capacity(elements.len());
    for element in elements {
        let at = element.span().start;
        let text = typed::<Text>(element)
            .map_err(|_| "a server is a string, for example \"nats://127.0.0.1:4222\"".to_owned());
        let read = text.and_then(|Text(text)| {
            NatsServer::parse(&text).map_err(|right| match text.contains('@') {
                true => right.to_owned(), // it shows a password
                false => format!("{}: {right}", quoted(&text)),
            })
        });
        match read {
            Ok(server) if cfg!(not(feature = "tls")) && server.is_encrypted => {
                builder.fault(at, format!("{server}: this ipcd was built without TLS; use nats://"));
            }
            Ok(server) => servers.push(server),
            Err(error) => builder.fault(at, error),
        }
    }
    builder.config.nats.servers = servers;
    Ok(())
}

pub(super) fn house(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || {
        format!(
            "it must be 1 to {HOUSE_BYTES_MAX} letters (a to z, A to Z), digits, - and _, for example \"school\""
        )
    };
    let Text(text) = typed(value).map_err(|_| right())?;
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > HOUSE_BYTES_MAX || !text.bytes().all(is_sign) {
        return Err(right());
    }
    builder.config.nats.house = text;
    Ok(())
}

pub(super) fn credentials(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.nats.credentials = path(value)?;
    Ok(())
}

pub(super) fn ca(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.nats.ca = path(value)?;
    Ok(())
}

pub(super) fn handshake_first(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let DeValue::Boolean(is_first) = value.into_inner() else {
        return Err("it must be true or false".to_owned());
    };
    builder.config.nats.is_handshake_first = is_first;
    Ok(())
}

pub(super) fn replicas(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.nats.replicas = match typed(value)? {
        Count(1) => 1,
        Count(3) => 3,
        Count(_) => {
            return Err("it must be 1 or 3 (with two, either one that fails would stop the room)".to_owned());
        }
    };
    Ok(())
}

pub(super) fn max_age(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Time(time) = typed(value)?;
    if !(Duration::from_secs(60)..=365 * DAY).contains(&time) {
        return Err("it must be 1min to 365days (a machine that was away for less loses nothing)".to_owned());
    }
    builder.config.nats.max_age = time;
    Ok(())
}

pub(super) fn max_messages(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    if !(1_000..=1_000_000_000).contains(&count) {
        return Err(
            "it must be 1000 to 1000000000 (a machine that is further behind misses the oldest)".to_owned()
        );
    }
    builder.config.nats.max_messages = count as u64;
    Ok(())
}

pub(super) fn max_bytes(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Size(size) = typed(value)?;
    if !(1024 * 1024..=1024_usize.pow(4)).contains(&size) {
        return Err("it must be 1MiB to 1TiB (a machine that is further behind misses the oldest)".to_owned());
    }
    builder.config.nats.max_bytes = size as u64;
    Ok(())
}

pub(super) fn room(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || {
        format!(
            "it must be a name of 1 to {ROOM_BYTES_MAX} bytes without white space at its ends, or \"\" for a room of this machine alone"
        )
    };
    let Text(text) = typed(value).map_err(|_| right())?;
    let is_plain = !text.chars().any(char::is_control) && text.trim() == text;
    if Key::new(&text).as_str().len() > ROOM_BYTES_MAX || !is_plain {
        return Err(right());
    }
    builder.config.nats.room = text;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, Nats};

    fn parse(text: &str) -> Result<Config, String> {
        let listen = if text.contains("[chat]") { "" } else { "[chat]\n" };
        let text = format!("{text}\n{listen}listen = [\"tcp://localhost:1\"]\n");
        Config::parse(Path::new("f"), &text).map_err(|errors| errors.to_string())
    }

    #[test]
    fn nats_and_room_are_read_strictly() {
        let config = parse(
            "[nats]\nservers = [\"nats://a\", \"nats://b:1\"]\nhouse = \"school\"\nreplicas = 3\nmax_age = \"1h\"\n\
             max_messages = 5000\nmax_bytes = \"2MiB\"\n[chat]\nroom = \"class 7b\"",
        );
        let Nats { servers, house, replicas, max_messages, max_bytes, room, .. } = config.unwrap().nats;
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["nats://a:4222", "nats://b:1"]);
        assert_eq!((house.as_str(), replicas, max_messages), ("school", 3, 5000));
        assert_eq!((max_bytes, room.as_str()), (2 * 1024 * 1024, "class 7b"));
        for (text, expected) in [
            (
                "[nats]\nservers = \"nats://a\"",
                "f:2:11: servers is \"nats://a\"; it must be a list of at most 16",
            ),
            ("[nats]\nservers = [\"a:4222\"]", "f:2:12: a:4222: a server is nats:// or tls://"),
            ("[nats]\nservers = [5]", "f:2:12: a server is a string"),
            ("[nats]\nhouse = \"a.b\"", "it must be 1 to 32 letters"),
            ("[nats]\nhouse = \"\"", "it must be 1 to 32 letters"),
            ("[nats]\nreplicas = 2", "replicas is 2; it must be 1 or 3"),
            ("[nats]\ncredentials = \"token\"", "it must be an absolute path"),
            ("[nats]\nmax_age = \"1s\"", "it must be 1min to 365days"),
            ("[nats]\nmax_messages = 1", "it must be 1000 to"),
            ("[nats]\nmax_bytes = 1", "it must be 1MiB to 1TiB"),
            ("[nats]\nhandshake_first = 1", "it must be true or false"),
            ("[chat]\nroom = \" x\"", "it must be a name of 1 to 64 bytes"),
            ("[nats]\nserver = []", "did you mean \"servers\"?"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn password_in_the_address_of_a_server_is_not_shown() {
        let error = parse("[nats]\nservers = [\"nats://ann:hunter2@a\"]").unwrap_err();
        assert!(error.contains("name it with credentials") && !error.contains("hunter2"), "{error}");
    }
}
