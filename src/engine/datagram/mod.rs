//! Datagrams: each is one message, and so is each message of its answer. There is no connection, and no state except how many
//! answers each sender has had.

mod answering;
mod ledger;
mod shares;

use std::collections::VecDeque;
use std::rc::Rc;

pub use ledger::Ledger;
pub(super) use shares::Shares;

use super::codec::lines::without_cr;
use super::diagnosis::Hint;
use super::message::{Binding, RemoteAddress};
use super::service::Service;

/// Whether it begins like an answer of ipcd. Then no client sent it, and two daemons would answer each other for ever.
fn is_own(bytes: &[u8]) -> bool {
    let mut own = Service::ALL.iter().flat_map(|service| service.facts().own_words);
    own.any(|words| bytes.starts_with(words.as_bytes()))
}

/// The lowest port of a UDP client. A lower port belongs to a service, or the address is forged.
const CLIENT_PORT_MIN: u16 = 1024;

/// One datagram, with its sender.
pub(super) struct Datagram<'a> {
    pub(super) binding: &'a Rc<Binding>,
    pub(super) remote: RemoteAddress,
    pub(super) bytes: &'a [u8],
    pub(super) truncated: bool,
    pub(super) address: Option<&'a [u8]>,
}

/// An answer that is being sent.
#[derive(Debug)]
pub(super) struct Answer {
    binding: Rc<Binding>,
    remote: RemoteAddress,
    /// The Unix socket to which it goes, safe to show.
    to: String,
    /// Unsent replies, each a datagram.
    replies: VecDeque<String>,
    /// The one that is being sent.
    current: Option<String>,
    /// The error, if the answer is one, as the log has it.
    error: Option<String>,
    /// The hint about the error, which watchers get after the outcome of the answer.
    hint: Option<Hint>,
    /// Whether the sender ends its messages with NUL (C strings), and gets such replies.
    has_nul: bool,
}

/// A message without its end (NULs, an LF and its CR), and whether its last character was NUL.
fn message_of(bytes: &[u8]) -> (&[u8], bool) {
    let message = without_nuls(bytes);
    let message = without_nuls(without_cr(message.strip_suffix(b"\n").unwrap_or(message)));
    (message, bytes.ends_with(b"\0"))
}

fn without_nuls(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}
