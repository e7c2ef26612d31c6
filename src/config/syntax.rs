//! The text: positions in it, quotations for messages, and syntax errors. Knows no key.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::secrets::is_secret;
use super::suggest::TYPOGRAPHIC_QUOTES;
use crate::engine::limits::QUOTE_CHARS_MAX;

/// How often a file is parsed again without its broken lines, to find further errors.
const ROUNDS_MAX: usize = 8;

/// One error: its byte offset, and its text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Diagnostic {
    pub(super) at: usize,
    pub(super) text: String,
}

/// Converts offsets to lines and columns, in one pass over the text.
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    offset: usize,
    line: usize,
    column: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t [u8]) -> Cursor<'t> {
        Cursor { text, offset: 0, line: 1, column: 1 }
    }

    /// The line and the column, both from 1, the column in characters; offsets must not decrease.
    pub(super) fn advance(&mut self, offset: usize) -> (usize, usize) {
        let offset = offset.clamp(self.offset, self.text.len());
        for byte in &self.text[self.offset..offset] {
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // Continuation bytes of a character.
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
        }
        self.offset = offset;
        (self.line, self.column)
    }
}

/// Text of the file for a message: one line, not too long, without control characters for a terminal.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == QUOTE_CHARS_MAX {
            out.push('…');
            break;
        }
        escape(c, &mut out);
    }
    out
}

fn escape(c: char, out: &mut String) {
    match c {
        '"' | '\'' | '\\' => out.push(c),
        _ => out.extend(c.escape_debug()),
    }
}

/// A path for a message, always one line.
pub(super) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

/// A text on one line, without control characters for a terminal.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::new();
    text.chars().for_each(|c| escape(c, &mut out));
    out
}
/// Replaces invalid TOML with spaces and reports it, so that errors in the rest can be reported too.
pub(super) fn without_broken_lines<'t>(text: &'t str, faults: &mut Vec<Diagnostic>) -> Cow<'t, str> {
    if syntax_errors(text, 0).is_empty() {
        return Cow::Borrowed(text);
    }
    let mut statements = Statements::of(text);
    // Each statement alone first, so that an unclosed bracket does not confuse everything after it.
    let mut errors: Vec<_> =
        statements.ranges.iter().flat_map(|range| syntax_errors(&text[range.clone()], range.start)).collect();
    let mut readable = text.to_owned();
    let mut told = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let mut bytes = readable.into_bytes();
        for (span, message) in errors {
            // Further errors in a broken line are mostly consequences of the first.
            if told.insert(statements.line(span.start)) {
                let source = text.get(span.clone()).unwrap_or_default();
                let rest = text.get(span.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
                let line =
                    text.get(..span.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
                let key = line.split('=').next().unwrap_or_default().trim();
                let source = if is_secret(key) { "…" } else { source };
                faults.push(Diagnostic { at: span.start, text: syntax_error(source, rest, &message) });
            }
            statements.blank(span.start, &mut bytes);
        }
        readable = String::from_utf8_lossy(&bytes).into_owned();
        errors = syntax_errors(&readable, 0);
        if errors.is_empty() {
            break;
        }
    }
    Cow::Owned(readable)
}

/// The parser's errors for a piece of the file that begins at `base`, in the order of their positions.
fn syntax_errors(piece: &str, base: usize) -> Vec<(Range<usize>, String)> {
    let (_, errors) = DeTable::parse_recoverable(piece);
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or_default();
            (base + span.start.min(piece.len())..base + span.end.min(piece.len()), error.message().to_owned())
        })
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    errors
}

/// The message for a parser error, from its text, the position it points to, and the rest of the line.
fn syntax_error(source: &str, rest: &str, message: &str) -> String {
    let shown = quoted(source);
    // Only before the next straight quotation mark, which would make it part of a string.
    let quote =
        rest.chars().take_while(|c| !matches!(c, '"' | '\'')).find(|c| TYPOGRAPHIC_QUOTES.contains(c));
    if let Some(quote) = quote {
        return format!("{quote} is a typographic quotation mark; TOML needs straight ones: \"text\"");
    }
    if message.starts_with("duplicate key") {
        return format!("{shown} is already defined; remove one");
    }
    if message.starts_with("unexpected leading zero") {
        return "a number cannot begin with 0; write permission bits in quotes, for example \"0660\""
            .to_owned();
    }
    if message.starts_with("string values must be quoted") && source.is_empty() {
        return "a value is missing; for example \"text\", 5 or [\"text\"]".to_owned();
    }
    let word = source.starts_with(|c: char| c.is_alphanumeric()) && !message.contains("key");
    if word && (message.starts_with("invalid ") || message.starts_with("string values must be quoted")) {
        return format!("{shown} is not a number; write text in quotes: \"{shown}\"");
    }
    match message.split_once(", expected ") {
        Some((what, "nothing")) => format!("{what}; leave it out"),
        Some((what, expected)) => format!("{what}; expected {expected}"),
        None => message.to_owned(),
    }
}

/// The statements of the text: a key with its value, possibly over several lines, or a table header.
struct Statements {
    lines: Vec<usize>,
    /// Byte ranges of the statements, which cover the whole text.
    ranges: Vec<Range<usize>>,
    /// Which of them are table headers.
    heads: Vec<bool>,
    /// Which of them are left out.
    blank: Vec<bool>,
}

impl Statements {
    fn of(text: &str) -> Statements {
        let mut this = Statements {
            lines: vec![],
            ranges: std::iter::once(0..0).collect(),
            heads: vec![false],
            blank: vec![],
        };
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            this.lines.push(start);
            let head = line.trim_start().starts_with('[');
            if head || begins_key(line) {
                this.ranges.push(start..start);
                this.heads.push(head);
            }
            start += line.len();
            if let Some(last) = this.ranges.last_mut() {
                last.end = start;
            }
        }
        this.lines.push(start);
        this.blank = vec![false; this.ranges.len()];
        this
    }

    /// The index of the statement with this byte.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Blanks the statement with this byte; for a table header, the whole table.
    fn blank(&mut self, at: usize, text: &mut [u8]) {
        let first = self.ranges.partition_point(|range| range.start <= at).saturating_sub(1);
        if self.blank[first] {
            return;
        }
        // Without its header, a table's keys would belong to the previous table.
        let after = if self.heads[first] {
            (first + 1..self.ranges.len()).find(|index| self.heads[*index]).unwrap_or(self.ranges.len())
        } else {
            first + 1
        };
        self.blank[first..after].fill(true);
        let bytes = self.ranges[first].start..self.ranges[after - 1].end;
        text[bytes].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
}

/// Whether a line begins with something like a bare key and `=`, and does not continue an array.
fn begins_key(line: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(key, _)| !key.trim().is_empty() && !key.contains(['"', '\'', '#', ',', '{']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_counts_characters_and_only_lf_ends_a_line() {
        let mut cursor = Cursor::new("aé\r\nß=x\n".as_bytes());
        for (offset, position) in
            [(0, (1, 1)), (1, (1, 2)), (3, (1, 3)), (5, (2, 1)), (7, (2, 2)), (99, (3, 1))]
        {
            assert_eq!(cursor.advance(offset), position, "{offset}");
        }
    }

    #[test]
    fn quoted_source_is_short_and_escaped() {
        assert_eq!(quoted("\"a\\b\""), "\"a\\b\"");
        assert_eq!(quoted("a\n\u{1b}[2J\u{202e}"), "a\\n\\u{1b}[2J\\u{202e}");
        assert_eq!(quoted(&"ä".repeat(100)), format!("{}…", "ä".repeat(64)));
    }

    #[test]
    fn broken_line_hides_no_other_error() {
        for (text, left) in [
            ("a = 1\nb = \nc = 3\n", "a = 1\n    \nc = 3\n"),
            ("[a\nb = 1\n[c]\n", "  \n     \n[c]\n"),
            ("a = [\n 1\n 2]\nb = 1\n", "     \n  \n   \nb = 1\n"),
            ("a = [1\nb = 2\n", "      \nb = 2\n"),
            ("a = 1\na = 2\r\nb = é\n", "a = 1\n      \n      \n"),
        ] {
            let mut faults = Vec::new();
            assert_eq!(without_broken_lines(text, &mut faults), left);
            assert!(!faults.is_empty(), "{text}");
        }
    }

    #[test]
    fn valid_toml_is_left_unchanged() {
        let mut faults = Vec::new();
        let text = "a = \"\"\"\nb = \n\"\"\"\n";
        assert!(matches!(without_broken_lines(text, &mut faults), Cow::Borrowed(same) if same == text));
        assert!(faults.is_empty());
    }
}
