//! What was most likely meant by what was written.

use crate::engine::limits::QUOTE_CHARS_MAX;

/// The known name that was most likely meant.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // What is longer than any name is no misspelling, and would take long to compare.
    if name.len() > QUOTE_CHARS_MAX {
        return None;
    }
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
