//! The recent clients and their progress: for every address or user its name in the room, its machine, its requests and errors, and
//! its last classic mistake. Bounded, and kept whether or not it is asked for. Knows no connection.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use super::allow::names::NAME_BYTES_MAX;
use super::client::Client;
use super::diagnosis::{Hint, Mistake};
use super::message::{ConnectionId, RemoteAddress, Timestamp};
use super::service::Service;
use super::source::Source;

/// The most addresses and users: enough for a large school. An estimate.
pub const CLIENTS_MAX: usize = 1024;

/// The most bytes of a hint: enough for the longest names, where all services are offered.
const HINT_BYTES_MAX: usize = 512;

/// The most bytes of an error's text: all but the longest quotations fit.
const ERROR_BYTES_MAX: usize = 256;

/// The memory of an entry in a table that has just grown: the entry, its names, its machine's name, the hint and the error.
pub const CLIENT_BYTES: usize = 2 * size_of::<(Client, Entry)>()
    + 4 * (32 + 64)
    + NAME_BYTES_MAX
    + HINT_BYTES_MAX
    + ERROR_BYTES_MAX
    + 6 * 16;

/// When the table is full, one entry in this many is dropped at once.
const LEAVING_SHARE: usize = 8;

/// The least time between two hints for one client that errs again and again.
const HINT_GAP: Duration = Duration::from_millis(10);

/// The data about one address or user.
#[derive(Debug)]
pub struct Entry {
    /// The last name that it had in the room.
    pub name: Option<Box<str>>,
    /// The last name in its certificate, as displayed.
    pub certificate: Option<Box<str>>,
    /// Its machine's own name.
    pub host: Option<Box<str>>,
    /// Connections that are open.
    pub connections: u32,
    /// Connections that were ever admitted.
    pub connections_total: u64,
    /// Messages counted so far.
    pub requests: u64,
    /// Error replies counted so far.
    pub errors: u64,
    /// The time of its last activity.
    pub seen: Timestamp,
    /// Its last mistake.
    pub hint: Option<LastHint>,
    /// The last error reply.
    pub error: Option<LastError>,
}

/// An error reply, and its time.
#[derive(Debug)]
pub struct LastError {
    /// Its text, as the log has it.
    pub text: Box<str>,
    /// The service.
    pub service: Service,
    /// Its time.
    pub at: Timestamp,
    /// Whether the same service has answered the client since.
    pub is_over: bool,
    /// Its connection; `None`: it was a datagram.
    peer: Option<ConnectionId>,
}

/// A mistake, and its time.
#[derive(Debug)]
pub struct LastHint {
    /// Its kind.
    pub mistake: Mistake,
    /// How to correct it.
    pub text: Box<str>,
    /// The service where it happened.
    pub service: Service,
    /// Its time.
    pub at: Timestamp,
    /// Whether the same service has answered the client since.
    pub is_over: bool,
    /// Its connection; `None`: it was a datagram.
    peer: Option<ConnectionId>,
}

/// A connection's requests and errors since the last report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Messages.
    pub requests: u32,
    /// Error replies.
    pub errors: u32,
    /// The time of its last message, if that was answered.
    pub good: Option<Timestamp>,
}

impl Entry {
    fn take(&mut self, service: Service, tally: Tally) {
        self.requests += u64::from(tally.requests);
        self.errors += u64::from(tally.errors);
        if let (Some(hint), Some(good)) = (&mut self.hint, tally.good) {
            hint.is_over |= hint.service == service && good > hint.at;
        }
        if let (Some(error), Some(good)) = (&mut self.error, tally.good) {
            error.is_over |= error.service == service && good > error.at;
        }
    }
}

/// The table is a tree: a small tree finds entries with the fewest instructions, and no choice of addresses makes it slow.
#[derive(Debug, Default)]
pub struct Roster(BTreeMap<Client, Entry>);

impl Roster {
    /// Notes a new connection.
    pub fn enter(&mut self, now: Timestamp, client: Client) {
        if let Some(entry) = self.entry(now, client) {
            entry.connections += 1;
            entry.connections_total += 1;
        }
    }

    /// Notes the end of a connection, with its last counts on a service.
    pub fn leave(&mut self, client: Client, service: Service, tally: Tally) {
        if let Some(entry) = self.0.get_mut(&client) {
            entry.connections = entry.connections.saturating_sub(1);
            entry.take(service, tally);
        }
    }

    /// Notes what a connection has done on a service.
    pub fn count(&mut self, now: Timestamp, client: Client, service: Service, tally: Tally) {
        if let Some(entry) = self.entry(now, client) {
            entry.take(service, tally);
        }
    }

    /// Notes its name in the room.
    pub fn set_name(&mut self, now: Timestamp, client: Client, name: &str) {
        if let Some(entry) = self.entry(now, client) {
            entry.name = Some(name.into());
        }
    }

    /// Notes the name in its certificate.
    pub fn set_certificate_name(&mut self, now: Timestamp, client: Client, name: &str) {
        if let Some(entry) = self.entry(now, client) {
            entry.certificate = Some(cut(name, NAME_BYTES_MAX));
        }
    }

    /// Notes the name that its machine gives itself.
    pub fn set_host(&mut self, now: Timestamp, client: Client, host: &str) {
        if let Some(entry) = self.entry(now, client)
            && entry.host.as_deref() != Some(host)
        {
            entry.host = Some(host.into());
        }
    }

    /// Whether to examine one more mistake: it takes time, and a client may make thousands.
    pub fn wants_hint(&self, now: Timestamp, client: Client) -> bool {
        let last = self.0.get(&client).and_then(|entry| entry.hint.as_ref());
        last.is_none_or(|hint| now.since(hint.at) >= HINT_GAP)
    }

    /// Whether the known mistake says more than this one. Any other mistake or error says more than how a connection ended, and
    /// silence says more than the wording of a message.
    pub fn knows_better(&self, client: Client, peer: ConnectionId, mistake: Mistake) -> bool {
        match mistake.is_vague() {
            true => self.has_trouble(client, peer),
            false => mistake != Mistake::Binary && self.is_binary(client, peer),
        }
    }

    fn is_binary(&self, client: Client, peer: ConnectionId) -> bool {
        let last = self.0.get(&client).and_then(|entry| entry.hint.as_ref());
        last.is_some_and(|last| last.mistake == Mistake::Binary && !last.is_over && last.peer == Some(peer))
    }

    fn has_trouble(&self, client: Client, peer: ConnectionId) -> bool {
        self.0.get(&client).is_some_and(|entry| {
            let hint = entry.hint.as_ref().filter(|hint| !hint.mistake.is_vague() && !hint.is_over);
            let error = entry.error.as_ref().filter(|error| !error.is_over);
            let peers = [hint.and_then(|hint| hint.peer), error.and_then(|error| error.peer)];
            peers.contains(&Some(peer))
        })
    }

    /// Notes a mistake. One that says little does not replace one that says more, as long as that is not over.
    pub fn set_hint(
        &mut self,
        now: Timestamp,
        client: Client,
        service: Service,
        peer: Option<ConnectionId>,
        hint: &Hint,
    ) {
        let Some(entry) = self.entry(now, client) else { return };
        let is_telling = |last: &LastHint| !last.mistake.is_vague() && !last.is_over;
        let knows_better = entry.hint.as_ref().is_some_and(is_telling)
            || entry.error.as_ref().is_some_and(|last| !last.is_over);
        if hint.mistake.is_vague() && knows_better {
            return;
        }
        let text = cut(&hint.text, HINT_BYTES_MAX);
        // This mistake only makes the client slower.
        let is_over = hint.mistake == Mistake::NewlineApart;
        entry.hint = Some(LastHint { mistake: hint.mistake, text, service, at: now, is_over, peer });
    }

    /// Notes an error reply.
    pub fn set_error(
        &mut self,
        now: Timestamp,
        client: Client,
        service: Service,
        peer: Option<ConnectionId>,
        error: &str,
    ) {
        let Some(entry) = self.entry(now, client) else { return };
        // A client that errs again and again mostly makes the same error.
        let text = match entry.error.take() {
            Some(last) if *last.text == *error => last.text,
            _ => cut(error, ERROR_BYTES_MAX),
        };
        // This soon after a mistake, nothing has checked whether this error has a hint too, so it does not replace that mistake.
        let same =
            entry.hint.as_ref().filter(|hint| now.since(hint.at) < HINT_GAP && hint.service == service);
        let at = same.map_or(now, |hint| hint.at);
        entry.error = Some(LastError { text, service, at, is_over: false, peer });
    }

    /// Whether its silence since that time is known.
    pub fn knows_of_silence(&self, client: Client, since: Timestamp) -> bool {
        let entry = self.0.get(&client);
        entry.and_then(|entry| entry.hint.as_ref()).is_some_and(|hint| hint.at > since)
    }

    /// The last name that it had in the room.
    pub fn name(&self, client: Client) -> Option<&str> {
        self.0.get(&client)?.name.as_deref()
    }

    /// Everyone, by address and user.
    pub fn iter(&self) -> impl Iterator<Item = (Client, &Entry)> {
        self.0.iter().map(|(client, entry)| (*client, entry))
    }

    /// The data about a client.
    #[cfg(test)]
    pub fn get(&self, client: Client) -> Option<&Entry> {
        self.0.get(&client)
    }

    /// Addresses and users in the table.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes that the table holds, approximately.
    pub fn bytes(&self) -> usize {
        self.0.len() * CLIENT_BYTES
    }

    /// A client's entry, created if there is room; `None`: there is none, and no other entry can be dropped.
    fn entry(&mut self, now: Timestamp, client: Client) -> Option<&mut Entry> {
        // If there is room, this takes one search.
        if self.0.len() >= CLIENTS_MAX && !self.0.contains_key(&client) {
            self.forget_some();
            if self.0.len() >= CLIENTS_MAX {
                return None;
            }
        }
        let entry = self.0.entry(client).or_insert_with(|| Entry {
            name: None,
            certificate: None,
            host: None,
            connections: 0,
            connections_total: 0,
            requests: 0,
            errors: 0,
            seen: now,
            hint: None,
            error: None,
        });
        entry.seen = now;
        Some(entry)
    }

    /// Drops clients that are not connected, oldest first, and first those of the source that has most of them, so that the many
    /// addresses of one network displace only each other.
    fn forget_some(&mut self) {
        let mut counts: HashMap<Source, usize> = HashMap::new();
        for client in self.0.keys() {
            *counts.entry(source(*client)).or_default() += 1;
        }
        let idle = self.0.iter().filter(|(_, entry)| entry.connections == 0);
        let mut idle: Vec<_> =
            idle.map(|(client, entry)| (Reverse(counts[&source(*client)]), entry.seen, *client)).collect();
        idle.sort_unstable();
        for (.., client) in idle.iter().take(CLIENTS_MAX / LEAVING_SHARE) {
            self.0.remove(client);
        }
    }
}

/// A text cut to at most this many bytes, with `…` at the cut.
fn cut(text: &str, bytes_max: usize) -> Box<str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let mut end = bytes_max - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end]).into()
}

fn source(client: Client) -> Source {
    match client {
        Client::Address(ip) => Source::from(RemoteAddress::Address(SocketAddr::new(ip, 0))),
        Client::User(uid) => Source::User(uid),
        Client::Unknown => Source::Unknown,
        Client::Input => Source::Input,
        Client::Writers => Source::Writers,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn at(number: u32) -> Client {
        Client::Address(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    fn hint(text: &str) -> Hint {
        Hint { mistake: Mistake::Comma, text: text.to_owned() }
    }

    #[test]
    fn later_success_in_the_same_service_clears_a_mistake() {
        let mut roster = Roster::default();
        let is_over = |roster: &Roster| roster.get(at(1)).unwrap().hint.as_ref().unwrap().is_over;
        roster.enter(Timestamp::at(0), at(1));
        roster.set_hint(Timestamp::at(100), at(1), Service::Multiply, None, &hint("x"));
        let tally = |good: Option<u64>| Tally { requests: 2, errors: 1, good: good.map(Timestamp::at) };
        for (service, good, over) in [
            (Service::Multiply, None, false),
            (Service::Chat, Some(200), false),
            (Service::Multiply, Some(100), false), // the mistake itself
            (Service::Multiply, Some(101), true),
            (Service::Multiply, None, true),
        ] {
            roster.count(Timestamp::at(300), at(1), service, tally(good));
            assert_eq!(is_over(&roster), over, "{service} {good:?}");
        }
        roster.set_hint(Timestamp::at(400), at(1), Service::Multiply, None, &hint("y"));
        assert!(!is_over(&roster), "it is another one");
        let entry = roster.get(at(1)).unwrap();
        assert_eq!((entry.requests, entry.errors, entry.connections), (10, 5, 1));
    }

    #[test]
    fn many_mistakes_at_once_are_found_quickly() {
        let mut roster = Roster::default();
        assert!(roster.wants_hint(Timestamp::at(0), at(1)));
        roster.set_hint(Timestamp::at(0), at(1), Service::Multiply, None, &hint(&"ä".repeat(1000)));
        assert!(
            !roster.wants_hint(Timestamp::at(9_999), at(1))
                && roster.wants_hint(Timestamp::at(10_000), at(1))
        );
        assert!(roster.wants_hint(Timestamp::at(1), at(2)));
        let text = &roster.get(at(1)).unwrap().hint.as_ref().unwrap().text;
        assert!(text.len() <= HINT_BYTES_MAX && text.ends_with("ä…"));
    }

    #[test]
    fn error_right_after_a_mistake_does_not_hide_its_hint() {
        let mut roster = Roster::default();
        roster.set_hint(Timestamp::at(100), at(1), Service::Multiply, None, &hint("x"));
        for (now, shown) in [(10_099, 100), (10_100, 10_100)] {
            roster.set_error(Timestamp::at(now), at(1), Service::Multiply, None, "not a number");
            assert_eq!(roster.get(at(1)).unwrap().error.as_ref().unwrap().at, Timestamp::at(shown));
        }
    }

    #[test]
    fn busy_network_evicts_its_own_entries_and_connected_ones_stay() {
        let mut roster = Roster::default();
        for number in 0..30 {
            roster.enter(Timestamp::at(0), at(number)); // they stay connected
        }
        for number in 30..60 {
            roster.enter(Timestamp::at(0), at(number));
            roster.leave(at(number), Service::Chat, Tally::default());
        }
        for number in 0..10 * CLIENTS_MAX as u128 {
            let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | number);
            roster.enter(Timestamp::at(1), Client::Address(address.into()));
            roster.leave(Client::Address(address.into()), Service::Chat, Tally::default());
            assert!(roster.0.len() <= CLIENTS_MAX);
        }
        assert!((0..60).all(|number| roster.get(at(number)).is_some()));
        // If everyone is connected, no entry is dropped, and no newcomer gets one.
        let mut roster = Roster::default();
        (0..2 * CLIENTS_MAX as u32).for_each(|number| roster.enter(Timestamp::at(0), at(number)));
        assert_eq!((roster.0.len(), roster.get(at(CLIENTS_MAX as u32)).is_some()), (CLIENTS_MAX, false));
        roster.leave(at(CLIENTS_MAX as u32), Service::Chat, Tally::default()); // it was never counted
    }
}
