//! Guesses the intended name or value from a wrong one.

use crate::endpoint::Endpoint;
use crate::engine::limits::QUOTE_CHARS_MAX;

/// The known name that was probably meant.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A text that is longer than any name is not a misspelling, and comparing it would take long.
    if name.len() > QUOTE_CHARS_MAX {
        return None;
    }
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The endpoint that was probably meant by an invalid one: `0.0.0.0:33000`, `33000`, `/run/ipcd/chat.sock`.
pub(super) fn endpoint(text: &str) -> Option<String> {
    let bare = text.trim();
    let bare = bare.strip_prefix("tcp:").unwrap_or(bare).trim_start_matches('/');
    let path = text.trim();
    // The first valid endpoint.
    [format!("tcp://{bare}"), format!("tcp://localhost:{bare}"), format!("unix://{path}")]
        .into_iter()
        .find(|meant| meant != text && meant.parse::<Endpoint>().is_ok())
        .filter(|_| text.len() <= QUOTE_CHARS_MAX)
}

/// Quotation marks as word processors and web pages write them, and others that look like the two of TOML.
pub(super) const TYPOGRAPHIC_QUOTES: [char; 9] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_forms_of_endpoints_get_a_suggestion() {
        for (text, meant) in [
            ("0.0.0.0:33000", Some("tcp://0.0.0.0:33000")),
            ("localhost:80", Some("tcp://localhost:80")),
            ("[::1]:80", Some("tcp://[::1]:80")),
            ("33000", Some("tcp://localhost:33000")),
            ("tcp:localhost:80", Some("tcp://localhost:80")),
            ("tcp:/localhost:80", Some("tcp://localhost:80")),
            (" tcp://localhost:80", Some("tcp://localhost:80")),
            ("/run/ipcd/chat.sock", Some("unix:///run/ipcd/chat.sock")),
            ("%t/chat.sock", Some("unix://%t/chat.sock")),
            ("tcp://localhost:80", None),
            ("70000", None),
            ("chat", None),
            ("", None),
            ("http://localhost", None),
        ] {
            assert_eq!(endpoint(text).as_deref(), meant, "{text}");
        }
    }
}
