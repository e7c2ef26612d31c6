//! The user's own ipcctl among the watched clients: a connection that asks for state or gives an order is not shown. Knows no
//! screen and no clock.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::event::WatchEvent;

/// How long the beginning of a connection is held back until it shows what it is.
const HOLD: Duration = Duration::from_secs(1);

/// The most connections that are held back, or known as tools: more than one user starts at once.
const PEERS_MAX: usize = 64;

/// The services that `ipcctl status`, `class`, `watch` and the administrator's commands select on the mux.
const TOOLS: [&str; 3] = ["status", "watch", "control"];

/// The request of `ipcctl top` to stats. `ipcctl report` begins with `help` as well.
const QUESTIONS: [&str; 2] = ["latest", "history "];

/// Decides about events of the user's own connections to the Unix socket.
pub(crate) struct Tools {
    /// The end of the user's peers: `(uid 1000)`.
    own: String,
    /// The beginnings of connections, by peer.
    held: HashMap<String, (Instant, Vec<WatchEvent>)>,
    /// Peers that are tools.
    known: HashSet<String>,
}

impl Tools {
    /// The tools of this user.
    pub(crate) fn of(uid: u32) -> Tools {
        Tools { own: format!("(uid {uid})"), held: HashMap::new(), known: HashSet::new() }
    }

    /// Whether someone who asks for these events wants to see tools too.
    pub(crate) fn are_wanted(filter: &str) -> bool {
        filter.split_whitespace().any(|word| word.starts_with("service=") || word.starts_with("peer=pid:"))
    }

    /// Takes an event; returns those that are to be shown now.
    pub(crate) fn handle(&mut self, now: Instant, event: WatchEvent) -> Vec<WatchEvent> {
        if !event.peer.ends_with(&self.own) {
            return vec![event];
        }
        if self.known.contains(&event.peer) {
            if event.is_end() {
                self.known.remove(&event.peer);
            }
            return Vec::new();
        }
        let is_choice = event.service == "mux" && event.is_message();
        let is_tool = is_choice && TOOLS.contains(&event.text.as_str())
            || event.service == "stats"
                && event.is_message()
                && QUESTIONS.iter().any(|question| event.text.starts_with(question));
        let is_held = self.held.contains_key(&event.peer);
        if is_tool && is_held {
            self.held.remove(&event.peer);
            if self.known.len() < PEERS_MAX {
                self.known.insert(event.peer);
            }
            return Vec::new();
        }
        let is_stats = is_choice && event.text == "stats"
            || event.service == "stats" && !(event.is_message() && event.text != "help");
        let is_open = event.service == "mux" && !event.is_message() || is_stats;
        let may_begin = event.is_beginning() && self.held.len() < PEERS_MAX;
        if is_open && !event.is_end() && (is_held || may_begin) {
            let held = self.held.entry(event.peer.clone());
            held.or_insert_with(|| (now + HOLD, Vec::new())).1.push(event);
            return Vec::new();
        }
        let mut shown = self.held.remove(&event.peer).map(|(_, events)| events).unwrap_or_default();
        shown.push(event);
        shown
    }

    /// When [`Tools::handle_deadline`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.values().map(|(until, _)| *until).min()
    }

    /// Connections that said nothing for too long: to be shown now, in the order of their beginnings.
    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Vec<WatchEvent> {
        let due = |until: &Instant| *until <= now;
        let mut peers: Vec<(Instant, String)> = self
            .held
            .iter()
            .filter(|(_, (until, _))| due(until))
            .map(|(peer, (until, _))| (*until, peer.clone()))
            .collect();
        peers.sort();
        peers.iter().filter_map(|(_, peer)| self.held.remove(peer)).flat_map(|(_, events)| events).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::WatchLine;
    use super::*;

    /// The shown events of these events of a peer, each a service, a kind and a text.
    fn shown(peer: &str, events: &[(&str, &str, &str)]) -> usize {
        let mut tools = Tools::of(7);
        let now = Instant::now();
        let seen: usize = events
            .iter()
            .map(|(service, kind, text)| tools.handle(now, event(peer, service, kind, text)).len())
            .sum();
        assert!(tools.known.is_empty() || tools.held.is_empty());
        seen + tools.handle_deadline(now + HOLD).len()
    }

    fn event(peer: &str, service: &str, kind: &str, text: &str) -> WatchEvent {
        let line =
            serde_json::json!({"event": kind, "service": service, "peer": peer, "text": text}).to_string();
        match WatchLine::of(&line) {
            WatchLine::Seen(event) => event,
            other => panic!("{other:?}"),
        }
    }

    const OPENED: (&str, &str, &str) = ("mux", "opened", "");
    const OWN: &str = "pid 5 (uid 7)";

    #[test]
    fn own_tools_are_left_out_and_other_connections_are_whole() {
        let closed = ("status", "closed", "closed by the peer");
        for word in TOOLS {
            let said = ("mux", "message", word);
            let order = ("mux", "message", "mute ann");
            let all = [OPENED, ("mux", "framing", "line"), said, ("mux", "chose", word), order, closed];
            assert_eq!(shown(OWN, &all), 0, "{word}");
            let mut tools = Tools::of(7);
            let handle = |tools: &mut Tools, (service, kind, text)| {
                tools.handle(Instant::now(), event(OWN, service, kind, text));
                tools.known.len()
            };
            let known = all.map(|it| handle(&mut tools, it));
            assert_eq!((known[4], known[5]), (1, 0), "it is forgotten when it has closed");
            assert_eq!(shown("pid 5 (uid 8)", &all), all.len(), "another user's");
            assert_eq!(shown("192.168.1.7:5000", &all), all.len(), "another machine's");
        }
        let multiply = [OPENED, ("mux", "message", "multiply"), ("multiply", "message", "5 10"), closed];
        assert_eq!(shown(OWN, &multiply), 4);
        assert_eq!(shown(OWN, &[OPENED]), 1, "it says nothing");
        assert_eq!(shown(OWN, &[OPENED, ("mux", "closed", "")]), 2);
    }

    #[test]
    fn top_is_left_out_and_a_report_is_shown() {
        let asks = |last| {
            let reply = ("stats", "reply", "Requests: …");
            [
                OPENED,
                ("mux", "message", "stats"),
                ("mux", "chose", "stats"),
                ("stats", "message", "help"),
                reply,
                last,
            ]
        };
        assert_eq!(shown(OWN, &asks(("stats", "message", "latest"))), 0);
        assert_eq!(shown(OWN, &asks(("stats", "message", "{\"host\":\"pc\"}"))), 6);
        assert_eq!(shown(OWN, &asks(("stats", "closed", ""))), 6);
    }

    #[test]
    fn held_connections_are_bounded_and_shown_after_a_while() {
        let mut tools = Tools::of(7);
        let now = Instant::now();
        let opened = |pid: usize| event(&format!("pid {pid} (uid 7)"), "mux", "opened", "");
        let held = (0..PEERS_MAX).map(|pid| tools.handle(now, opened(pid)).len()).sum::<usize>();
        assert_eq!((held, tools.handle(now, opened(PEERS_MAX)).len()), (0, 1));
        assert_eq!((tools.deadline(), tools.handle_deadline(now).len()), (Some(now + HOLD), 0));
        assert_eq!((tools.handle_deadline(now + HOLD).len(), tools.deadline()), (PEERS_MAX, None));
        assert!(!Tools::are_wanted("all hints") && Tools::are_wanted("all service=mux"));
    }
}
