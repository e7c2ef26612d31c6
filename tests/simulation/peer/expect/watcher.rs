//! A peer that watches: each line is an event with known fields, and contains nothing private.

use std::borrow::Cow;

use ipcd::engine::service::Service;
use serde::Deserialize;

use super::super::words::{self, REFUSAL};
use super::{Outcome, after_help, whole_lines};
use crate::totals::Totals;

/// An event, with every field that it may have.
#[expect(dead_code, reason = "of the other fields only that they can be read is asked")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event<'a> {
    schema: u32,
    event: &'a str,
    time: Option<f64>,
    endpoint: Option<&'a str>,
    service: Option<&'a str>,
    #[serde(borrow)]
    peer: Option<Cow<'a, str>>,
    mistake: Option<&'a str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    count: Option<u64>,
}

#[derive(Default)]
pub struct Watcher {
    heard: Vec<u8>,
}

impl Watcher {
    pub fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    pub fn verify(self, outcome: &Outcome<'_>, totals: &mut Totals) {
        let Outcome { who, reason, .. } = outcome;
        let heard = after_help(&self.heard, who);
        // It may have left in the middle of the help.
        let heard = if words::help_before(who).starts_with(&*heard) { "" } else { &*heard };
        for line in whole_lines(heard) {
            let is_plain = ["+", "Watching: ", "… ", "Error: "].iter().any(|word| line.starts_with(word));
            // The text of private messages here.
            assert!(!line.contains("psst") && !line.contains("(to you): "), "{who}: {line}");
            if !line.starts_with('{') {
                assert!(is_plain || outcome.service != Service::Watch, "{who}: heard {line:?}");
                continue;
            }
            let event: Event<'_> = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{who}: {reason:?}: {error}: {line}"));
            assert_ne!(event.service, Some("watch"), "{who}: saw a watcher: {line}");
            if event.service == Some("talk") && matches!(event.event, "message" | "reply") {
                let text = event.text.as_deref().unwrap_or_default();
                assert!(text.starts_with("(private, ") || is_refusal(text), "{who}: {line}");
                totals.count("private events verified");
            }
            totals.count("events verified");
            if matches!(event.event, "missed" | "hint") {
                totals.count_case("events", &event.event);
            }
        }
    }
}

/// A refused peer gets the reason, perhaps in pieces.
fn is_refusal(text: &str) -> bool {
    [REFUSAL, "Error: user 1 may not use this socket", "Error: user 2 may not use this socket"]
        .iter()
        .any(|words| words.contains(text))
}
