//! A member of the room: its messages, and their expected effects. At the end, they are compared with the room's log.

use std::collections::VecDeque;

use ipcd::engine::limits::FramingRule;
use ipcd::engine::message::CloseReason;
use ipcd::engine::service::Service;

use super::super::PeerLabel;
use super::super::script::Script;
use super::super::words::REFUSAL;
use super::Outcome;
use crate::random::Random;
use crate::room::{GREETING, Record};

/// The effect of a chat message.
pub enum Effect {
    Nothing,
    /// Everybody hears `NAME: text`.
    Said(String),
    /// Everybody hears `* NAME text`.
    Acted(String),
    /// Only its author hears a line that starts with one of these.
    Answered(Vec<String>),
}

/// Any message of a member, marked with `tag`, and its effect.
pub fn message(random: &mut Random, tag: &str, is_raw: bool) -> (String, Effect) {
    let answer = |start: &str| Effect::Answered(vec![start.to_owned()]);
    match random.below(if is_raw { 3 } else { 10 }) {
        1 => (format!("/me waves: {tag}"), Effect::Acted(format!("waves: {tag}"))),
        2 => (format!("//{tag}: slash"), Effect::Said(format!("/{tag}: slash"))),
        3 => ("/help".into(), answer("Commands: ")),
        4 => ("/who".into(), answer("In the room: ")),
        5 => ("/bad".into(), answer("Error: unknown command: /bad (try /help)")),
        6 => {
            let to = random.pick(&["ann", "BOB", "carol", "nobody"]);
            let starts = ["you (to ", "Error: nobody here is called '"];
            (format!("/msg {to} psst {tag}"), Effect::Answered(starts.map(str::to_owned).to_vec()))
        }
        7 => (format!("{tag}: a\u{1b}[2Jb\u{7}\u{202e}\tc"), Effect::Said(format!("{tag}: a[2Jb\tc"))),
        8 => (" \t".into(), Effect::Nothing),
        _ => {
            let text = format!("{tag}:{}", " hi".repeat(random.below(15)));
            (text.clone(), Effect::Said(text))
        }
    }
}

/// Writes a member's script, and notes the effect of each message.
pub struct Lines<'a> {
    script: &'a mut Script,
    end: &'static str,
    effects: VecDeque<(u64, Effect)>,
    /// Bytes so far.
    pub bytes: u64,
}

impl<'a> Lines<'a> {
    pub fn new(script: &'a mut Script, end: &'static str) -> Lines<'a> {
        Lines { script, end, effects: VecDeque::new(), bytes: 0 }
    }

    pub fn say(&mut self, text: &str, effect: Effect) {
        let unit = format!("{text}{}", self.end);
        self.bytes += unit.len() as u64;
        self.script.push(unit);
        self.effects.push_back((self.bytes, effect));
    }

    /// Bytes after the first `free` ones wait until the client is a member.
    pub fn finish(self, free: u64) -> Chat {
        Chat { heard: Vec::new(), joined: None, effects: self.effects, free }
    }
}

pub struct Chat {
    heard: Vec<u8>,
    /// Its name, and how many members of that name had joined by then.
    joined: Option<(String, usize)>,
    /// The effect of each message that ends at a byte of its output.
    effects: VecDeque<(u64, Effect)>,
    free: u64,
}

impl Chat {
    /// A member that sends only its name.
    pub fn silent() -> Chat {
        Chat { heard: Vec::new(), joined: None, effects: VecDeque::new(), free: u64::MAX }
    }

    pub fn is_in_the_room(&self) -> bool {
        self.joined.is_some()
    }

    pub fn note_joined(&mut self, name: &str, ordinal: usize, who: &PeerLabel) {
        assert!(self.joined.is_none(), "{who}: joined twice");
        self.joined = Some((name.to_owned(), ordinal));
    }

    /// Notes that another name of this many bytes is sent after the first `sent` bytes.
    pub fn insert_name(&mut self, sent: u64, bytes: u64) {
        let later = self.effects.iter_mut().filter(|(ends, _)| *ends > sent);
        later.for_each(|(ends, _)| *ends += bytes);
        let at = self.effects.iter().take_while(|(ends, _)| *ends <= sent).count();
        self.effects.insert(at, (sent + bytes, Effect::Nothing));
    }

    /// Whether it may send what begins at this byte.
    pub fn may_send(&self, at: u64) -> bool {
        self.is_in_the_room() || at < self.free
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    pub fn verify(mut self, outcome: &Outcome<'_>) -> Option<Record> {
        let Some((name, ordinal)) = self.joined.take() else {
            self.check_outside(outcome);
            return None;
        };
        let (mut said, mut answers) = (Vec::new(), Vec::new());
        for (_, effect) in self.effects.into_iter().filter(|(ends, _)| *ends <= outcome.sent) {
            match effect {
                Effect::Nothing => {}
                Effect::Said(text) => said.push(format!("{name}: {text}")),
                Effect::Acted(text) => said.push(format!("* {name} {text}")),
                Effect::Answered(starts) => answers.push(starts),
            }
        }
        let (framing, reason) = (outcome.framing, outcome.reason);
        let is_through_mux = outcome.who.binding.service == Service::Mux;
        let greeted_raw = framing.raw && (framing.rule == FramingRule::Raw || is_through_mux);
        Some(Record {
            who: format!("{} ({reason:?})", outcome.who),
            name,
            ordinal,
            raw: framing.raw,
            greeting: format!("{GREETING}{}", if greeted_raw { "" } else { "\n" }).into_bytes(),
            heard: self.heard,
            last_words: outcome.last_words.clone(),
            complete: outcome.complete,
            heard_out: reason == CloseReason::PeerQuit
                || (reason == CloseReason::PeerClosed && !outcome.is_cut),
            said,
            answers,
        })
    }

    /// It was never in the room, so only its last message is known.
    fn check_outside(&self, outcome: &Outcome<'_>) {
        let Outcome { who, reason, .. } = outcome;
        let heard = String::from_utf8_lossy(&self.heard);
        if outcome.complete {
            let words = outcome.ended_last_words();
            let fits = words.iter().any(|words| heard.ends_with(words.as_str()));
            assert!(fits, "{who}: {reason:?}: heard {heard:?}");
            if *reason == CloseReason::TooMany {
                assert_eq!(heard, format!("{REFUSAL}\n"), "{who}");
            }
        }
    }
}
