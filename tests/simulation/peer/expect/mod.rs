//! A peer's expected input: a type for each kind of conversation. `hear` takes arriving bytes; `verify` compares all
//! of them with the contract once the connection is closed.

mod chat;
mod lists;
mod partner;
mod replies;
mod reports;
mod watcher;

use std::borrow::Cow;

use ipcd::engine::message::CloseReason;
use ipcd::engine::service::Service;

use super::PeerLabel;
use super::framing::Framing;
use super::words;
use crate::room::Record;
use crate::totals::Totals;

pub use chat::{Chat, Effect, Lines, message};
pub use lists::Lists;
pub use partner::Partner;
pub use replies::Replies;
pub use reports::Reports;
pub use watcher::Watcher;

/// The purpose of a peer.
pub enum Conversation {
    /// Predictable replies.
    Replies(Replies),
    /// A member of the room.
    Chat(Chat),
    /// One of two partners in talk.
    Partner(Partner),
    /// It requests reports about the daemon.
    Reports(Reports),
    /// It requests lists of machines.
    Lists(Lists),
    /// It watches, if it is allowed to.
    Watcher(Watcher),
    /// Anything may be received.
    Noise,
}

/// What a conversation must know about its peer when it receives something.
pub struct Arrival<'a> {
    /// The bytes of the peer that the engine has received.
    pub taken: u64,
    /// Whether the engine has received the end of its input.
    pub end_read: bool,
    pub who: &'a PeerLabel,
}

/// How a peer's connection ended, and the state at that time.
pub struct Outcome<'a> {
    pub who: &'a PeerLabel,
    pub service: Service,
    pub framing: &'a Framing,
    pub reason: CloseReason,
    /// Whether everything that was written to it has reached it.
    pub complete: bool,
    /// Whether it was reset, or closed by the peer.
    pub is_cut: bool,
    pub has_abandoned: bool,
    /// Whether it was admitted.
    pub opened: bool,
    /// Whether it read promptly.
    pub is_prompt: bool,
    /// Whether the daemon stopped with enough time to answer everyone.
    pub stopped_fairly: bool,
    /// The bytes that the peer had sent: in all, when the daemon stopped, and those read by the last error.
    pub sent: u64,
    pub sent_at_stop: u64,
    pub taken_at_error: u64,
    /// Each of these may be the last message, with `lf` after it.
    pub last_words: Vec<String>,
    pub lf: &'static str,
}

impl Outcome<'_> {
    fn ended_last_words(&self) -> Vec<String> {
        let ended =
            |words: &String| if words.is_empty() { String::new() } else { format!("{words}{}", self.lf) };
        self.last_words.iter().map(ended).collect()
    }
}

impl Conversation {
    pub fn hear(&mut self, bytes: &[u8], arrival: &Arrival<'_>) {
        match self {
            Conversation::Replies(replies) => replies.hear(bytes, arrival),
            Conversation::Chat(chat) => chat.hear(bytes),
            Conversation::Partner(partner) => partner.hear(bytes),
            Conversation::Reports(reports) => reports.hear(bytes),
            Conversation::Lists(lists) => lists.hear(bytes),
            Conversation::Watcher(watcher) => watcher.hear(bytes),
            Conversation::Noise => {}
        }
    }

    /// Panics if anything received is wrong or missing. Returns what the room's log must have about a member.
    pub fn verify(self, outcome: &Outcome<'_>, totals: &mut Totals) -> Option<Record> {
        match self {
            Conversation::Replies(replies) => replies.verify(outcome, totals),
            Conversation::Chat(chat) => return chat.verify(outcome),
            Conversation::Partner(partner) => partner.verify(outcome, totals),
            Conversation::Reports(reports) => reports.verify(outcome, totals),
            Conversation::Lists(lists) => lists.verify(outcome, totals),
            Conversation::Watcher(watcher) => watcher.verify(outcome, totals),
            Conversation::Noise => {}
        }
        None
    }

    /// Whether all sent requests have their replies.
    pub fn is_content(&self, sent: u64) -> bool {
        match self {
            Conversation::Replies(replies) => replies.is_content(sent),
            _ => true,
        }
    }

    /// Replies received, if they are counted.
    pub fn answered(&self) -> usize {
        match self {
            Conversation::Replies(replies) => replies.answered(),
            _ => 0,
        }
    }
}

/// The received bytes after the help of the mux, if there was any.
fn after_help<'a>(heard: &'a [u8], who: &PeerLabel) -> Cow<'a, str> {
    let heard = String::from_utf8_lossy(heard);
    match heard.strip_prefix(&words::help_before(who)) {
        Some(rest) => Cow::Owned(rest.to_owned()),
        None => heard,
    }
}

/// The lines that have an end.
fn whole_lines(heard: &str) -> std::str::Lines<'_> {
    heard.rfind('\n').map_or("", |end| &heard[..end]).lines()
}
