//! A peer that requests lists of machines: it receives whole lists, or the beginning of one at the end of its connection.

use std::borrow::Cow;

use ipcd::engine::message::CloseReason;
use serde::Deserialize;

use super::super::words;
use super::{Outcome, after_help};
use crate::totals::Totals;

/// A line of a list of machines, with every field of a report here.
#[expect(dead_code, reason = "of the other fields only that they can be read is asked")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    age: Option<serde_json::Number>,
    cpu_percent: Option<f64>,
    x: Option<&'a str>,
    machines: Option<u64>,
}

#[derive(Default)]
pub struct Lists {
    heard: Vec<u8>,
}

impl Lists {
    pub fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    pub fn verify(self, outcome: &Outcome<'_>, totals: &mut Totals) {
        let Outcome { who, reason, last_words, .. } = outcome;
        if words::help_before(who).as_bytes().starts_with(&self.heard) {
            return; // it got no further than the mux
        }
        let heard = after_help(&self.heard, who);
        let (mut hosts, mut lists): (Vec<Cow<'_, str>>, u64) = (Vec::new(), 0);
        let whole = heard.rfind('\n').map_or(0, |lf| lf + 1);
        let mut last = "";
        for line in heard[..whole].lines() {
            assert_eq!(last, "", "{who}: {line:?} follows its last words");
            if line.starts_with("Error: ") {
                last = line;
                continue;
            }
            let read: Line<'_> = serde_json::from_str(line).expect(line);
            if let Some(host) = read.host {
                let follows = hosts.last().is_none_or(|before| *before < host);
                let has_age = read.age.is_some_and(|age| age.is_f64());
                assert!(follows && has_age, "{who}: {line:?} after {hosts:?}");
                hosts.push(host);
            } else {
                assert_eq!(read.machines, Some(hosts.len() as u64), "{who}: {line}");
                hosts.clear();
                lists += 1;
            }
        }
        if outcome.complete {
            assert!(last_words.iter().any(|words| words == last), "{who}: {last:?}, not {last_words:?}");
            let may_be_cut = *reason != CloseReason::PeerClosed;
            assert!(may_be_cut || hosts.is_empty(), "{who}: a list was cut after {hosts:?}");
        }
        totals.add("lists verified", lists);
    }
}
