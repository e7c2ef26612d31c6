//! A peer that requests reports about the daemon: each request gets one, which contains the peer itself.

use ipcd::engine::message::CloseReason;

use super::{Outcome, after_help, whole_lines};
use crate::totals::Totals;

pub struct Reports {
    heard: Vec<u8>,
    asked: usize,
    /// Whether it is allowed to have them.
    is_known: bool,
}

impl Reports {
    pub fn new(asked: usize, is_known: bool) -> Reports {
        Reports { heard: Vec::new(), asked, is_known }
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    pub fn verify(self, outcome: &Outcome<'_>, totals: &mut Totals) {
        let Outcome { who, reason, .. } = outcome;
        let heard = after_help(&self.heard, who);
        let mut reports = 0;
        for line in whole_lines(&heard).filter(|line| line.starts_with('{')) {
            let report: serde_json::Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{who}: {reason:?}: {error}: {line}"));
            let connections = report["connections"].as_array().expect("a list");
            let itself = who.remote.to_string();
            assert!(connections.iter().any(|connection| connection["peer"] == itself), "{who}");
            reports += 1;
        }
        totals.add("reports verified", reports as u64);
        assert!(self.is_known || reports == 0, "{who}: got a report that it may not have");
        assert!(reports <= self.asked, "{who}: {reports} reports for {} questions", self.asked);
        let is_whole = outcome.complete && outcome.opened && !outcome.has_abandoned;
        if is_whole && self.is_known && *reason == CloseReason::PeerClosed {
            assert_eq!(reports, self.asked, "{who}: {heard:?}");
        }
    }
}
