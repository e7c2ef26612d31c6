//! The activity of connections, for watchers: each watcher's filter, and the form of an event. Knows no connection.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::Service;
use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing};
use crate::engine::diagnosis::Hint;
use crate::engine::encryption::TRUNCATED;
use crate::engine::json;
use crate::engine::message::{EventKind, FramingMode, RemoteAddress, Timestamp};
use crate::engine::name::Key;
use crate::engine::text::{clean, private, quote, words};

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "watch",
    conduct: Conduct::Watch,
    needs: &[Need::Session, Need::OneWriter, Need::Others, Need::Kernel],
    default_port: None,
    first: First::Message,
    idle: Idle::Silent,
    waits_for: None,
    is_typed: false,
    is_complete: is_anything,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Masters,
    replies: Replies::Events,
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[],
};

/// The version of the JSON. It is raised when a field is removed or changes its meaning, not when one is added.
pub const SCHEMA: u32 = 1;

/// The text before a name, which extends to the end of a message.
const NAME: &[u8] = b"name=";

/// Bytes of a typical line.
const LINE_BYTES: usize = 128;

/// What a watcher wants to see, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this service.
    service: Option<Service>,
    /// Only peers whose displayed form begins like this.
    peer: Option<PeerFilter>,
    /// Only this address.
    address: Option<IpAddr>,
    /// Only peers that have, or had last, this name in the room; with the name as it was typed.
    name: Option<(Key, String)>,
    /// Only hints.
    hints: bool,
    /// Only the traffic with the servers of a shared room.
    nats: bool,
    /// As JSON objects instead of plain lines.
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PeerFilter {
    Text(String),
    Pid(u32),
    Uid(u32),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.service.map(|service| format!("service={service}")),
            self.peer.as_ref().map(|peer| format!("peer={peer}")),
            self.address.map(|address| format!("address={address}")),
            self.hints.then(|| "hints".to_owned()),
            self.nats.then(|| "nats".to_owned()),
            self.name.as_ref().map(|(_, name)| format!("name={name}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        f.write_str(if words.is_empty() { "all" } else { "" })?;
        f.write_str(&words.join(" "))
    }
}

impl fmt::Display for PeerFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerFilter::Text(text) => f.write_str(text),
            PeerFilter::Pid(pid) => write!(f, "pid:{pid}"),
            PeerFilter::Uid(uid) => write!(f, "uid:{uid}"),
        }
    }
}

/// Reads a watcher's message. The error says what would be right.
pub fn read(message: &[u8]) -> Result<Filter, String> {
    let mut filter = Filter::default();
    let (message, name) = match find(message, NAME) {
        Some(at) => (&message[..at], Some(clean(&message[at + NAME.len()..]).trim().to_owned())),
        None => (message, None),
    };
    match name {
        Some(name) if name.is_empty() => {
            return Err("name= needs a chat name, and is the last filter".to_owned());
        }
        name => filter.name = name.map(|name| (Key::new(&name), quote(name.as_bytes()))),
    }
    for word in words(message) {
        let text = String::from_utf8_lossy(word);
        match text.split_once('=') {
            None if text == "all" => {}
            None if text == "json" => filter.json = true,
            None if text == "hints" => filter.hints = true,
            None if text == "nats" => filter.nats = true,
            Some(("service", name)) => match Service::named(name) {
                Some(service) => filter.service = Some(service),
                None => {
                    let names = Service::ALL.map(Service::name).join(", ");
                    return Err(format!("unknown service: '{}' (known: {names})", quote(name.as_bytes())));
                }
            },
            Some(("peer", peer)) if !peer.is_empty() => filter.peer = Some(wanted(peer)),
            Some(("address", address)) => match address.parse::<IpAddr>() {
                Ok(address) => filter.address = Some(address.to_canonical()),
                Err(_) => {
                    let said = quote(address.as_bytes());
                    return Err(format!(
                        "'{said}' is not an address; write, for example, address=192.168.1.20"
                    ));
                }
            },
            _ => {
                return Err(format!(
                    "unknown filter: '{}'; say all, or any of service=NAME, peer=ADDRESS, peer=pid:PID, peer=uid:UID, address=ADDRESS, hints, nats, json and, last, name=NAME",
                    quote(word)
                ));
            }
        }
    }
    Ok(filter)
}

/// The position of the first word that begins like this in a message.
fn find(message: &[u8], word: &[u8]) -> Option<usize> {
    let begins = |at: usize| at == 0 || message[at - 1].is_ascii_whitespace();
    (0..message.len()).find(|at| message[*at..].starts_with(word) && begins(*at))
}

fn wanted(peer: &str) -> PeerFilter {
    let number = |name: &str| peer.strip_prefix(name)?.parse().ok();
    match (number("pid:"), number("uid:")) {
        (Some(pid), _) => PeerFilter::Pid(pid),
        (_, Some(uid)) => PeerFilter::Uid(uid),
        _ => PeerFilter::Text(quote(peer.as_bytes())),
    }
}

impl Filter {
    /// Whether the watcher wants an event of this service and peer.
    pub fn wants(
        &self,
        service: Service,
        remote: impl Into<Option<RemoteAddress>>,
        trace: &TraceEvent,
        names: [Option<&str>; 2],
    ) -> bool {
        let remote = remote.into();
        let is_address = |wanted: IpAddr| match remote {
            Some(RemoteAddress::Address(address)) => address.ip().to_canonical() == wanted,
            _ => false,
        };
        let has_name =
            |(key, _): &(Key, String)| names.into_iter().flatten().any(|name| Key::new(name) == *key);
        if self.hints && !matches!(trace, TraceEvent::Mistaken(_))
            || self.nats && remote.is_some()
            || !self.address.is_none_or(is_address)
            || !self.name.as_ref().is_none_or(has_name)
        {
            return false;
        }
        let is_peer = |wanted: &PeerFilter| match (wanted, remote) {
            (
                PeerFilter::Pid(wanted),
                Some(RemoteAddress::Process { pid, .. } | RemoteAddress::Unknown { pid }),
            ) => *wanted == pid,
            (PeerFilter::Uid(wanted), Some(RemoteAddress::Process { uid, .. })) => *wanted == uid,
            (PeerFilter::Text(text), Some(remote)) => remote.to_string().starts_with(text.as_str()),
            _ => false,
        };
        self.service.is_none_or(|wanted| wanted == service) && self.peer.as_ref().is_none_or(is_peer)
    }
}

/// An event for watchers. Text from the peer is already escaped.
#[derive(Clone, Debug)]
pub enum TraceEvent {
    /// An event that is also in the log.
    Happened(EventKind),
    /// The kernel accepted this reply for it.
    Replied(String),
    /// The kernel accepted a private reply of this many bytes.
    RepliedPrivately(usize),
    /// It made a classic mistake.
    Mistaken(Hint),
    /// This went to the servers of a shared room.
    Sent(String),
    /// This came from them.
    Came(String),
    /// The connection to them has changed.
    Changed(String),
}

impl TraceEvent {
    /// A reply; only its length if it is private.
    pub fn replied(reply: &[u8], is_private: bool) -> TraceEvent {
        match is_private {
            true => TraceEvent::RepliedPrivately(reply.len()),
            false => TraceEvent::Replied(quote(reply)),
        }
    }

    /// Bytes of text in it.
    pub fn text_bytes(&self) -> usize {
        match self {
            TraceEvent::Happened(
                EventKind::Erred(text) | EventKind::Remarked(text) | EventKind::Said(text),
            ) => text.len(),
            TraceEvent::Happened(
                EventKind::Ordered(text)
                | EventKind::Mistaken(text)
                | EventKind::Joined(text)
                | EventKind::Secured(text)
                | EventKind::Identified(text)
                | EventKind::Unsecured(text)
                | EventKind::Undelivered { to: text, .. },
            )
            | TraceEvent::Replied(text)
            | TraceEvent::Sent(text)
            | TraceEvent::Came(text)
            | TraceEvent::Changed(text) => text.len(),
            TraceEvent::Mistaken(hint) => hint.text.len(),
            TraceEvent::Happened(_) | TraceEvent::RepliedPrivately(_) => 0,
        }
    }

    /// The event's name in JSON, and its text.
    fn parts(&self) -> (&'static str, Option<Cow<'_, str>>) {
        let (name, text) = match self {
            TraceEvent::Happened(EventKind::Opened) => return ("opened", None),
            TraceEvent::Happened(EventKind::Secured(how)) => ("secured", how.into()),
            TraceEvent::Happened(EventKind::Identified(name)) => ("identified", name.into()),
            TraceEvent::Happened(EventKind::Unsecured(reason)) => ("unsecured", reason.into()),
            TraceEvent::Happened(EventKind::Truncated) => ("unsecured", TRUNCATED.into()),
            TraceEvent::Happened(EventKind::Decided(FramingMode::Packet)) => ("framing", "packet".into()),
            TraceEvent::Happened(EventKind::Decided(kind)) => ("framing", kind.name().into()),
            TraceEvent::Happened(EventKind::Chose(service)) => ("chose", service.name().into()),
            TraceEvent::Happened(EventKind::Asked(request)) => ("control", request.to_string().into()),
            TraceEvent::Happened(EventKind::Mistaken(text)) => ("hint", text.into()),
            TraceEvent::Happened(EventKind::Ordered(done)) => ("control", done.into()),
            TraceEvent::Happened(EventKind::Erred(error)) => ("error", error.into()),
            TraceEvent::Happened(EventKind::Remarked(text) | EventKind::Said(text)) => {
                ("message", text.into())
            }
            TraceEvent::Happened(EventKind::Joined(name)) => ("joined", name.into()),
            TraceEvent::Happened(EventKind::Met(partner)) => ("met", partner.to_string().into()),
            TraceEvent::Happened(EventKind::Dropped(reason)) => ("dropped", reason.to_string().into()),
            TraceEvent::Happened(EventKind::Undelivered { to, reason }) if to.is_empty() => {
                ("dropped", format!("the answer: {reason}").into())
            }
            TraceEvent::Happened(EventKind::Undelivered { to, reason }) => {
                ("dropped", format!("the answer to '{to}': {reason}").into())
            }
            TraceEvent::Happened(EventKind::Refused(reason)) => ("refused", reason.to_string().into()),
            TraceEvent::Happened(EventKind::Closed(reason)) => {
                let name = match reason {
                    reason if reason.is_too_slow() => "dropped",
                    reason if reason.is_refusal() => "refused",
                    _ => "closed",
                };
                (name, reason.to_string().into())
            }
            TraceEvent::Happened(EventKind::SaidPrivately(bytes)) => ("message", private(*bytes).into()),
            TraceEvent::Replied(text) => ("reply", text.into()),
            TraceEvent::RepliedPrivately(bytes) => ("reply", private(*bytes).into()),
            TraceEvent::Mistaken(hint) => ("hint", hint.text.as_str().into()),
            TraceEvent::Sent(text) => ("up", text.into()),
            TraceEvent::Came(text) => ("down", text.into()),
            TraceEvent::Changed(text) => ("nats", text.into()),
        };
        (name, Some(text))
    }
}

/// One event, as JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    schema: u32,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "shown")]
    peer: Option<RemoteAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mistake: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Line<'_> {
    fn new(event: &str) -> Line<'_> {
        Line {
            schema: SCHEMA,
            event,
            time: None,
            endpoint: None,
            service: None,
            peer: None,
            mistake: None,
            text: None,
            count: None,
        }
    }

    fn write(&self) -> String {
        json::to_string(self)
    }
}

fn shown<S: Serializer>(remote: &Option<RemoteAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    match remote {
        Some(remote) => serializer.collect_str(remote),
        None => serializer.serialize_none(),
    }
}

/// The first line for a watcher.
pub fn begin(filter: &Filter, now: Timestamp) -> String {
    match filter.json {
        true => {
            Line { time: Some(seconds(now)), text: Some(filter.to_string().into()), ..Line::new("watching") }
                .write()
        }
        false => format!("Watching: {filter}"),
    }
}

/// The line for a watcher that was too slow.
pub fn missed(filter: &Filter, count: u64) -> String {
    match filter.json {
        true => Line { count: Some(count), ..Line::new("missed") }.write(),
        false => format!("… {count} events missed"),
    }
}

/// The peer, and its endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The endpoint that accepted it.
    pub endpoint: &'a str,
    /// The service in which it was.
    pub service: Service,
    /// The peer; `None`: the servers of a shared room.
    pub remote: Option<RemoteAddress>,
}

/// What stands in a plain line in place of a peer.
const SHARED_ROOM: &str = "shared room";

/// Writes one event for a watcher; `since`: when it began to watch.
pub fn write(
    filter: &Filter,
    since: Timestamp,
    at: Timestamp,
    actor: Actor<'_>,
    trace: &TraceEvent,
) -> String {
    let (event, text) = trace.parts();
    let Actor { endpoint, service, remote } = actor;
    if filter.json {
        let mistake = match trace {
            TraceEvent::Mistaken(hint) => Some(hint.mistake.name()),
            _ => None,
        };
        let line = Line {
            time: Some(seconds(at)),
            endpoint: Some(endpoint),
            service: Some(service.name()),
            peer: remote,
            mistake,
            text,
            ..Line::new(event)
        };
        return line.write();
    }
    let text = text.unwrap_or_default();
    let mut line = String::with_capacity(LINE_BYTES);
    let begun = write!(line, "+{:.6} s  {endpoint}  ", at.since(since).as_secs_f64());
    let begun = begun.and_then(|()| match remote {
        Some(remote) => write!(line, "{remote}  "),
        None => write!(line, "{SHARED_ROOM}  "),
    });
    let is_private =
        matches!(trace, TraceEvent::Happened(EventKind::SaidPrivately(_)) | TraceEvent::RepliedPrivately(_));
    let done = match event {
        "message" | "reply" if is_private => write!(line, "{event} {text}"),
        "message" | "reply" => write!(line, "{event} '{text}'"),
        "error" => write!(line, "error reply: {text}"),
        "framing" => write!(line, "is a {text} client"),
        "control" => write!(line, "{text}"),
        "joined" => write!(line, "joined as {text}"),
        "met" => write!(line, "talks with {text}"),
        "opened" => write!(line, "{event}"),
        "closed" if text.starts_with(event) => write!(line, "{text}"),
        "chose" => write!(line, "chose {text}"),
        _ => write!(line, "{event}: {text}"),
    };
    begun.and(done).expect("infallible");
    line
}

fn seconds(time: Timestamp) -> f64 {
    time.since(Timestamp::default()).as_secs_f64()
}

#[cfg(test)]
mod tests;
