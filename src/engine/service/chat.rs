//! The meaning of a message in the chat: a name, a command, or text for the room. Acts on the room; knows no socket.

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything};
use crate::engine::charset;
use crate::engine::claim::Claim;
use crate::engine::limits::NAME_CHARS_MAX;
use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::message::{ConnectionId, RemoteAddress};
use crate::engine::name::{Key, Name, beginnings, is_name_char};
use crate::engine::room::{MemberId, Room};
use crate::engine::text::{clean, is_plain, quote};
use crate::engine::words::{self, is_quit};

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "chat",
    conduct: Conduct::Chat,
    needs: &[Need::Session, Need::Others],
    default_port: Some(33000),
    first: First::Name,
    idle: Idle::Never,
    waits_for: Some("a name, and then messages"),
    is_typed: true,
    is_complete: is_anything,
    is_private: is_private_behind_name,
    is_shared: true,
    openness: Openness::Everybody,
    replies: Replies::Many(REPLY_BYTES_MAX),
    burst: None,
    keeps: Keeps::OfRoom,
    unread: "",
    own_words: &[],
};

const HELP: &str = "Commands: /help, /who, /me TEXT, /msg NAME TEXT, /quit or {quit}; //TEXT says /TEXT";

/// Shown to others in place of a `/msg` that reached nobody.
const MISSED: &str = "a /msg that reached nobody";

/// The outcome of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message was sent, or the command executed.
    Done,
    /// The client has joined the room, with this id. The rest of the message, if any, is the first thing that it says.
    Joined(MemberId, String),
    /// The client has a name, and joins the room as soon as the shared log says so.
    Waits,
    /// The client has proved that it is this member. Its connection was `from` until now, and `begun` is the rest of a line that
    /// was sent there in part.
    Returned {
        /// Its number in the room.
        member_id: MemberId,
        /// Its previous connection.
        from: ConnectionId,
        /// The rest of a line.
        begun: Vec<u8>,
    },
    /// It got this error (without `Error: `).
    Erred(String),
    /// It was for one member alone.
    Whispered,
    /// It wants to leave.
    Quit,
}

/// Whether a message is plain, as most are: text without a character to be removed, not a command, and not a word for leaving.
fn is_simply_said(message: &[u8]) -> bool {
    is_plain(message) && !matches!(message.trim_ascii(), b"" | [b'/' | b'{', ..] | b"quit" | b"exit" | b"bye")
}

/// Handles the first message of a client that is not in the room: its name and, from a raw client, perhaps a first message in the
/// same burst.
pub fn handle_name(
    room: &mut Room,
    peer: ConnectionId,
    remote: RemoteAddress,
    message: &[u8],
    bare: bool,
) -> Outcome {
    let text = String::from_utf8_lossy(message);
    if is_quit(&text) {
        return Outcome::Quit;
    }
    if let Some(encoding) = charset::guess(message) {
        // The text after /key is secret.
        let complaint = charset::complaint(message).filter(|_| !text.trim().starts_with(KEY));
        return Outcome::Erred(complaint.unwrap_or_else(|| encoding.to_string()));
    }
    if room.is_crowded() {
        return Outcome::Erred(words::CROWDED.to_owned());
    }
    if let Some(arguments) = text.trim().strip_prefix(KEY).filter(|rest| is_end_of_word(rest)) {
        return show_key(room, peer, remote, arguments.trim()).unwrap_or_else(Outcome::Erred);
    }
    let mut rest = "";
    let mut name = Name::new(&text);
    if name.is_err() && bare && text.trim().chars().nth(NAME_CHARS_MAX).is_some() {
        // A raw client may send its name and first message as one burst. The message begins with a character that no name has.
        let end = text.find(|c| !is_name_char(c)).unwrap_or(text.len());
        (name, rest) = (Name::new(&text[..end]), &text[end..]);
    }
    match name {
        Err(reason) => Outcome::Erred(reason.to_string()),
        Ok(name) if room.is_taken(&name.key) => Outcome::Erred(words::taken(&name.shown)),
        Ok(name) if room.has(&name) => Outcome::Erred(words::alike(&name.shown)),
        Ok(name) => match room.enter(peer, name, rest, None) {
            Some(member_id) => Outcome::Joined(member_id, rest.to_owned()),
            None => Outcome::Waits,
        },
    }
}

/// Whether this message would make the client a member with a name that is new in the room.
pub fn is_new_name(room: &Room, remote: RemoteAddress, message: &[u8]) -> bool {
    let text = String::from_utf8_lossy(message);
    if is_quit(&text) || charset::guess(message).is_some() {
        return false;
    }
    match text.trim().strip_prefix(KEY).filter(|rest| is_end_of_word(rest)) {
        Some(arguments) => arguments.trim().split_once(char::is_whitespace).is_some_and(|(secret, name)| {
            let name = Name::new(name).ok().filter(|name| !room.has(name));
            Claim::new(remote, secret).is_some() && name.is_some()
        }),
        None => {
            let end = text.find(|c| !is_name_char(c)).unwrap_or(text.len());
            let is_free = |text: &str| Name::new(text).is_ok_and(|name| !room.has(&name));
            is_free(&text) || text.trim().chars().nth(NAME_CHARS_MAX).is_some() && is_free(&text[..end])
        }
    }
}

/// Whether anyone else may see a message of a member.
pub fn is_to_be_heard(message: &[u8]) -> bool {
    let text = clean(message);
    let text = text.trim();
    let command = text.strip_prefix('/').and_then(|command| command.split_whitespace().next());
    !(text.is_empty() || is_quit(text) || matches!(command, Some("help" | "who" | "key")))
}

/// The secret of `/key`. A new client proves with it that it owns a name, or a member sets it, to get its name back if its
/// connection is lost.
const KEY: &str = "/key";

const KEY_USAGE: &str = "/key needs a secret of 32 to 64 letters, digits or signs, and then a name";

fn is_end_of_word(rest: &str) -> bool {
    rest.chars().next().is_none_or(char::is_whitespace)
}

/// Handles `/key SECRET NAME` from a client without a name: it is the owner of that name, or becomes the owner.
fn show_key(
    room: &mut Room,
    peer: ConnectionId,
    remote: RemoteAddress,
    arguments: &str,
) -> Result<Outcome, String> {
    let (secret, name) = arguments.split_once(char::is_whitespace).ok_or(KEY_USAGE)?;
    let claim = Claim::new(remote, secret).ok_or(KEY_USAGE)?;
    let name = Name::new(name).map_err(|reason| reason.to_string())?;
    match room.member_id_of(&name.key) {
        Some(member_id) if room.claim(member_id).is_some_and(|own| own.is_same(&claim)) => {
            let (from, begun) = room.take_over(member_id, peer);
            Ok(Outcome::Returned { member_id, from, begun })
        }
        Some(_) => Err(words::not_the_key(&name.shown)),
        None if room.is_taken(&name.key) => Err(words::not_the_key(&name.shown)),
        None if room.has(&name) => Err(words::alike(&name.shown)),
        None => Ok(match room.enter(peer, name, "", Some(claim)) {
            Some(member_id) => Outcome::Joined(member_id, String::new()),
            None => Outcome::Waits,
        }),
    }
}

/// Adds a client that cannot be asked for another name: if `wanted` is taken, it becomes `wanted-2`, and so on. `None`: it joins as
/// soon as the shared log says so.
pub fn enter_as(room: &mut Room, peer: ConnectionId, wanted: &str) -> Option<MemberId> {
    let mut number = 1;
    let name = loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let base: String = wanted.chars().take(NAME_CHARS_MAX - suffix.len()).collect();
        // The configuration refuses such a name already; the client joins all the same.
        let name = Name::new(&format!("{base}{suffix}")).or_else(|_| Name::new(&format!("endpoint{suffix}")));
        match name.ok().filter(|name| !room.has(name)) {
            Some(name) => break name,
            None => number += 1,
        }
    };
    room.enter(peer, name, "", None)
}

/// Sends a message to the room unchanged, whatever it begins with.
pub fn say(room: &mut Room, member_id: MemberId, message: &[u8]) {
    let text = clean(message);
    if !text.trim().is_empty() {
        room.broadcast(member_id, text.as_bytes());
    }
}

/// A message from a member.
pub fn handle_message(
    room: &mut Room,
    member_id: MemberId,
    remote: RemoteAddress,
    message: &[u8],
) -> Outcome {
    if is_simply_said(message) {
        room.broadcast(member_id, message);
        return Outcome::Done;
    }
    let text = clean(message);
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Outcome::Done;
    }
    if is_quit(trimmed) {
        return Outcome::Quit;
    }
    let Some(rest) = text.strip_prefix('/') else {
        room.broadcast(member_id, text.as_bytes());
        return Outcome::Done;
    };
    if rest.starts_with('/') {
        room.broadcast(member_id, rest.as_bytes());
        return Outcome::Done;
    }
    let (command, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let arguments = arguments.trim();
    let outcome = match command {
        "help" => {
            room.send_to(member_id, HELP);
            Ok(())
        }
        "who" => {
            let line = format!("{}{}", words::WHO, room.who());
            room.send_to(member_id, &line);
            Ok(())
        }
        "me" if arguments.is_empty() => Err("/me needs a text, for example: /me waves".to_owned()),
        "me" => {
            room.emote(member_id, arguments);
            Ok(())
        }
        "msg" => {
            return whisper(room, member_id, arguments).map_or_else(
                |error| {
                    room.whisper(member_id, &format!("Error: {error}"));
                    Outcome::Erred(MISSED.to_owned()) // even a mistyped name is private
                },
                |()| Outcome::Whispered,
            );
        }
        "key" => match Claim::new(remote, arguments) {
            Some(claim) => {
                room.set_claim(member_id, claim);
                Ok(())
            }
            None => Err("/key needs a secret of 32 to 64 letters, digits or signs".to_owned()),
        },
        _ => Err(format!("unknown command: /{} (try /help)", quote(command.as_bytes()))),
    };
    match outcome {
        Ok(()) => Outcome::Done,
        Err(error) => {
            room.send_to(member_id, &format!("Error: {error}"));
            Outcome::Erred(error)
        }
    }
}

/// Whether a member's message is private, or may have been meant as private: every command, except those that are known to be
/// public.
pub fn is_private(message: &[u8]) -> bool {
    let text = clean(message);
    let Some(command) = text.strip_prefix('/') else { return false };
    let word = command.split(char::is_whitespace).next().unwrap_or_default();
    !(command.starts_with('/') || matches!(word, "help" | "who" | "me" | "quit"))
}

/// The same for the first message, or for the text after a name in the same burst.
pub fn is_private_behind_name(message: &[u8]) -> bool {
    let text = clean(message);
    text.find('/').is_some_and(|at| is_private(&text.as_bytes()[at..]))
}

/// Handles `/msg NAME TEXT`. The name is the longest one in the room with which the text starts, as whole words: a message for
/// bobby does not go to bob.
fn whisper(room: &mut Room, member_id: MemberId, text: &str) -> Result<(), String> {
    const USAGE: &str = "/msg needs a name and a text, for example: /msg bob hi";
    let is_member = |key: &Key| room.member_id_of(key).is_some() || room.is_elsewhere(key);
    let Some((end, key)) = beginnings(text).filter(|(_, key)| is_member(key)).last() else {
        let name = text.split_whitespace().next().ok_or(USAGE)?;
        return Err(format!("nobody here is called '{}' (try /who)", quote(name.as_bytes())));
    };
    let words = text[end..].trim_start();
    if words.is_empty() {
        return Err(USAGE.to_owned());
    }
    let Some(to) = room.member_id_of(&key) else {
        return room.whisper_elsewhere(member_id, &key, words).unwrap_or_else(|| Err(USAGE.to_owned()));
    };
    let (to_them, to_us) = (
        format!("{} (to you): {words}", room.name(member_id)),
        format!("you (to {}): {words}", room.name(to)),
    );
    room.whisper(to, &to_them);
    room.whisper(member_id, &to_us);
    Ok(())
}
