//! How a peer marks the ends of its messages, and how the daemon recognizes it.

use ipcd::engine::limits::{FramingRule, Settings};
use ipcd::engine::message::{Binding, FramingMode};

use super::PeerLabel;
use crate::random::Random;

pub struct Framing {
    /// Whether it sends each message with one send() and no line end.
    pub raw: bool,
    pub rule: FramingRule,
    pub decided: Option<FramingMode>,
    /// Whether it could be detected as either, so that its replies are unpredictable.
    pub ambiguous: bool,
}

impl Framing {
    pub fn new(random: &mut Random, binding: &Binding, settings: &Settings) -> Framing {
        // A packet is a line here, which is sent without its LF.
        let rule = match binding.transport {
            transport if transport.has_messages() => FramingRule::Line,
            _ => settings.of(binding.service).framing,
        };
        let raw = match rule {
            FramingRule::Auto => random.percent(40),
            FramingRule::Line => false,
            FramingRule::Raw => true,
            FramingRule::C | FramingRule::Telnet => unreachable!("no settings of the simulation say so"),
        };
        Framing { raw, rule, decided: None, ambiguous: false }
    }

    /// The end of each of its messages.
    pub fn end(&self) -> &'static str {
        if self.raw { "" } else { "\n" }
    }

    pub fn is_known(&self) -> bool {
        self.decided.is_some() || self.rule != FramingRule::Auto
    }

    pub fn is_known_raw(&self) -> bool {
        self.decided == Some(FramingMode::Raw) || self.rule == FramingRule::Raw
    }

    pub fn is_known_line(&self) -> bool {
        self.decided == Some(FramingMode::Line) || self.rule == FramingRule::Line
    }

    /// Notes the daemon's decision; returns whether it was the first one.
    pub fn decide(&mut self, kind: FramingMode, who: &PeerLabel) -> bool {
        assert_eq!(self.rule, FramingRule::Auto, "{who}: there was nothing to decide");
        let is_first = self.decided.replace(kind) != Some(FramingMode::Raw);
        // It may be detected as raw in the middle of a line, before the LF arrives.
        assert!(is_first || kind == FramingMode::Line && !self.raw, "{who}: decided twice");
        is_first
    }
}
