//! What is said to the chat room or to a partner, and what the answers mean. Knows no terminal and no socket.

use super::daemon::Wanted;

pub(crate) const CHAT: Wanted = Wanted { name: "chat", port: Some(33000), datagrams: false, fifo: false };
pub(crate) const TALK: Wanted = Wanted { name: "talk", port: Some(5000), datagrams: false, fifo: false };

/// How the room greets, before there is a name.
const GREETING: &str = "Greetings from the cave!";

/// What the room says last to one who quits, and hears first.
const QUIT: &str = "{quit}";

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
        Speech::Chat { name, number: 1, is_in: false }
    }

    pub(crate) fn wanted(&self) -> &'static Wanted {
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
            Speech::Chat { number, is_in, .. } => {
                (*number, *is_in) = (1, false);
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
            Speech::Chat { .. } => QUIT,
            Speech::Talk => BYE,
        }
    }

    /// Whether the room says to us what we say.
    pub(crate) fn is_echoed(&self) -> bool {
        matches!(self, Speech::Chat { .. })
    }

    pub(crate) fn handle(&mut self, line: String) -> Heard {
        let error = line.strip_prefix("Error: ").map(str::to_owned);
        match self {
            Speech::Chat { is_in: true, .. } if line == QUIT => Heard::Farewell,
            Speech::Chat { is_in: false, .. } if line.starts_with(GREETING) => Heard::Nothing,
            Speech::Chat { is_in: is_in @ false, .. } if line.starts_with("Welcome ") => {
                *is_in = true;
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

    /// Another name to try, after one that somebody has.
    pub(crate) fn another_name(&mut self) -> Option<String> {
        match self {
            Speech::Chat { number, .. } if *number < Self::NAMES_MAX => {
                *number += 1;
                Some(self.name())
            }
            _ => None,
        }
    }

    /// Whether a line of ours is that word, or one of its like.
    pub(crate) fn is_farewell(&self, line: &str) -> bool {
        match self {
            Speech::Chat { .. } => matches!(line.trim(), QUIT | "quit" | "/quit"),
            Speech::Talk => line.trim().eq_ignore_ascii_case(BYE),
        }
    }
}

/// Whether an error means that somebody has our name, so that another will do.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
pub(crate) fn is_taken(error: &str) -> bool {
    error.starts_with("somebody is called ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_followed_by_its_number_until_there_are_too_many() {
        let mut speech = Speech::chat("ann".to_owned());
        assert_eq!(speech.opening().as_deref(), Some("ann"));
        assert_eq!(speech.handle("Greetings from the cave! Now type".to_owned()), Heard::Nothing);
        let taken = "somebody is called 'ann' already; type another name";
        assert_eq!(speech.handle(format!("Error: {taken}")), Heard::NotIn(taken.to_owned()));
        assert!(is_taken(taken));
        assert_eq!(speech.another_name().as_deref(), Some("ann-2"));
        assert_eq!(speech.handle("Welcome ann-2! If".to_owned()), Heard::Joined);
        assert_eq!(speech.name(), "ann-2");
        // A new connection asks for the name that was wanted.
        assert_eq!(speech.opening().as_deref(), Some("ann"));
        assert_eq!(std::iter::from_fn(|| speech.another_name()).count(), 98);
    }

    #[test]
    fn only_the_room_itself_can_say_that_we_are_in_or_that_this_is_the_end() {
        let mut speech = Speech::chat("ann".to_owned());
        speech.handle("Welcome ann! If".to_owned());
        assert_eq!(Speech::chat("ann".to_owned()).handle("50.0".to_owned()), Heard::Other("50.0".to_owned()));
        for line in ["Welcome ann! If", "bob: {quit}", "Greetings from the cave!"] {
            assert_eq!(speech.handle(line.to_owned()), Heard::Line(line.to_owned()));
        }
        assert_eq!(speech.handle("Error: x".to_owned()), Heard::Error("x".to_owned()));
        assert_eq!(speech.handle("{quit}".to_owned()), Heard::Farewell);
        assert_eq!(Speech::Talk.handle("{quit}".to_owned()), Heard::Line("{quit}".to_owned()));
    }
}
