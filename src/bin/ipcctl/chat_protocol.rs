//! The protocol of chat and talk: what to send, and what the received lines mean. Knows no terminal and no socket.

use super::services::{CHAT, TALK};
use std::io::Read;

use ipcd::engine::words::{self, ERROR, FAREWELL};

use super::services::ServiceSpec;

/// The word that ends a talk.
const BYE: &str = "bye";

/// The client's side of a conversation.
pub(crate) enum ChatProtocol {
    /// In the room, or joining it.
    Chat {
        /// The requested name.
        name: String,
        /// The number of the try: the second name is `NAME-2`.
        number: u32,
        /// Whether we have joined the room.
        is_in: bool,
        /// The key that proves that a name is ours, in case our connection is lost and the room does not know it yet.
        key: Option<String>,
        /// The room has the key; and has refused it for the name that is being tried.
        is_key_set: bool,
        is_key_tried: bool,
        /// The key was sent on this connection.
        is_key_said: bool,
        /// Whether this is certainly ipcd's room: another server would show commands to everyone.
        is_ipcd: bool,
        /// The room's passphrase, if known; and whether the room waits for it.
        passphrase: Option<String>,
        is_asked: bool,
    },
    /// In talk with a partner, or waiting for one.
    Talk,
}

/// The meaning of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing to show.
    Nothing,
    /// We have joined.
    Joined,
    /// The room asks for its passphrase.
    Asked,
    /// An error before we have joined.
    NotIn(String),
    /// Something else before we have joined: this may be another service.
    Other(String),
    /// To be shown.
    Line(String),
    /// An error for us, without `Error: `.
    Error(String),
    /// Everything that we sent was delivered, and this is the end.
    Farewell,
}

impl ChatProtocol {
    pub(crate) fn chat(name: String) -> ChatProtocol {
        ChatProtocol::Chat {
            name,
            number: 1,
            is_in: false,
            key: None,
            is_key_set: false,
            is_key_said: false,
            is_key_tried: false,
            is_ipcd: false,
            passphrase: None,
            is_asked: false,
        }
    }

    /// Adds the room's passphrase.
    pub(crate) fn with_passphrase(mut self, known: Option<String>) -> ChatProtocol {
        if let ChatProtocol::Chat { passphrase, .. } = &mut self {
            *passphrase = known;
        }
        self
    }

    /// The passphrase, if known.
    pub(crate) fn passphrase(&mut self) -> Option<String> {
        let ChatProtocol::Chat { passphrase, is_asked, .. } = self else { return None };
        *is_asked &= passphrase.is_none();
        passphrase.clone()
    }

    pub(crate) fn wanted(&self) -> &'static ServiceSpec {
        match self {
            ChatProtocol::Chat { .. } => &CHAT,
            ChatProtocol::Talk => &TALK,
        }
    }

    /// Our current name.
    pub(crate) fn name(&self) -> String {
        match self {
            ChatProtocol::Chat { name, number: 1, .. } => name.clone(),
            ChatProtocol::Chat { name, number, .. } => format!("{name}-{number}"),
            ChatProtocol::Talk => "you".to_owned(),
        }
    }

    /// The first line on a new connection.
    pub(crate) fn opening(&mut self) -> Option<String> {
        match self {
            ChatProtocol::Chat { number, is_in, is_key_tried, is_key_said, is_asked, .. } => {
                (*number, *is_in, *is_asked) = (1, false, false);
                (*is_key_tried, *is_key_said) = (false, false);
                Some(self.name())
            }
            ChatProtocol::Talk => None,
        }
    }

    /// Whether lines that we send now reach other people.
    pub(crate) fn is_in(&self) -> bool {
        match self {
            ChatProtocol::Chat { is_in, .. } => *is_in,
            ChatProtocol::Talk => true,
        }
    }

    /// The word to leave.
    pub(crate) fn farewell(&self) -> &'static str {
        match self {
            ChatProtocol::Chat { .. } => FAREWELL,
            ChatProtocol::Talk => BYE,
        }
    }

    /// Whether our own lines come back to us.
    pub(crate) fn is_echoed(&self) -> bool {
        matches!(self, ChatProtocol::Chat { .. })
    }

    pub(crate) fn handle(&mut self, line: String) -> Heard {
        // No member's line begins like this: it begins with a name, and this is not a valid name.
        let error = line.strip_prefix(ERROR).map(str::to_owned);
        if let ChatProtocol::Chat { is_ipcd, is_in, .. } = self {
            let is_certain = match is_in {
                true => error.is_some() || words::is_answer(&line),
                false => line == words::ASK_PASSPHRASE || error.as_deref().is_some_and(words::is_taken),
            };
            *is_ipcd |= is_certain;
        }
        match self {
            ChatProtocol::Chat { is_in: true, .. } if line == FAREWELL => Heard::Farewell,
            // No member's line comes before the welcome.
            ChatProtocol::Chat { is_in: false, .. } if words::is_greeting(&line) => Heard::Nothing,
            ChatProtocol::Chat { is_in: false, is_asked, .. } if line == words::ASK_PASSPHRASE => {
                *is_asked = true;
                Heard::Asked
            }
            ChatProtocol::Chat { is_in: is_in @ false, is_asked, .. } if words::is_welcome(&line) => {
                (*is_in, *is_asked) = (true, false);
                Heard::Joined
            }
            ChatProtocol::Chat { is_in: false, .. } => error.map_or(Heard::Other(line), Heard::NotIn),
            // A partner may say anything, even that.
            ChatProtocol::Talk => Heard::Line(line),
            ChatProtocol::Chat { .. } => error.map_or(Heard::Line(line), Heard::Error),
        }
    }
}

/// Whether the error, without `Error: `, says that the administrator wants this connection to end.
pub(crate) fn is_removal(error: &str) -> bool {
    [words::PUT_OUT, words::CLOSED].iter().any(|line| line.strip_prefix(ERROR) == Some(error))
}

/// For the screen, where a person can answer.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
impl ChatProtocol {
    /// The most names to try until one is free.
    const NAMES_MAX: u32 = 99;

    /// Marks the room as certainly ipcd's.
    pub(crate) fn at_ipcd(mut self, is_certain: bool) -> ChatProtocol {
        if let ChatProtocol::Chat { is_ipcd, .. } = &mut self {
            *is_ipcd = is_certain;
        }
        self
    }

    /// Whether the room waits for its passphrase, and the user must type it.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self, ChatProtocol::Chat { is_asked: true, .. })
    }

    /// The user has typed the passphrase.
    pub(crate) fn set_passphrase(&mut self, typed: String) {
        if let ChatProtocol::Chat { passphrase, is_asked, .. } = self {
            (*passphrase, *is_asked) = (Some(typed), false);
        }
    }

    /// The passphrase was wrong: the user must type it again.
    pub(crate) fn forget_passphrase(&mut self) {
        if let ChatProtocol::Chat { passphrase, is_asked, .. } = self {
            (*passphrase, *is_asked) = (None, true);
        }
    }

    /// Whether commands to the room stay private.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self, ChatProtocol::Chat { is_in: true, is_ipcd: true, .. })
    }

    /// The line that sets the key, once, so that we can take our name back after a half-lost connection.
    pub(crate) fn key_line(&mut self) -> Option<String> {
        let is_certain = self.is_certain();
        let ChatProtocol::Chat { key, is_key_set, is_key_said, .. } = self else { return None };
        if !is_certain || std::mem::replace(is_key_said, true) {
            return None;
        }
        if key.is_none() {
            *key = new_key();
        }
        *is_key_set = key.is_some();
        key.as_ref().map(|key| format!("/key {key}"))
    }

    /// The next line after a taken name: the key, because our lost connection may have the name; otherwise another name.
    pub(crate) fn another_try(&mut self) -> Option<Try> {
        let asked = self.name();
        match self {
            ChatProtocol::Chat { key: Some(key), is_key_set: true, is_key_tried: tried @ false, .. } => {
                *tried = true;
                Some(Try::Key(format!("/key {key} {asked}")))
            }
            ChatProtocol::Chat { number, is_key_tried, .. } if *number < Self::NAMES_MAX => {
                *number += 1;
                *is_key_tried = false;
                Some(Try::Name(self.name()))
            }
            _ => None,
        }
    }

    /// Whether our line is that word, or one like it.
    pub(crate) fn is_farewell(&self, line: &str) -> bool {
        match self {
            ChatProtocol::Chat { .. } => words::is_quit(line),
            ChatProtocol::Talk => line.trim().eq_ignore_ascii_case(BYE),
        }
    }
}

/// What to try if the name is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Try {
    /// Another name.
    Name(String),
    /// Send our key, which no one else may see.
    Key(String),
}

/// An unguessable secret: 128 random bits from the kernel. `None`: they are not available.
fn new_key() -> Option<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The end of the sender's name in a line; `None`: the line is from the room itself.
#[cfg(feature = "tui")]
pub(crate) fn speaker(line: &str) -> Option<usize> {
    // No name contains a colon or begins with a sign. The receiver's name may precede the colon.
    let (before, _) = line.split_once(": ")?;
    let end = before.find(" (to ").unwrap_or(before.len());
    let is_name = before.starts_with(char::is_alphanumeric) && !words::is_of_room(&before[..end]);
    is_name.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_name_is_retried_with_a_number_up_to_the_limit() {
        let mut protocol = ChatProtocol::chat("ann".to_owned());
        assert_eq!(protocol.opening().as_deref(), Some("ann"));
        assert_eq!(protocol.handle(words::GREETING.to_owned()), Heard::Nothing);
        let taken = "the name 'ann' is taken; choose another";
        assert_eq!(protocol.handle(format!("Error: {taken}")), Heard::NotIn(taken.to_owned()));
        assert!(words::is_taken(taken));
        assert_eq!(protocol.another_try(), Some(Try::Name("ann-2".to_owned())));
        assert_eq!(protocol.handle(words::welcome("ann-2")), Heard::Joined);
        assert_eq!(protocol.name(), "ann-2");
        // A new connection asks for the name that was wanted.
        assert_eq!(protocol.opening().as_deref(), Some("ann"));
        assert_eq!(std::iter::from_fn(|| protocol.another_try()).count(), 98);
    }

    #[test]
    fn own_name_is_reclaimed_once_with_the_key_before_another_is_tried() {
        let mut protocol = ChatProtocol::chat("ann".to_owned()).at_ipcd(true);
        protocol.opening();
        protocol.handle(words::welcome("ann"));
        let key = protocol.key_line().unwrap();
        assert!(key.len() == "/key ".len() + 32 && protocol.key_line().is_none(), "once");
        protocol.opening();
        protocol.handle(words::welcome("ann"));
        assert_eq!(protocol.key_line().as_ref(), Some(&key), "the same for the next room");
        protocol.opening();
        assert_eq!(protocol.another_try(), Some(Try::Key(format!("{key} ann"))));
        assert_eq!(protocol.another_try(), Some(Try::Name("ann-2".to_owned())));
        assert_eq!(protocol.another_try(), Some(Try::Key(format!("{key} ann-2"))));
        let mut other = ChatProtocol::chat("ann".to_owned()).at_ipcd(true);
        other.handle(words::welcome("ann"));
        assert_ne!(other.key_line(), Some(key));
    }

    #[test]
    fn other_servers_room_never_sees_our_key() {
        for (line, is_certain) in [
            ("bob: In the room: ann (1)", false),
            ("bob has joined the chat!", false),
            ("In the room: ann, bob (2)", true),
            ("Commands: /help, /who", true),
            ("Error: unknown command", true),
        ] {
            let mut protocol = ChatProtocol::chat("ann".to_owned());
            protocol.handle(words::welcome("ann"));
            assert_eq!((protocol.is_certain(), protocol.key_line()), (false, None));
            protocol.handle(line.to_owned());
            assert_eq!(
                (protocol.is_certain(), protocol.key_line().is_some()),
                (is_certain, is_certain),
                "{line}"
            );
        }
        let mut protocol = ChatProtocol::chat("ann".to_owned());
        protocol.handle(words::ASK_PASSPHRASE.to_owned());
        protocol.handle(words::welcome("ann"));
        assert!(protocol.is_certain());
    }

    #[cfg(feature = "tui")]
    #[test]
    fn line_comes_from_the_room_or_from_a_speaker() {
        for (line, speaker_is) in [
            ("ann: hi", Some("ann")),
            ("ann (to you): hi: ho", Some("ann")),
            ("you (to bob): hi", Some("you")),
            ("O'Brien-2: x", Some("O'Brien-2")),
            ("* ann says: hi", None),
            ("* ann (to you): hi", None),
            ("In the room: ann (1)", None),
            ("Commands: /help", None),
            ("Server is shutting down.", None),
            ("ann has joined the chat!", None),
        ] {
            assert_eq!(speaker(line).map(|end| &line[..end]), speaker_is, "{line}");
        }
    }

    #[test]
    fn only_the_room_can_confirm_joining_or_the_end() {
        let mut protocol = ChatProtocol::chat("ann".to_owned());
        protocol.handle(words::welcome("ann"));
        assert_eq!(
            ChatProtocol::chat("ann".to_owned()).handle("50.0".to_owned()),
            Heard::Other("50.0".to_owned())
        );
        for line in ["Welcome ann! If", "bob: {quit}", "Greetings from the cave!"] {
            assert_eq!(protocol.handle(line.to_owned()), Heard::Line(line.to_owned()));
        }
        assert_eq!(protocol.handle("Error: x".to_owned()), Heard::Error("x".to_owned()));
        assert_eq!(protocol.handle("{quit}".to_owned()), Heard::Farewell);
        assert_eq!(ChatProtocol::Talk.handle("{quit}".to_owned()), Heard::Line("{quit}".to_owned()));
    }
}
