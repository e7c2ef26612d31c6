//! A client that has given its name to a room with a passphrase, but not the passphrase.

use std::borrow::Cow;

use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::guest::Guest;
use crate::engine::guest::NAME_BYTES_MAX;
use crate::engine::message::{CloseReason, Timestamp};
use crate::engine::service::chat;
use crate::engine::words::{self, FAREWELL, is_quit};

/// The most wrong passphrases from one client.
const TRIES_MAX: u8 = 3;

impl Dialogue {
    /// The name in a message of a client without a name; `None`: the message is not a name, yet or at all.
    pub(super) fn let_in<'m>(&self, shared: &mut EngineState, message: &'m [u8]) -> Admission<'m> {
        let Some(passphrase) = shared.settings.chat_passphrase.as_ref() else {
            return Admission::named(message);
        };
        match shared.guests.get(self.peer) {
            Some(Guest::Known) => Admission::named(message),
            Some(Guest::Asked(name, _)) if passphrase.is_said_by(message) => {
                let name = name.clone().into_vec();
                shared.guests.set(self.peer, Guest::Known);
                Admission::Named(name.into())
            }
            Some(Guest::Asked(..)) if is_quit(&String::from_utf8_lossy(message)) => Admission::Quit,
            Some(Guest::Asked(name, tries)) => {
                let (name, tries) = (name.clone(), tries + 1);
                shared.guests.set(self.peer, Guest::Asked(name, tries));
                if tries < TRIES_MAX { Admission::Wrong } else { Admission::Refused }
            }
            None => self.ask_for_new_name(shared, message),
        }
    }

    /// The same for a client that was asked for nothing yet. Whether its name is new takes as long as if it came in.
    fn ask_for_new_name<'m>(&self, shared: &mut EngineState, message: &'m [u8]) -> Admission<'m> {
        shared.effort.count_name(message);
        if !chat::is_new_name(&shared.room, self.remote, message) {
            return Admission::named(message);
        }
        if message.len() > NAME_BYTES_MAX {
            return Admission::TooMuch;
        }
        shared.guests.set(self.peer, Guest::Asked(message.into(), 0));
        Admission::Asked
    }

    /// The same for a room with a passphrase; also decides what watchers see of the message.
    pub(super) fn ask_passphrase<'m>(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        message: &'m [u8],
    ) -> Option<Cow<'m, [u8]>> {
        match self.let_in(shared, message) {
            Admission::Named(name) => return Some(name),
            Admission::Asked => self.say(words::ASK_PASSPHRASE),
            Admission::Wrong => self.err(shared, ErrorKind::Denied, words::NOT_THE_PASSPHRASE.to_owned()),
            Admission::Refused => {
                let error = format!("{}: ask the administrator of this room", words::NO_PASSPHRASE);
                self.fail(shared, now, CloseReason::PeerDenied, error);
            }
            Admission::TooMuch => {
                let error = "this room asks for a passphrase: send your name alone first".to_owned();
                self.err(shared, ErrorKind::Name, error);
            }
            Admission::Quit => self.finish(shared, now, CloseReason::PeerQuit, Some(FAREWELL)),
        }
        None
    }

    /// Whether its next message is a passphrase.
    pub(super) fn is_asked(&self, shared: &EngineState) -> bool {
        matches!(self.state, State::Chat(Err(_)))
            && matches!(shared.guests.get(self.peer), Some(Guest::Asked(..)))
    }
}

/// What a message of a client without a name means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<'m> {
    /// It is a name, or something else that needs no passphrase.
    Named(Cow<'m, [u8]>),
    /// It is a name, and the client was asked for the passphrase.
    Asked,
    /// It is a wrong passphrase.
    Wrong,
    /// It is one wrong passphrase too many.
    Refused,
    /// It is a name, with more text after it than is kept.
    TooMuch,
    Quit,
}

impl Admission<'_> {
    fn named(message: &[u8]) -> Admission<'_> {
        Admission::Named(message.into())
    }
}
