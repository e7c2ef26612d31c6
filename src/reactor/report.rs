//! The log of events, one line for each. Each kind of event has a budget of lines a second; in a flood the rest is counted.

use std::io;
use std::time::Duration;

use log::Level;

use super::budget::Budget;
use super::names::Names;
use crate::engine::Engine;
use crate::engine::encryption::TRUNCATED;
use crate::engine::listed::listed;
use crate::engine::message::{Binding, Event, EventKind, FramingMode, RemoteAddress, Timestamp};
use crate::engine::text::private;
use crate::engine::words::Phrase;
use crate::os_error::describe;

const SECOND: Duration = Duration::from_secs(1);

listed! {
    /// Kinds of lines, each with its own budget.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Line {
        Opened,
        Secured,
        Unsecured,
        Closed,
        Refused,
        Erred,
        Mistaken,
        Remarked,
        Joined,
        Decided,
        Chose,
        Asked,
        Said,
        Dropped,
        EndpointError,
    }
}

impl Line {
    fn level(self) -> Level {
        match self {
            Line::Asked
            | Line::Opened
            | Line::Unsecured
            | Line::Closed
            | Line::Erred
            | Line::Mistaken
            | Line::Remarked
            | Line::Joined
            | Line::Dropped => Level::Info,
            Line::Secured | Line::Decided | Line::Chose | Line::Said => Level::Debug,
            Line::Refused | Line::EndpointError => Level::Warn,
        }
    }

    /// The subject of lines of this kind in the line that counts them.
    fn subject(self) -> &'static str {
        match self {
            Line::Opened => "connections opened",
            Line::Secured => "TLS handshakes",
            Line::Unsecured => "TLS failures",
            Line::Closed => "connections closed",
            Line::Refused => "connections refused",
            Line::Erred => "error replies",
            Line::Mistaken => "hints",
            Line::Remarked => "unanswered messages",
            Line::Joined => "members joined, pairs formed",
            Line::Decided => "kinds of clients detected",
            Line::Chose => "services chosen",
            Line::Asked => "requests to the daemon",
            Line::Said => "messages",
            Line::Dropped => "datagrams without an answer",
            Line::EndpointError => "endpoint errors",
        }
    }
}

/// The error when the daemon itself opened a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum EndpointError {
    Accept,
    Register,
    Pair,
}

/// The lines of each kind in the current second.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    begun: Timestamp,
    budgets: [Budget; Line::ALL.len()],
    names: Names,
}

impl EventLog {
    /// Logs the engine's events.
    #[inline(always)] // there are nearly always none
    pub(super) fn take(&mut self, now: Timestamp, engine: &mut Engine) {
        while let Some(event) = engine.poll_event() {
            self.note(now, &event);
        }
    }

    #[inline(never)]
    fn note(&mut self, now: Timestamp, Event { peer, binding, remote, what }: &Event) {
        let name = self.names.of(*peer, what);
        let mut line = |kind, text: std::fmt::Arguments| match &name {
            Some(name) => self.line(now, kind, binding, Some(*remote), format_args!("[{name}] {text}")),
            None => self.line(now, kind, binding, Some(*remote), text),
        };
        match what {
            EventKind::Opened => line(Line::Opened, format_args!("connected")),
            EventKind::Secured(how) => line(Line::Secured, format_args!("encrypted with {how}")),
            EventKind::Identified(name) => line(Line::Opened, format_args!("is {name}, by its certificate")),
            EventKind::Unsecured(reason) => line(Line::Unsecured, format_args!("TLS failed: {reason}")),
            EventKind::Truncated => line(Line::Unsecured, format_args!("{TRUNCATED}")),
            EventKind::Decided(FramingMode::Packet) => {} // the endpoint's kind says so
            EventKind::Decided(kind) => {
                line(Line::Decided, format_args!("{}", Phrase("framing", kind.name())))
            }
            EventKind::Chose(service) => line(Line::Chose, format_args!("{}", Phrase("chose", service))),
            EventKind::Asked(request) => line(Line::Asked, format_args!("{request}")),
            EventKind::Mistaken(hint) => line(Line::Mistaken, format_args!("{}", Phrase("hint", hint))),
            EventKind::Ordered(done) => line(Line::Asked, format_args!("{done}")),
            EventKind::Erred(error) => line(Line::Erred, format_args!("{}", Phrase("error", error))),
            EventKind::Remarked(text) => line(Line::Remarked, format_args!("says '{text}'")),
            EventKind::Said(text) => line(Line::Said, format_args!("{}", Phrase("message", text))),
            EventKind::SaidPrivately(bytes) => line(Line::Said, format_args!("message {}", private(*bytes))),
            EventKind::Joined(name) => line(Line::Joined, format_args!("{}", Phrase("joined", name))),
            EventKind::Met(partner) => line(Line::Joined, format_args!("{}", Phrase("met", partner))),
            EventKind::Dropped(reason) => {
                line(Line::Dropped, format_args!("datagram not answered: {reason}"))
            }
            EventKind::Undelivered { to, reason } if to.is_empty() => {
                line(Line::Dropped, format_args!("answer dropped: {reason}"));
            }
            EventKind::Undelivered { to, reason } => {
                line(Line::Dropped, format_args!("answer to '{to}' dropped: {reason}"));
            }
            EventKind::Refused(reason) => line(Line::Refused, format_args!("{reason}")),
            EventKind::Closed(reason) if reason.is_refusal() => line(Line::Refused, format_args!("{reason}")),
            EventKind::Closed(reason) => line(Line::Closed, format_args!("{}", reason.phrase())),
        }
    }

    /// Takes the names of members from before a restart.
    pub(super) fn restore(&mut self, engine: &Engine) {
        engine.member_names().for_each(|(peer, name)| self.names.insert(peer, name));
    }

    /// Logs that a connection was refused because no descriptor was left.
    pub(super) fn refused(&mut self, now: Timestamp, binding: &Binding, remote: RemoteAddress) {
        let text =
            format_args!("refused: no file descriptor left; raise the limit on open files (LimitNOFILE)");
        self.line(now, Line::Refused, binding, Some(remote), text);
    }

    /// Logs that accepting failed.
    pub(super) fn trouble(
        &mut self,
        now: Timestamp,
        trouble: EndpointError,
        binding: &Binding,
        error: &io::Error,
    ) {
        let what = match trouble {
            EndpointError::Accept => "cannot accept now, trying again",
            EndpointError::Register => "cannot register a connection, closing it",
            EndpointError::Pair => "cannot be used now, trying again",
        };
        // A pair fails a few times a second at most, and each time for a reason of its own.
        let remote = matches!(trouble, EndpointError::Pair).then_some(RemoteAddress::Writers);
        self.line(now, Line::EndpointError, binding, remote, format_args!("{what}: {}", describe(error)));
    }

    fn line(
        &mut self,
        now: Timestamp,
        kind: Line,
        binding: &Binding,
        remote: Option<RemoteAddress>,
        text: std::fmt::Arguments,
    ) {
        if !log::log_enabled!(kind.level()) {
            return;
        }
        self.settle(now);
        let budget = &mut self.budgets[kind as usize];
        let takes = match remote {
            Some(remote) => budget.takes(remote),
            None => budget.takes_one(),
        };
        if !takes {
            return;
        }
        match remote {
            Some(remote) => log::log!(kind.level(), "{}: {remote}: {text}", binding.endpoint),
            None => log::log!(kind.level(), "{}: {text}", binding.endpoint),
        }
    }

    /// Logs, at the end of a second, how many lines were suppressed in it.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if now.since(self.begun) < SECOND {
            return;
        }
        for kind in Line::ALL {
            let count = self.budgets[kind as usize].renew();
            if count > 0 {
                log::log!(kind.level(), "{count} more lines suppressed: {}", kind.subject());
            }
        }
        self.begun = now;
    }

    /// When to log the number of suppressed lines.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.budgets.iter().any(Budget::has_suppressed).then(|| self.begun + SECOND)
    }
}
