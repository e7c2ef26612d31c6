//! The events that the daemon sends to a watcher: parsed, and formatted as lines. Knows no connection and no screen.

use ipcd::engine::text::clean;
use ipcd::engine::words::{ERROR, Phrase};
use serde::Deserialize;

/// The kind of a line, for its display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchLineKind {
    /// A message, or a reply.
    Said,
    /// The beginning, the end and the state of a connection.
    Life,
    /// A mistake, and how to correct it.
    Hint,
    /// An error reply, or a dropped peer.
    Error,
    /// Missed events, because we were too slow.
    Missed,
    /// A note of this client.
    Note,
}

/// The meaning of a line from the daemon.
#[derive(Debug, PartialEq)]
pub(crate) enum WatchLine {
    /// This filter is now active; with the daemon's clock, in seconds.
    Watching { filter: String, time: f64 },
    /// An event.
    Seen(WatchEvent),
    /// This many events were missed.
    Missed(u64),
    /// A filter is invalid, or we may not watch; without `Error: `.
    Error(String),
    /// The line is not from ipcd.
    Other,
}

/// One event, without control characters for a terminal.
#[derive(Debug, PartialEq)]
pub(crate) struct WatchEvent {
    pub(crate) kind: WatchLineKind,
    /// The daemon's clock, in seconds.
    pub(crate) time: f64,
    pub(crate) service: String,
    pub(crate) peer: String,
    /// What was said, or done.
    pub(crate) text: String,
    /// Its name: `opened`, `message`, ….
    name: String,
    what: String,
}

/// The fields of the daemon's JSON.
#[derive(Deserialize)]
struct Event {
    event: String,
    #[serde(default)]
    time: f64,
    #[serde(default)]
    endpoint: String,
    /// Missing in the events of a rejected client.
    #[serde(default)]
    service: String,
    #[serde(default)]
    peer: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    count: u64,
}

impl WatchLine {
    pub(crate) fn of(line: &str) -> WatchLine {
        if let Some(error) = line.strip_prefix(ERROR) {
            return WatchLine::Error(error.to_owned());
        }
        let Ok(event) = serde_json::from_str::<Event>(line) else { return WatchLine::Other };
        // JSON escapes have become control characters again.
        let service = if event.service.is_empty() { &event.endpoint } else { &event.service };
        // The servers of a shared room are no peer.
        let peer = if event.peer.is_empty() { &event.endpoint } else { &event.peer };
        let [service, peer, text] = [service, peer, &event.text].map(|text| clean(text.as_bytes()));
        let kind = match event.event.as_str() {
            "watching" => return WatchLine::Watching { filter: text, time: event.time },
            "missed" => return WatchLine::Missed(event.count),
            "message" | "reply" | "up" | "down" => WatchLineKind::Said,
            "hint" => WatchLineKind::Hint,
            "error" | "dropped" | "refused" => WatchLineKind::Error,
            _ => WatchLineKind::Life,
        };
        let name = clean(event.event.as_bytes());
        let what = match &*name {
            "opened" => name.clone(),
            "closed" if text.starts_with("closed") => text.clone(),
            _ => Phrase(&name, &text).to_string(),
        };
        WatchLine::Seen(WatchEvent { kind, time: event.time, service, peer, text, name, what })
    }
}

impl WatchEvent {
    /// Formats it as one line: whom it is about, and what happened.
    pub(crate) fn line(&self) -> String {
        format!("{}  {}  {}", self.service, self.peer, self.what)
    }

    /// The connection begins.
    pub(crate) fn is_beginning(&self) -> bool {
        self.name == "opened"
    }

    /// The client said it.
    pub(crate) fn is_message(&self) -> bool {
        self.name == "message"
    }

    /// The connection ends.
    pub(crate) fn is_end(&self) -> bool {
        matches!(&*self.name, "closed" | "dropped" | "refused")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> (WatchLineKind, String) {
        match WatchLine::of(line) {
            WatchLine::Seen(watch_event) => (watch_event.kind, watch_event.line()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn event_is_formatted_in_one_line() {
        let line = |event: &str, text: &str| {
            format!(
                r#"{{"schema":1,"event":"{event}","time":2.5,"endpoint":"tcp://[::1]:1","service":"chat","peer":"[::1]:2","text":"{text}"}}"#
            )
        };
        for (event, text, kind, what) in [
            ("message", "hint: x", WatchLineKind::Said, "message 'hint: x'"),
            ("reply", "50.0", WatchLineKind::Said, "reply '50.0'"),
            ("hint", "call recv() twice", WatchLineKind::Hint, "hint: call recv() twice"),
            ("error", "not a number", WatchLineKind::Error, "error reply: not a number"),
            ("refused", "too many", WatchLineKind::Error, "refused: too many"),
            ("dropped", "too slow", WatchLineKind::Error, "dropped: too slow"),
            ("framing", "raw", WatchLineKind::Life, "is a raw client"),
            ("chose", "chat", WatchLineKind::Life, "chose chat"),
            ("joined", "ann", WatchLineKind::Life, "joined as ann"),
            ("met", "[::1]:3", WatchLineKind::Life, "talks with [::1]:3"),
            ("closed", "served", WatchLineKind::Life, "closed: served"),
            ("closed", "closed by the peer", WatchLineKind::Life, "closed by the peer"),
            ("up", "batch 1: ann joins", WatchLineKind::Said, "up: batch 1: ann joins"),
            ("new", "to us", WatchLineKind::Life, "new: to us"),
        ] {
            let shown = format!("chat  [::1]:2  {what}");
            assert_eq!(seen(&line(event, text)), (kind, shown), "{event}");
        }
        let opened = r#"{"event":"opened","time":1,"endpoint":"e","peer":"p"}"#;
        assert_eq!(seen(opened), (WatchLineKind::Life, "e  p  opened".to_owned()));
    }

    #[test]
    fn other_lines_keep_their_meaning_without_control_characters() {
        assert_eq!(WatchLine::of(r#"{"event":"missed","count":7}"#), WatchLine::Missed(7));
        let watching = r#"{"event":"watching","time":2,"text":"service=chat"}"#;
        assert_eq!(
            WatchLine::of(watching),
            WatchLine::Watching { filter: "service=chat".to_owned(), time: 2.0 }
        );
        assert_eq!(WatchLine::of("Error: no"), WatchLine::Error("no".to_owned()));
        for other in ["Data received", "", "{}", "[1]", r#"{"event":1}"#] {
            assert_eq!(WatchLine::of(other), WatchLine::Other, "{other}");
        }
        let hostile = r#"{"event":"\u001b]0;x\u0007","endpoint":"\u001b[2J","peer":"\u009b5m\n","text":"\u202e\u001bc"}"#;
        let (kind, shown) = seen(hostile);
        assert_eq!((kind, shown.as_str()), (WatchLineKind::Life, "[2J  5m  ]0;x: c"));
    }
}
