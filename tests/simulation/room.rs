//! The expected messages of the room: what an observer has received, compared with the input of every member.

use std::collections::{HashMap, HashSet};

use super::totals::Totals;

pub const GREETING: &str = "Greetings from the cave! Now type your name and press enter!";

/// One member's output and input.
pub struct Record {
    pub who: String,
    pub name: String,
    /// How many members of that name had joined, including this one.
    pub ordinal: usize,
    pub raw: bool,
    /// Messages that end with LF although the client is raw, because the kind was not known.
    pub greeting: Vec<u8>,
    pub heard: Vec<u8>,
    /// The last messages that are possible for the way in which it ended.
    pub last_words: Vec<String>,
    /// Whether everything that was written to it was read.
    pub complete: bool,
    /// Whether it was in the room until all its messages were handled.
    pub heard_out: bool,
    /// The lines about it that every member must have received, and the beginnings of the answers to it.
    pub said: Vec<String>,
    pub answers: Vec<Vec<String>>,
}

/// The observer's log.
pub struct Reference {
    lines: Vec<String>,
    /// Positions of `NAME has joined the chat!`, by name, and of leaving.
    joins: HashMap<String, Vec<usize>>,
    leaves: HashMap<String, Vec<usize>>,
    /// Whether it ends before the run did.
    pub cut: bool,
}

fn is_said(line: &str) -> bool {
    line.starts_with("* ") || line.contains(": ")
}

fn is_private(line: &str) -> bool {
    let own = ["Error: ", "Commands: ", "In the room: ", "you (to ", "{quit}", "Server is shutting down."];
    own.iter().any(|start| line.starts_with(start)) || line.contains(" (to you): ")
}

impl Reference {
    /// From the observer's input; `cut`: others may have received more. Panics if two members had one name at the same time.
    pub fn new(heard: &[u8], observer: &str, cut: bool) -> Reference {
        let text = std::str::from_utf8(heard).expect("the observer heard UTF-8");
        let welcome = format!("Welcome {observer}! If you ever want to quit, type {{quit}} to exit.\n");
        let (_, text) = text.split_once(&welcome).expect("the observer was welcomed");
        let mut reference =
            Reference { lines: Vec::new(), joins: HashMap::new(), leaves: HashMap::new(), cut };
        let mut present = HashSet::from([observer.to_lowercase()]);
        for line in text.split_terminator('\n') {
            if is_private(line) {
                continue;
            }
            let place = reference.lines.len();
            if !is_said(line) {
                if let Some(name) = line.strip_suffix(" has joined the chat!") {
                    assert!(present.insert(name.to_lowercase()), "two in the room are called {name}");
                    reference.joins.entry(name.to_owned()).or_default().push(place);
                } else if let Some(name) = line.strip_suffix(" has left the chat.") {
                    assert!(present.remove(&name.to_lowercase()), "{name} left and was not there");
                    reference.leaves.entry(name.to_owned()).or_default().push(place);
                } else {
                    panic!("the room said {line:?}");
                }
            }
            reference.lines.push(line.to_owned());
        }
        reference
    }

    pub fn check(&self, record: &Record, history_max: usize, totals: &mut Totals) {
        let Some(joined) =
            self.joins.get(&record.name).and_then(|places| places.get(record.ordinal - 1)).copied()
        else {
            assert!(self.cut, "{}: nobody heard {} join", record.who, record.name);
            return;
        };
        let left = self.leaves.get(&record.name).and_then(|places| places.get(record.ordinal - 1)).copied();
        let said_before: Vec<&str> =
            self.lines[..joined].iter().rev().filter(|line| is_said(line)).map(String::as_str).collect();
        if record.raw {
            self.check_raw(record, joined, left, &said_before, history_max);
        } else {
            self.check_line(record, joined, left, &said_before, history_max);
        }
        self.check_said(record, joined, left);
        if record.complete && left.is_some() {
            totals.count("members verified to their end");
        }
        totals.count("members verified");
    }

    /// The public lines that a member can have received, up to its own leaving.
    fn audible(&self, joined: usize, left: Option<usize>) -> &[String] {
        &self.lines[joined + 1..left.unwrap_or(self.lines.len())]
    }

    fn check_line(
        &self,
        record: &Record,
        joined: usize,
        left: Option<usize>,
        said_before: &[&str],
        history_max: usize,
    ) {
        let who = &record.who;
        let welcome = format!("Welcome {}! If you ever want to quit, type {{quit}} to exit.\n", record.name);
        let heard = String::from_utf8_lossy(&record.heard);
        let Some((_, rest)) = heard.split_once(&welcome) else {
            assert!(!record.complete, "{who}: joined and was not welcomed: {heard:?}");
            return;
        };
        let mut public = Vec::new();
        let mut private = Vec::new();
        let mut partial = "";
        for line in rest.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) if is_private(line) => private.push(line),
                Some(line) => public.push(line),
                None => partial = line,
            }
        }
        let audible = self.audible(joined, left);
        let fits = |shown: usize| {
            let (history, live) = public.split_at(shown);
            let compared = live.len().min(audible.len());
            history.iter().rev().zip(said_before).all(|(a, b)| a == b)
                && (live.len() <= audible.len() || (self.cut && left.is_none()))
                && live[..compared].iter().zip(&audible[..compared]).all(|(a, b)| *a == b.as_str())
                && (!record.complete || left.is_none() || live.len() == audible.len() || is_too_slow(record))
        };
        let longest = history_max.min(said_before.len()).min(public.len());
        // A member that stopped reading may not have received all of the history.
        let old: Vec<&str> = public.iter().rev().copied().collect();
        let broke_off = !record.complete
            && old.len() <= history_max
            && said_before[..history_max.min(said_before.len())]
                .windows(old.len().max(1))
                .any(|piece| piece == old);
        assert!(
            (0..=longest).rev().any(fits) || broke_off,
            "{who} as {}, complete {}: heard no piece of what was said\n  {public:#?}\n of\n  {audible:#?}\n after {:#?}; private {private:?}",
            record.name,
            record.complete,
            &said_before[..longest]
        );
        assert!(!record.complete || partial.is_empty(), "{who}: half a line at the end: {partial:?}");
        if record.complete {
            let last = private.last().copied().unwrap_or_default();
            let allowed = record.last_words.iter().any(|words| words.is_empty() || words == last);
            assert!(allowed, "{who}: last words {last:?}, not {:?}", record.last_words);
        }
        check_answers(record, &private);
    }

    fn check_raw(
        &self,
        record: &Record,
        joined: usize,
        left: Option<usize>,
        said_before: &[&str],
        history_max: usize,
    ) {
        let who = &record.who;
        let mut start = record.greeting.clone();
        start.extend(
            format!("Welcome {}! If you ever want to quit, type {{quit}} to exit.", record.name).bytes(),
        );
        if record.heard.len() < start.len() {
            assert!(
                !record.complete && start.starts_with(&record.heard),
                "{who}: was not welcomed: {:?}",
                text(&record.heard)
            );
            return;
        }
        assert!(record.heard.starts_with(&start), "{who}: was not welcomed: {:?}", text(&record.heard));
        let rest = &record.heard[start.len()..];
        let live = self.audible(joined, left).concat().into_bytes();
        let fits = |shown: usize| {
            let history: String = said_before[..shown].iter().rev().copied().collect();
            if rest.len() < history.len() {
                return !record.complete && history.as_bytes().starts_with(rest);
            }
            let Some(rest) = rest.strip_prefix(history.as_bytes()) else { return false };
            let common = rest.iter().zip(&live).take_while(|(a, b)| a == b).count();
            if self.cut && left.is_none() && common == live.len() {
                return true;
            }
            let is_end = |words: &String| {
                // The last message begins at the beginning of a line, and may begin like the next line.
                let whole = live.len() == common || is_too_slow(record);
                (0..=words.len().min(rest.len())).any(|taken| {
                    let at = rest.len() - taken;
                    at <= common && words.as_bytes().starts_with(&rest[at..]) && {
                        !record.complete
                            || (taken == words.len() && (whole || at == live.len() || left.is_none()))
                    }
                })
            };
            record.last_words.iter().any(is_end)
        };
        let longest = history_max.min(said_before.len());
        assert!(
            (0..=longest).any(fits) || (rest.is_empty() && !record.complete),
            "{who}: heard {:?}\n of {:?}\n last words {:?}, complete {}",
            text(rest),
            text(&live),
            record.last_words,
            record.complete
        );
    }

    /// Every member has received each of its messages once and in order; all of them, if its input was complete.
    fn check_said(&self, record: &Record, joined: usize, left: Option<usize>) {
        let (plain, acted) = (format!("{}: ", record.name), format!("* {} ", record.name));
        let of_it = |line: &&String| line.starts_with(&plain) || line.starts_with(&acted);
        let told: Vec<&String> = self.audible(joined, left).iter().filter(of_it).collect();
        let whole = record.heard_out && left.is_some();
        assert!(
            // A member that leaves in the middle of a message has sent the first part of it.
            (told.len() <= record.said.len() || (told.len() == record.said.len() + 1 && !record.heard_out))
                && told.iter().zip(&record.said).all(|(a, b)| *a == b)
                && (!whole || told.len() == record.said.len()),
            "{}: said {:#?}\n and the room heard {:#?}",
            record.who,
            record.said,
            told
        );
    }
}

/// Apart from private messages of others, its private input is the answers to its own commands, in order.
fn check_answers(record: &Record, private: &[&str]) {
    let who = &record.who;
    let mut own = private.iter().filter(|line| !line.contains(" (to you): "));
    for (at, answer) in record.answers.iter().enumerate() {
        let Some(line) = own.next() else {
            assert!(!(record.complete && record.heard_out), "{who}: no answer to command {at}, {answer:?}");
            break;
        };
        let is_end = record.last_words.iter().any(|words| words == line);
        assert!(
            answer.iter().any(|start| line.starts_with(start.as_str())) || is_end,
            "{who}: command {at} got {line:?}, not {answer:?}"
        );
        if is_end {
            break;
        }
    }
}

fn is_too_slow(record: &Record) -> bool {
    let is_it = |words: &String| words == "Error: too slow" || words.starts_with("Error: nothing read for ");
    record.last_words.iter().any(is_it)
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
