//! One daemon of the shared room, as its members see it: what they send and hear, and the promises to them.

use std::collections::{BTreeMap, BTreeSet};

use ipcd::engine::message::Timestamp;
use ipcd::engine::uplink::{Entry, Event, InstanceId, LinkId, Outcome, Uplink, WhisperId};

/// What was heard, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub what: String,
    pub instance: InstanceId,
    pub sequence: u64,
    pub at: u64,
}

pub struct Daemon {
    pub uplink: Uplink,
    pub number: usize,
    pub is_alive: bool,
    /// The ids that it has had: a restart, or being declared gone, changes the id.
    pub ids: Vec<InstanceId>,
    pub links: BTreeMap<LinkId, usize>,
    pub heard: Vec<Heard>,
    /// Proposals that have not ended.
    pub open: BTreeSet<String>,
    pub refused: BTreeSet<String>,
    /// Its own entries in the order in which they were heard.
    pub own: Vec<String>,
    /// Names of members here, and whether they are in the room.
    pub members: BTreeMap<String, bool>,
    pub spoken: u64,
    pub is_up: bool,
    pub was_told: bool,
    pub missed: u64,
    pub lost: u64,
    pub whispers: BTreeMap<WhisperId, Option<Outcome>>,
    pub whispered: u64,
    pub gone_at: BTreeMap<InstanceId, u64>,
    pub first_up: Option<u64>,
    pub log: Vec<String>,
}

/// An entry as one text.
pub fn text_of(entry: Entry<'_>) -> String {
    match entry {
        Entry::Joined(name) => format!("+{name}"),
        Entry::Left(name) => format!("-{name}"),
        Entry::Said { name, text } => format!("{name}: {text}"),
        Entry::Acted { name, text } => format!("* {name} {text}"),
        Entry::Announced(line) => format!("! {line}"),
    }
}

impl Daemon {
    pub fn new(number: usize, uplink: Uplink) -> Daemon {
        Daemon {
            ids: vec![uplink.instance()],
            uplink,
            number,
            is_alive: true,
            links: BTreeMap::new(),
            heard: Vec::new(),
            open: BTreeSet::new(),
            refused: BTreeSet::new(),
            own: Vec::new(),
            members: BTreeMap::new(),
            spoken: 0,
            is_up: false,
            was_told: false,
            missed: 0,
            lost: 0,
            whispers: BTreeMap::new(),
            whispered: 0,
            gone_at: BTreeMap::new(),
            first_up: None,
            log: Vec::new(),
        }
    }

    /// A member joins; the others hear of it only when the log says so.
    pub fn join(&mut self, name: &str, now: Timestamp) {
        self.members.insert(name.to_owned(), false);
        assert!(self.uplink.propose(Entry::Joined(name), now).is_ok(), "who comes is always taken");
    }

    pub fn leave(&mut self, name: &str, now: Timestamp) {
        self.members.remove(name);
        assert!(self.uplink.propose(Entry::Left(name), now).is_ok(), "who leaves is always taken");
    }

    /// A member sends a text that is never sent again.
    pub fn say(&mut self, name: &str, padding: usize, now: Timestamp) -> bool {
        let text = format!("{}.{} {}", self.number, self.spoken, "x".repeat(padding));
        let is_act = self.spoken % 7 == 3;
        let entry =
            if is_act { Entry::Acted { name, text: &text } } else { Entry::Said { name, text: &text } };
        let is_full = self.uplink.is_full();
        let is_taken = self.uplink.propose(entry, now).is_ok();
        assert!(is_taken || is_full, "what fits is taken");
        if is_taken {
            self.spoken += 1;
            assert!(self.open.insert(text_of(entry)));
        }
        is_taken
    }

    /// Takes all events.
    pub fn hear(&mut self, now: u64) {
        let (mut answers, mut strangers) = (Vec::new(), Vec::new());
        while let Some(event) = self.uplink.next_event() {
            match event {
                Event::Entry { place, entry } => {
                    let what = text_of(entry);
                    if place.is_own && matches!(entry, Entry::Said { .. } | Entry::Acted { .. }) {
                        assert!(
                            self.open.remove(&what) || self.refused.remove(&what),
                            "daemon {} hears its own {what} twice",
                            self.number
                        );
                        self.own.push(what.clone());
                    }
                    if let (true, Entry::Joined(name) | Entry::Left(name)) = (place.is_own, entry) {
                        match self.members.get_mut(name) {
                            Some(is_in) => *is_in = matches!(entry, Entry::Joined(_)),
                            None if matches!(entry, Entry::Joined(_)) => strangers.push(name.to_owned()),
                            None => {}
                        }
                    }
                    self.heard.push(Heard {
                        what,
                        instance: place.instance,
                        sequence: place.sequence,
                        at: now,
                    });
                }
                Event::NameTaken { name } => drop(self.members.remove(name)),
                Event::Gone { instance, .. } => {
                    self.heard.push(Heard { what: "gone".into(), instance, sequence: 0, at: now });
                    self.gone_at.insert(instance, now);
                }
                Event::Up => {
                    assert!(!self.is_up, "told twice that the room is whole");
                    (self.is_up, self.was_told) = (true, false);
                    self.first_up.get_or_insert(now);
                }
                Event::Down(_) => {
                    assert!(self.is_up || !self.was_told, "told twice that the room is cut off");
                    (self.is_up, self.was_told) = (false, true);
                }
                Event::Missed(count) => self.missed += count,
                Event::HistoryLost => self.lost += 1,
                Event::Refused { entry, .. } => {
                    let what = text_of(entry);
                    if matches!(entry, Entry::Said { .. } | Entry::Acted { .. }) {
                        assert!(self.open.remove(&what), "{what} was refused, and not open");
                        self.refused.insert(what);
                    } else if let Entry::Joined(name) = entry {
                        self.members.remove(name);
                    }
                }
                Event::Whisper(whisper) => {
                    answers.push((whisper.ticket, whisper.to.to_owned()));
                    self.whispered += 1;
                }
                Event::Whispered { id, outcome } => {
                    let before = self.whispers.insert(id, Some(outcome));
                    assert_eq!(before, Some(None), "{id:?} ends once");
                }
                Event::Stats { host, .. } => {
                    assert_ne!(host, format!("pc{}", self.number), "its own report came back")
                }
                Event::Seen(_) => panic!("nobody watches"),
                Event::Log(event) => {
                    self.log.push(format!("{:.3} {event}", now as f64 / 1e6));
                }
            }
        }
        for (ticket, to) in answers {
            let is_here = self.members.get(&to) == Some(&true);
            self.uplink.answer(ticket, is_here);
        }
        // A member that has left before its join was heard leaves once more.
        for name in strangers {
            self.uplink.propose(Entry::Left(&name), Timestamp::at(now)).expect("who leaves is always taken");
        }
        let id = self.uplink.instance();
        if self.ids.last() != Some(&id) {
            self.ids.push(id);
        }
    }
}
