//! JSON that is safe in a terminal, a log or a pipe: its meaning to a parser is the same, but no character in it is invisible or
//! changes how its neighbours are displayed. The daemon and the client write all their JSON with it.

use std::borrow::Cow;

use serde::Serialize;

use super::text::{is_invisible, is_plain};

/// A value on one line.
///
/// # Panics
/// If the value has a map whose keys are not text, or its own serializer fails.
pub fn to_string(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect(SERIALIZABLE);
    match escape(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(escaped) => escaped,
    }
}

/// A value on indented lines.
///
/// # Panics
/// As [`to_string`].
pub fn to_string_pretty(value: &impl Serialize) -> String {
    escape(&serde_json::to_string_pretty(value).expect(SERIALIZABLE)).into_owned()
}

/// Appends a value on one line, without a line end.
///
/// # Panics
/// As [`to_string`].
pub fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    serde_json::to_writer(&mut *out, value).expect(SERIALIZABLE);
    if !is_plain(&out[start..]) {
        let text = String::from_utf8_lossy(&out[start..]).into_owned();
        out.truncate(start);
        out.extend_from_slice(escape(&text).as_bytes());
    }
}

const SERIALIZABLE: &str = "memory takes every byte, and every key is text";

/// JSON from outside, with the same meaning. Text that is not JSON is harmless afterwards too.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // JSON allows these only outside of strings, where an escape would be wrong.
            '\n' => escaped.push(c),
            '\t' | '\r' => escaped.push(' '),
            c if is_invisible(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped += &format!("\\u{unit:04x}");
                }
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn invisible_characters_are_escaped_without_changing_meaning() {
        let value = json!({"a\u{9b}": ["\u{202e}\u{7f}\u{e0001}\u{85}é字", "\u{1b}\n\\\"", 0.1]});
        let text = to_string(&value);
        assert_eq!(text, r#"{"a\u009b":["\u202e\u007f\udb40\udc01\u0085é字","\u001b\n\\\"",0.1]}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let mut out = b"[".to_vec();
        write(&mut out, &value);
        assert_eq!(out, format!("[{text}").into_bytes());
        let pretty = to_string_pretty(&value);
        assert!(pretty.contains("\n  \"a\\u009b\": [\n"), "{pretty}");
        assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), value);
    }

    #[test]
    fn white_space_of_foreign_json_is_never_escaped() {
        let text = "{\t\"a\" :\r\n\"\u{200b}\u{a0}\"}";
        assert_eq!(escape(text), "{ \"a\" : \n\"\\u200b\\u00a0\"}");
        assert_eq!(serde_json::from_str::<Value>(&escape(text)).unwrap(), json!({"a": "\u{200b}\u{a0}"}));
        assert_eq!(escape("no JSON \u{1b}[2J\0"), "no JSON \\u001b[2J\\u0000");
        assert!(matches!(escape("[1, \"plain\"]"), Cow::Borrowed(_)));
    }
}
