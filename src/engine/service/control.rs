//! Requests to control, on the mux, from authorized clients. Knows no daemon.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::engine::message::Request;
use crate::engine::text::{clean, quote};

/// The known requests, for an error.
const KNOWN: &str =
    "reload, handover, notify, kick NAME, mute NAME [FOR], unmute NAME, say TEXT, close ADDRESS, token";

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A request to the daemon.
    Ask(Request),
    /// An action on other clients.
    Do(Order),
    /// The token of the page, for the teacher.
    Token,
}

/// An action on other clients. Its text has no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Remove a member from the room.
    Kick(String),
    /// Mute a member: `NAME [FOR]`.
    Mute(String),
    /// Unmute a member.
    Unmute(String),
    /// Send this to everyone in the room.
    Say(String),
    /// Close connections.
    Close(Target),
}

/// The connections to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// All from this address.
    Address(IpAddr),
    /// The one from this address and port.
    Socket(SocketAddr),
    /// All of this user's on Unix sockets.
    User(u32),
    /// All of this process's there.
    Pid(u32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => write!(f, "{address}"),
            Target::Socket(address) => write!(f, "{address}"),
            Target::User(uid) => write!(f, "uid {uid}"),
            Target::Pid(pid) => write!(f, "pid {pid}"),
        }
    }
}

/// Parses a request; the error says what would be right.
pub fn read(message: &[u8]) -> Result<Command, String> {
    let text = clean(message);
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim().to_owned();
    match word {
        "reload" if rest.is_empty() => return Ok(Command::Ask(Request::Reload)),
        "token" if rest.is_empty() => return Ok(Command::Token),
        "notify" if rest.is_empty() => return Ok(Command::Ask(Request::Notify)),
        "handover" if rest.is_empty() => return Ok(Command::Ask(Request::HandOver)),
        "kick" | "mute" | "unmute" if rest.is_empty() => {
            return Err(format!("{word} needs the name of a member of the room, for example: {word} ann"));
        }
        "say" if rest.is_empty() => {
            return Err("say needs a text, for example: say five more minutes".to_owned());
        }
        _ => {}
    }
    Ok(Command::Do(match word {
        "kick" => Order::Kick(rest),
        "mute" => Order::Mute(rest),
        "unmute" => Order::Unmute(rest),
        "say" => Order::Say(rest),
        "close" => Order::Close(target(&rest).ok_or_else(|| {
            format!(
                "close needs an address, not '{}': for example close 192.168.1.20, close 192.168.1.20:51234, close uid:1000 or close pid:4711",
                quote(rest.as_bytes())
            )
        })?),
        _ => return Err(format!("unknown request: '{}' (known: {KNOWN})", quote(message))),
    }))
}

/// Parses a target: an address, an address and port, `uid:N` or `pid:N`.
fn target(text: &str) -> Option<Target> {
    let number = |prefix: &str| text.strip_prefix(prefix)?.trim_start_matches([':', ' ']).parse().ok();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Target::Address(address.to_canonical()));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Target::Socket(SocketAddr::new(address.ip().to_canonical(), address.port())));
    }
    number("uid").map(Target::User).or_else(|| number("pid").map(Target::Pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_a_verb_and_its_object() {
        for (message, command) in [
            (" reload\r", Command::Ask(Request::Reload)),
            ("token", Command::Token),
            ("notify", Command::Ask(Request::Notify)),
            ("handover", Command::Ask(Request::HandOver)),
            ("kick  ann lee ", Command::Do(Order::Kick("ann lee".into()))),
            ("mute ann 5min", Command::Do(Order::Mute("ann 5min".into()))),
            ("unmute ann", Command::Do(Order::Unmute("ann".into()))),
            ("say it\u{1b}[2J is: late", Command::Do(Order::Say("it[2J is: late".into()))),
            ("close 192.0.2.1", Command::Do(Order::Close(Target::Address([192, 0, 2, 1].into())))),
            ("close ::ffff:192.0.2.1", Command::Do(Order::Close(Target::Address([192, 0, 2, 1].into())))),
            ("close 192.0.2.1:5", Command::Do(Order::Close(Target::Socket(([192, 0, 2, 1], 5).into())))),
            ("close uid:7", Command::Do(Order::Close(Target::User(7)))),
            ("close uid 7", Command::Do(Order::Close(Target::User(7)))),
            ("close pid:7", Command::Do(Order::Close(Target::Pid(7)))),
        ] {
            assert_eq!(read(message.as_bytes()), Ok(command), "{message}");
        }
        for (message, right) in [
            ("reload now", "known: reload, handover, notify, kick NAME"),
            ("", "known: reload"),
            ("kick", "for example: kick ann"),
            ("mute ", "for example: mute ann"),
            ("say", "for example: say "),
            ("close", "for example close 192.168.1.20"),
            ("close everybody", "not 'everybody'"),
        ] {
            let error = read(message.as_bytes()).expect_err(message);
            assert!(error.contains(right), "{message}: {error}");
        }
    }
}
