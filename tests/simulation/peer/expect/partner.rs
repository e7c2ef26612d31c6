//! One of two partners in talk: it receives each message of the other one once, and in order.

use super::{Outcome, after_help};
use crate::totals::Totals;

pub struct Partner {
    /// The number in its own messages.
    serial: u64,
    heard: Vec<u8>,
}

impl Partner {
    pub fn new(serial: u64) -> Partner {
        Partner { serial, heard: Vec::new() }
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    pub fn verify(self, outcome: &Outcome<'_>, totals: &mut Totals) {
        let who = outcome.who;
        // Line ends are ignored, because the partner may have been detected as a raw client, each of whose bursts is a message.
        let mut heard = after_help(&self.heard, who).into_owned();
        let last = heard.rfind('|').unwrap_or(0);
        heard.replace_range(..last, &heard[..last].replace(['\n', ' '], ""));
        let mut messages: Vec<&str> = heard.split('|').map(str::trim).collect();
        let tail = messages.pop().unwrap_or_default();
        let mut partner = None;
        for (index, message) in messages.iter().enumerate() {
            let said = message.strip_prefix('t').and_then(|said| said.split_once('~'));
            let (whose, at) = said
                .and_then(|(said, _)| said.split_once('.'))
                .unwrap_or_else(|| panic!("{who}: heard {message:?} of {heard:?}"));
            assert_eq!(at, index.to_string(), "{who}: lost, doubled or out of order: {heard:?}");
            assert_ne!(whose, self.serial.to_string(), "{who}: heard itself");
            assert_eq!(*partner.get_or_insert(whose), whose, "{who}: heard two");
        }
        totals.add("said between two", messages.len() as u64);
        if outcome.complete {
            let (reason, words) = (outcome.reason, &outcome.last_words);
            let fits = |words: &String| {
                tail.strip_suffix(words.trim()).is_some_and(|before| is_unfinished(before.trim()))
            };
            assert!(words.iter().any(fits), "{who}: {reason:?}: last words {tail:?}, not {words:?}");
        }
    }
}

/// The partner may be in the middle of a message.
fn is_unfinished(text: &str) -> bool {
    let text = text.replace('\n', "").to_lowercase();
    text.starts_with('t') || "bye".starts_with(&text)
}
