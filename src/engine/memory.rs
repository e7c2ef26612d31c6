//! The sum of all bounds: the most memory that peers can make the engine hold, whatever they do. It calculates from settings and
//! sizes, not from what is in use.

use super::codec::detect::BURST_BYTES;
use super::event_ring::RingEntry;
use super::guest::NAME_BYTES_MAX;
use super::limits::{self, NAME_CHARS_MAX, Settings};
use super::machines;
use super::message::ConnectionId;
use super::pressure::HOLDER_BYTES;
use super::room::{HISTORY_LINE_BYTES, MEMBER_BYTES};
use super::roster;
use super::service::Service;
use super::service::facts::{Keeps, Need};
use super::session::Session;
use super::transcript;

/// A queue of bytes takes up to twice its bytes, because it grows by doubling.
const GROWN: usize = 2;

/// An outbox takes up to three times what waits in it: it has grown, and up to a quarter of it has been sent.
const GROWN_AND_PARTLY_SENT: usize = 3;

/// A connection's entries in lists and tables: its deadline; its source in the counts (twice); its end of a pair; the lists of
/// connections to flush, to offer to, to read, to report to, that give way (up to three entries in each of these two), and with the
/// largest queues; its rate limit; its name while a passphrase is asked for; the time since which it reads nothing. Counted by hand,
/// each with room to grow.
const ENTRIES_BYTES: usize = 2 * (4 * 16 + 2 * 64 + 48 + 13 * size_of::<ConnectionId>() + 48 + 56 + 48)
    + NAME_BYTES_MAX
    + HOLDER_BYTES;

/// The announcement of a member that joins or leaves.
const ANNOUNCEMENT_BYTES: usize = 4 * NAME_CHARS_MAX + 32;

/// The memory of a JSON report for each byte of its text while it is parsed. Objects with one short field are the worst: 8
/// bytes of text become a map node of 632 bytes, a key of 32, and 32 in a list that has grown.
const JSON_BYTES_PER_BYTE: usize = 96;

/// The memory in use during one turn: events for the log, one piece of a status report, one message for a raw member, one number.
/// Most of it is for events: each mistake in one read takes some 200 bytes.
const IN_HAND_BYTES: usize = 1024 * 1024;

/// One line of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Its maximum, in bytes.
    pub bytes: usize,
}

/// The memory of a connection that sends nothing.
pub fn connection_bytes() -> usize {
    // A table that has just grown is half empty.
    GROWN * size_of::<Option<Session>>() + MEMBER_BYTES + ENTRIES_BYTES
}

/// The most that the queues of one connection to a service take, if no other connection holds anything.
pub fn queues_bytes(settings: &Settings, service: Service) -> usize {
    let limits = settings.of(service);
    let reply = service.facts().replies.bytes_max();
    let (kept, unheard) = match service.facts().keeps {
        Keeps::Nothing => (0, 0),
        Keeps::ForPartner => (limits.backlog_bytes_max, 0),
        // Direct messages to it; and in its outbox the history, or the unheard messages when it leaves.
        Keeps::OfRoom => (0, 2 * limits.backlog_bytes_max),
    };
    // A service on the web repeats no part of a request in a reply, and its framing is not guessed.
    let repeated = if service.facts().needs.contains(&Need::Web) { 0 } else { limits.message_bytes_max };
    let inbox = GROWN * (limits.message_bytes_max + limits::READ_BYTES_MAX + kept);
    let outbox = GROWN_AND_PARTLY_SENT * (limits::OUTBOX_BYTES_HIGH + reply + repeated);
    // The ends of the first bursts, while the framing is not known. There are as many as bytes if each burst is one byte. At that
    // time there are no replies.
    let cuts = GROWN * repeated * BURST_BYTES;
    inbox + outbox.max(cuts) + unheard
}

/// The most that the queues of one connection take, in any service.
pub fn queues_bytes_max(settings: &Settings) -> usize {
    Service::ALL.into_iter().map(|service| queues_bytes(settings, service)).max().unwrap_or(0)
}

/// Every part that these settings bound. The memory of an engine without connections is not included.
pub fn parts(settings: &Settings) -> Vec<Part> {
    let largest = queues_bytes_max(settings);
    let backlog = settings.services.iter().map(|service| service.backlog_bytes_max).max().unwrap_or(0);
    let (chat, stats) = (settings.of(Service::Chat), settings.of(Service::Stats));
    let served = settings.connections_max + limits::PLACES_KEPT;
    let connections = served + settings.refused_lingering_max + settings.standing;
    let message = settings.services.iter().map(|service| service.message_bytes_max).max().unwrap_or(0);
    let report = stats.message_bytes_max.min(limits::REPORT_TEXT_BYTES_MAX) * JSON_BYTES_PER_BYTE;
    // The log back to the slowest member, in chunks; the messages of one turn, before they are offered to all members; the
    // announcements of one turn, in which all may join or leave; the history, line by line; and the unsent messages of a member
    // that leaves, on their way to its outbox.
    let room = chat.backlog_bytes_max
        + 3 * (limits::ROOM_BURST_BYTES + chat.message_bytes_max)
        + 2 * served * ANNOUNCEMENT_BYTES
        + limits::WHO_BYTES_MAX
        + chat.backlog_bytes_max
        + settings.chat_history * HISTORY_LINE_BYTES
        + GROWN * 2 * chat.backlog_bytes_max
        + if settings.transcript { GROWN * transcript::TRANSCRIPT_BYTES_MAX + message } else { 0 };
    // The bound on all queues is enforced after each step, and one step may fill one connection's queues.
    let queues = (served * largest).min(settings.queued_bytes_max) + largest;
    vec![
        Part {
            name: "connections",
            bytes: connections * connection_bytes()
                + limits::PACES_OF_SOURCES_MAX * limits::PACE_OF_SOURCE_BYTES,
        },
        Part { name: "their queues", bytes: queues },
        Part {
            name: "queues of FIFOs and message queues",
            bytes: settings.standing * (largest + GROWN_AND_PARTLY_SENT * backlog),
        },
        Part {
            name: "errors for refused connections",
            bytes: settings.refused_lingering_max * GROWN * limits::REFUSAL_BYTES,
        },
        Part { name: "the room's log and history", bytes: room },
        Part {
            name: "machines",
            bytes: settings.machines_max
                * (GROWN * machines::MACHINE_BYTES_MAX + limits::MACHINE_ENTRY_BYTES),
        },
        Part {
            name: "events for watchers",
            bytes: GROWN * limits::WATCH_EVENTS_MAX * size_of::<RingEntry>() + limits::WATCH_RING_BYTES_MAX,
        },
        Part {
            name: "senders of datagrams",
            bytes: limits::DATAGRAM_SENDERS_MAX * limits::DATAGRAM_SENDER_BYTES,
        },
        Part { name: "addresses and users", bytes: roster::CLIENTS_MAX * roster::CLIENT_BYTES },
        // One message, copied out of its queue and cleaned, and the parsed form of a report in it.
        Part { name: "the message that is being handled", bytes: GROWN * message + report + IN_HAND_BYTES },
    ]
}

/// The sum in one number.
pub fn bytes_max(settings: &Settings) -> usize {
    parts(settings).iter().map(|part| part.bytes).sum()
}
