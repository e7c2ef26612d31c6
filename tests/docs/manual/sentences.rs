//! Every sentence that the daemon can send to a peer, or log as a reason, is in the manual.

use super::page::unescape;
use super::{IPCD, PROTOCOL};

/// The string literals of a source, without its tests, that contain words; `{}` stands for any text.
fn sentences(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap();
    let mut sentences = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else if let Some(inner) = rest.strip_prefix('"') {
            let mut escaped = false;
            let is_end = |c: char| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            };
            let end = inner.find(is_end).expect("a string ends");
            let text = inner[..end].replace("\\\\", "\0").replace("\\\"", "\"");
            let text = text.trim_end_matches("\\r\\n").trim_end_matches("\\n");
            if text.contains("\\r\\n") {
                rest = &inner[end + 1..];
                continue; // fields of HTTP
            }
            let words = pieces(text).concat();
            if words.contains(' ') && words.contains(|c: char| c.is_alphabetic() && c != 'n' && c != 'r') {
                assert!(!text.contains('\\'), "an escape that this test does not know: {text}");
                sentences.push(text.replace('\0', "\\"));
            }
            rest = &inner[end + 1..];
        } else {
            rest = &rest[1..];
        }
    }
    sentences
}

/// The parts before, between and after the placeholders of a format.
fn pieces(format: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => pieces.last_mut().unwrap().extend(chars.next()),
            '{' => {
                chars.by_ref().find(|c| *c == '}');
                pieces.push(String::new());
            }
            c => pieces.last_mut().unwrap().push(c),
        }
    }
    pieces
}

/// Whether some line of the page has the sentence, with something for each placeholder.
fn mentions(page: &str, sentence: &str) -> bool {
    // A constant may have braces that are not placeholders.
    let whole = page.lines().any(|line| unescape(line).contains(sentence));
    let pieces = pieces(sentence);
    whole
        || page.lines().map(unescape).any(|line| {
            let mut rest = line.as_str();
            pieces.iter().all(|piece| match rest.find(piece.as_str()) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
        })
}

#[test]
fn manual_lists_every_close_reason() {
    let reasons = sentences(include_str!("../../../src/engine/close_reason.rs"));
    assert!(reasons.len() > 20, "{reasons:?}");
    for reason in reasons {
        assert!(mentions(IPCD, &reason), "{reason:?}");
    }
}

#[test]
fn manual_lists_every_sentence_a_peer_can_get() {
    let mut count = 0;
    let mut missing = Vec::new();
    for source in [
        include_str!("../../../src/engine/allow.rs"),
        include_str!("../../../src/engine/service/chat.rs"),
        include_str!("../../../src/engine/service/control.rs"),
        include_str!("../../../src/engine/orders.rs"),
        include_str!("../../../src/engine/session/guest.rs"),
        include_str!("../../../src/engine/service/greeting.rs"),
        include_str!("../../../src/engine/service/hello.rs"),
        include_str!("../../../src/engine/service/multiply.rs"),
        include_str!("../../../src/engine/service/stats.rs"),
        include_str!("../../../src/engine/session/status.rs"),
        include_str!("../../../src/engine/session/watching.rs"),
        include_str!("../../../src/engine/service/watch.rs"),
        include_str!("../../../src/engine/service/mux.rs"),
        include_str!("../../../src/engine/session/page.rs"),
        include_str!("../../../src/engine/session/mux.rs"),
        include_str!("../../../src/engine/session/unread.rs"),
        include_str!("../../../src/engine/event_ring.rs"),
        include_str!("../../../src/engine/diagnosis.rs"),
        include_str!("../../../src/engine/diagnosis/context.rs"),
        include_str!("../../../src/engine/diagnosis/form.rs"),
        include_str!("../../../src/engine/diagnosis/literal.rs"),
        include_str!("../../../src/engine/number.rs"),
        include_str!("../../../src/engine/room.rs"),
        include_str!("../../../src/engine/session/mod.rs"),
        include_str!("../../../src/engine/session/close.rs"),
        include_str!("../../../src/engine/session/timeouts.rs"),
        include_str!("../../../src/engine/session/stats.rs"),
        include_str!("../../../src/engine/charset.rs"),
        include_str!("../../../src/engine/name.rs"),
        include_str!("../../../src/engine/words.rs"),
    ] {
        for sentence in sentences(source) {
            count += 1;
            if !mentions(PROTOCOL, &sentence) {
                missing.push(sentence);
            }
        }
    }
    assert!(missing.is_empty() && count > 200, "{count} sentences; not in the manual: {missing:#?}");
    let reactor = sentences(include_str!("../../../src/reactor/mod.rs"));
    for sentence in reactor.iter().filter(|sentence| sentence.starts_with("Error: ")) {
        assert!(mentions(PROTOCOL, sentence), "{sentence:?}");
    }
}
