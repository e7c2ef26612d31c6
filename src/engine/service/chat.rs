//! What a message means in the chat: a name, a command, or something said. Acts on the room; has never seen a socket.

use crate::engine::limits::NAME_CHARS_MAX;
use crate::engine::message::Peer;
use crate::engine::name::{Name, beginnings, is_name_char};
use crate::engine::room::{Room, Seat};
use crate::engine::text::{clean, is_plain, quote};

/// Said to everybody who comes.
pub const GREETING: &str = "Greetings from the cave! Now type your name and press enter!";

/// Said to everybody who quits.
pub const FAREWELL: &str = "{quit}";

const HELP: &str = "Commands: /help, /who, /me TEXT, /msg NAME TEXT, /quit or {quit}; //TEXT says /TEXT";
const NO_NAME: &str = "a name is 1 to 32 letters, digits, spaces, '-', '_' or '.'; type another one";

/// What others see of a `/msg` that reached nobody.
const MISSED: &str = "a /msg that reached nobody";

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was said or done.
    Done,
    /// The visitor is in the room now, under this name. The rest of the message, if any, is the first thing it says.
    Joined(Seat, String),
    /// It got this error, without its `Error: `.
    Erred(String),
    /// The visitor wants to go.
    Quit,
}

/// Whether the text is one of the words for leaving.
fn is_quit(text: &str) -> bool {
    matches!(text.trim(), "{quit}" | "quit" | "/quit")
}

/// Whether a message is what it seems to be, as most are: words without a character to be removed, no command, and not for
/// leaving.
fn is_simply_said(message: &[u8]) -> bool {
    is_plain(message) && !matches!(message.trim_ascii(), b"" | [b'/', ..] | b"{quit}" | b"quit")
}

/// The first message of somebody who is not in the room: its name, and from a raw client perhaps a first
/// message in the same burst.
pub fn handle_name(room: &mut Room, peer: Peer, message: &[u8], bare: bool) -> Verdict {
    let text = String::from_utf8_lossy(message);
    if is_quit(&text) {
        return Verdict::Quit;
    }
    let mut rest = "";
    let mut name = Name::new(&text);
    if name.is_none() && bare {
        // A raw client whose name and first message came as one burst: no name has the character that begins the message.
        let end = text.find(|c| !is_name_char(c)).unwrap_or(text.len());
        (name, rest) = (Name::new(&text[..end]), &text[end..]);
    }
    match name {
        None => Verdict::Erred(NO_NAME.to_owned()),
        Some(name) if room.has(&name.key) => {
            Verdict::Erred(format!("somebody is called '{}' already; type another name", name.shown))
        }
        Some(name) => Verdict::Joined(room.join(peer, name, bare), rest.to_owned()),
    }
}

/// Whether somebody in the room can be called so.
pub fn is_name(text: &str) -> bool {
    Name::new(text).is_some()
}

/// Lets in somebody whom nobody can ask for another name: if `wanted` is taken it is `wanted-2`, and so on.
pub fn enter_as(room: &mut Room, peer: Peer, wanted: &str) -> Seat {
    let mut number = 1;
    let name = loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let base: String = wanted.chars().take(NAME_CHARS_MAX - suffix.len()).collect();
        // A configuration is refused in which that is no name; somebody comes in all the same.
        let name = Name::new(&format!("{base}{suffix}")).or_else(|| Name::new(&format!("fifo{suffix}")));
        match name.filter(|name| !room.has(&name.key)) {
            Some(name) => break name,
            None => number += 1,
        }
    };
    room.join(peer, name, false)
}

/// The welcome for a newcomer.
pub fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// A message from somebody in the room.
pub fn handle_message(room: &mut Room, seat: Seat, message: &[u8]) -> Verdict {
    if is_simply_said(message) {
        room.say(seat, message);
        return Verdict::Done;
    }
    let text = clean(message);
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Verdict::Done;
    }
    if is_quit(trimmed) {
        return Verdict::Quit;
    }
    let Some(rest) = text.strip_prefix('/') else {
        room.say(seat, text.as_bytes());
        return Verdict::Done;
    };
    if rest.starts_with('/') {
        room.say(seat, rest.as_bytes());
        return Verdict::Done;
    }
    let (command, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let arguments = arguments.trim();
    let outcome = match command {
        "help" => {
            room.tell(seat, HELP);
            Ok(())
        }
        "who" => {
            let line = format!("In the room: {}", room.who());
            room.tell(seat, &line);
            Ok(())
        }
        "me" if arguments.is_empty() => Err("/me needs words, for example: /me waves".to_owned()),
        "me" => {
            room.act(seat, arguments);
            Ok(())
        }
        "msg" => {
            return whisper(room, seat, arguments).map_or_else(
                |error| {
                    room.whisper(seat, &format!("Error: {error}"));
                    Verdict::Erred(MISSED.to_owned()) // which name, or what was taken for one, is between the two
                },
                |()| Verdict::Done,
            );
        }
        _ => Err(format!("unknown command: /{} (try /help)", quote(command.as_bytes()))),
    };
    match outcome {
        Ok(()) => Verdict::Done,
        Err(error) => {
            room.tell(seat, &format!("Error: {error}"));
            Verdict::Erred(error)
        }
    }
}

/// Whether what somebody in the room says is for one other alone, or may have been meant so: every command but those that are
/// known to say nothing of the kind.
pub fn is_private(message: &[u8]) -> bool {
    let text = clean(message);
    let Some(command) = text.strip_prefix('/') else { return false };
    let word = command.split(char::is_whitespace).next().unwrap_or_default();
    !(command.starts_with('/') || matches!(word, "help" | "who" | "me" | "quit"))
}

/// The same for what comes before a name is given, or behind one in its burst.
pub fn is_private_behind_name(message: &[u8]) -> bool {
    let text = clean(message);
    text.find('/').is_some_and(|at| is_private(&text.as_bytes()[at..]))
}

/// `/msg NAME TEXT`: the name is the longest one in the room that the text starts with, as whole words: what is meant for
/// bobby does not go to bob.
fn whisper(room: &mut Room, seat: Seat, text: &str) -> Result<(), String> {
    const USAGE: &str = "/msg needs a name and words, for example: /msg bob hi";
    let named = beginnings(text).filter_map(|(end, key)| Some((end, room.seat_of(&key)?))).last();
    let Some((end, to)) = named else {
        let name = text.split_whitespace().next().ok_or(USAGE)?;
        return Err(format!("nobody here is called '{}' (try /who)", quote(name.as_bytes())));
    };
    let words = text[end..].trim_start();
    if words.is_empty() {
        return Err(USAGE.to_owned());
    }
    let (to_them, to_us) =
        (format!("{} (to you): {words}", room.name(seat)), format!("you (to {}): {words}", room.name(to)));
    room.whisper(to, &to_them);
    room.whisper(seat, &to_us);
    Ok(())
}
