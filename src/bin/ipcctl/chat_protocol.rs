//! What is said to the chat room or to a partner, and what the answers mean. Knows no terminal and no socket.

use super::services::{CHAT, TALK};
use std::io::Read;

use ipcd::engine::words::{self, ERROR, FAREWELL};

use super::services::ServiceSpec;

/// The word that ends a talk.
const BYE: &str = "bye";

/// One side of a conversation among people.
pub(crate) enum Speech {
    /// In the room, or on the way there.
    Chat {
        /// The name that was asked for.
        name: String,
        /// Which try this is: the second is `NAME-2`.
        number: u32,
        /// Whether the room has let us in.
        is_in: bool,
        /// What proves that a name is ours, should our connection be lost and the room not know it yet.
        key: Option<String>,
        /// The room has heard of the key; and has refused it for the name that is being tried.
        is_key_set: bool,
        is_key_tried: bool,
        /// It was told on this connection.
        is_key_said: bool,
        /// It is ipcd's room for certain: another server says to all what is meant for the room itself.
        is_ipcd: bool,
        /// What the room wants of newcomers, as far as it is known; and whether it waits for that.
        passphrase: Option<String>,
        is_asked: bool,
    },
    /// With a partner, or waiting for one.
    Talk,
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that anybody has to see.
    Nothing,
    /// We are in.
    Joined,
    /// The room wants its passphrase.
    Asked,
    /// This error, before we are in.
    NotIn(String),
    /// Something else before we are in: another service may live there.
    Other(String),
    /// To be shown.
    Line(String),
    /// An error of ours, without `Error: `.
    Error(String),
    /// All that we said was heard, and this is the end.
    Farewell,
}

impl Speech {
    pub(crate) fn chat(name: String) -> Speech {
        Speech::Chat {
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

    /// The same, in a room of which it is certain that it is ipcd's.
    #[cfg_attr(not(feature = "tui"), allow(dead_code))]
    pub(crate) fn at_ipcd(mut self, is_certain: bool) -> Speech {
        if let Speech::Chat { is_ipcd, .. } = &mut self {
            *is_ipcd = is_certain;
        }
        self
    }

    /// The same, who knows the room's passphrase.
    pub(crate) fn with_passphrase(mut self, known: Option<String>) -> Speech {
        if let Speech::Chat { passphrase, .. } = &mut self {
            *passphrase = known;
        }
        self
    }

    /// The passphrase, if it is known.
    pub(crate) fn passphrase(&mut self) -> Option<String> {
        let Speech::Chat { passphrase, is_asked, .. } = self else { return None };
        *is_asked &= passphrase.is_none();
        passphrase.clone()
    }

    pub(crate) fn wanted(&self) -> &'static ServiceSpec {
        match self {
            Speech::Chat { .. } => &CHAT,
            Speech::Talk => &TALK,
        }
    }

    /// The name we go by.
    pub(crate) fn name(&self) -> String {
        match self {
            Speech::Chat { name, number: 1, .. } => name.clone(),
            Speech::Chat { name, number, .. } => format!("{name}-{number}"),
            Speech::Talk => "you".to_owned(),
        }
    }

    /// What a new connection begins with.
    pub(crate) fn opening(&mut self) -> Option<String> {
        match self {
            Speech::Chat { number, is_in, is_key_tried, is_key_said, is_asked, .. } => {
                (*number, *is_in, *is_asked) = (1, false, false);
                (*is_key_tried, *is_key_said) = (false, false);
                Some(self.name())
            }
            Speech::Talk => None,
        }
    }

    /// Whether what we say now is heard by people.
    pub(crate) fn is_in(&self) -> bool {
        match self {
            Speech::Chat { is_in, .. } => *is_in,
            Speech::Talk => true,
        }
    }

    /// The word for leaving.
    pub(crate) fn farewell(&self) -> &'static str {
        match self {
            Speech::Chat { .. } => FAREWELL,
            Speech::Talk => BYE,
        }
    }

    /// Whether the room says to us what we say.
    pub(crate) fn is_echoed(&self) -> bool {
        matches!(self, Speech::Chat { .. })
    }

    pub(crate) fn handle(&mut self, line: String) -> Heard {
        // No member's line begins so: it begins with a name, and that is none.
        let error = line.strip_prefix(ERROR).map(str::to_owned);
        if let Speech::Chat { is_ipcd, is_in, .. } = self {
            let is_certain = match is_in {
                true => error.is_some() || words::is_answer(&line),
                false => line == words::ASK_PASSPHRASE || error.as_deref().is_some_and(words::is_taken),
            };
            *is_ipcd |= is_certain;
        }
        match self {
            Speech::Chat { is_in: true, .. } if line == FAREWELL => Heard::Farewell,
            // Nothing that a member says comes before the welcome.
            Speech::Chat { is_in: false, .. } if words::is_greeting(&line) => Heard::Nothing,
            Speech::Chat { is_in: false, is_asked, .. } if line == words::ASK_PASSPHRASE => {
                *is_asked = true;
                Heard::Asked
            }
            Speech::Chat { is_in: is_in @ false, is_asked, .. } if words::is_welcome(&line) => {
                (*is_in, *is_asked) = (true, false);
                Heard::Joined
            }
            Speech::Chat { is_in: false, .. } => error.map_or(Heard::Other(line), Heard::NotIn),
            // A partner may say anything, even that.
            Speech::Talk => Heard::Line(line),
            Speech::Chat { .. } => error.map_or(Heard::Line(line), Heard::Error),
        }
    }
}

/// For somebody who is asked, and answers.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
impl Speech {
    /// How many names are tried, until one is free.
    const NAMES_MAX: u32 = 99;

    /// Whether the room waits for its passphrase, and somebody has to type it.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self, Speech::Chat { is_asked: true, .. })
    }

    /// Somebody has typed it.
    pub(crate) fn is_told(&mut self, typed: String) {
        if let Speech::Chat { passphrase, is_asked, .. } = self {
            (*passphrase, *is_asked) = (Some(typed), false);
        }
    }

    /// The passphrase is not the one that was typed.
    pub(crate) fn is_wrong(&mut self) {
        if let Speech::Chat { passphrase, is_asked, .. } = self {
            (*passphrase, *is_asked) = (None, true);
        }
    }

    /// Whether what is said to the room itself is heard by nobody else.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self, Speech::Chat { is_in: true, is_ipcd: true, .. })
    }

    /// The text, once, so that the name is ours again should the connection be lost by half.
    pub(crate) fn key_line(&mut self) -> Option<String> {
        let is_certain = self.is_certain();
        let Speech::Chat { key, is_key_set, is_key_said, .. } = self else { return None };
        if !is_certain || std::mem::replace(is_key_said, true) {
            return None;
        }
        if key.is_none() {
            *key = new_key();
        }
        *is_key_set = key.is_some();
        key.as_ref().map(|key| format!("/key {key}"))
    }

    /// The text next, after a name that somebody has: perhaps it is we who have it; else another one.
    pub(crate) fn another_try(&mut self) -> Option<Try> {
        let asked = self.name();
        match self {
            Speech::Chat { key: Some(key), is_key_set: true, is_key_tried: tried @ false, .. } => {
                *tried = true;
                Some(Try::Key(format!("/key {key} {asked}")))
            }
            Speech::Chat { number, is_key_tried, .. } if *number < Self::NAMES_MAX => {
                *number += 1;
                *is_key_tried = false;
                Some(Try::Name(self.name()))
            }
            _ => None,
        }
    }

    /// Whether a line of ours is that word, or one of its like.
    pub(crate) fn is_farewell(&self, line: &str) -> bool {
        match self {
            Speech::Chat { .. } => words::is_quit(line),
            Speech::Talk => line.trim().eq_ignore_ascii_case(BYE),
        }
    }
}

/// What may help where somebody has the name.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Try {
    /// Another name.
    Name(String),
    /// To show that we are the one. Nobody else is to see it.
    Key(String),
}

/// A secret that nobody can guess: 128 bits from the kernel. `None`: there are none to be had.
fn new_key() -> Option<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where the name of whoever says a line ends; `None`: the room itself says it.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
pub(crate) fn speaker(line: &str) -> Option<usize> {
    // No name has a colon or begins with a sign. Before the colon may stand who it is for.
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
        let mut speech = Speech::chat("ann".to_owned());
        assert_eq!(speech.opening().as_deref(), Some("ann"));
        assert_eq!(speech.handle(words::GREETING.to_owned()), Heard::Nothing);
        let taken = "the name 'ann' is taken; choose another";
        assert_eq!(speech.handle(format!("Error: {taken}")), Heard::NotIn(taken.to_owned()));
        assert!(words::is_taken(taken));
        assert_eq!(speech.another_try(), Some(Try::Name("ann-2".to_owned())));
        assert_eq!(speech.handle(words::welcome("ann-2")), Heard::Joined);
        assert_eq!(speech.name(), "ann-2");
        // A new connection asks for the name that was wanted.
        assert_eq!(speech.opening().as_deref(), Some("ann"));
        assert_eq!(std::iter::from_fn(|| speech.another_try()).count(), 98);
    }

    #[test]
    fn own_name_is_reclaimed_once_with_the_key_before_another_is_tried() {
        let mut speech = Speech::chat("ann".to_owned()).at_ipcd(true);
        speech.opening();
        speech.handle(words::welcome("ann"));
        let key = speech.key_line().unwrap();
        assert!(key.len() == "/key ".len() + 32 && speech.key_line().is_none(), "once");
        speech.opening();
        speech.handle(words::welcome("ann"));
        assert_eq!(speech.key_line().as_ref(), Some(&key), "the same for the next room");
        speech.opening();
        assert_eq!(speech.another_try(), Some(Try::Key(format!("{key} ann"))));
        assert_eq!(speech.another_try(), Some(Try::Name("ann-2".to_owned())));
        assert_eq!(speech.another_try(), Some(Try::Key(format!("{key} ann-2"))));
        let mut other = Speech::chat("ann".to_owned()).at_ipcd(true);
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
            let mut speech = Speech::chat("ann".to_owned());
            speech.handle(words::welcome("ann"));
            assert_eq!((speech.is_certain(), speech.key_line()), (false, None));
            speech.handle(line.to_owned());
            assert_eq!(
                (speech.is_certain(), speech.key_line().is_some()),
                (is_certain, is_certain),
                "{line}"
            );
        }
        let mut speech = Speech::chat("ann".to_owned());
        speech.handle(words::ASK_PASSPHRASE.to_owned());
        speech.handle(words::welcome("ann"));
        assert!(speech.is_certain());
    }

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
        let mut speech = Speech::chat("ann".to_owned());
        speech.handle(words::welcome("ann"));
        assert_eq!(Speech::chat("ann".to_owned()).handle("50.0".to_owned()), Heard::Other("50.0".to_owned()));
        for line in ["Welcome ann! If", "bob: {quit}", "Greetings from the cave!"] {
            assert_eq!(speech.handle(line.to_owned()), Heard::Line(line.to_owned()));
        }
        assert_eq!(speech.handle("Error: x".to_owned()), Heard::Error("x".to_owned()));
        assert_eq!(speech.handle("{quit}".to_owned()), Heard::Farewell);
        assert_eq!(Speech::Talk.handle("{quit}".to_owned()), Heard::Line("{quit}".to_owned()));
    }
}
