//! Log lines, and the time at their beginning, which is there if no journal adds one.

/// The form of the time in a file: `2026-11-28T16:12:57.123+01:00`, each digit as a 9.
const SHAPE: &str = "9999-99-99T99:99:99.999+99:99 ";

/// Whether a line begins with a time and its offset (RFC 3339).
pub fn is_timed(line: &str) -> bool {
    let Some((time, _)) = line.split_at_checked(SHAPE.len()) else { return false };
    let digits = time.replace(|c: char| c.is_ascii_digit(), "9");
    digits == SHAPE || digits == SHAPE.replace('+', "-")
}

/// A line without its time, if it has one.
pub fn untimed(line: &str) -> &str {
    if is_timed(line) { &line[SHAPE.len()..] } else { line }
}

/// The text with every line's time removed.
pub fn untimed_lines(text: &str) -> String {
    text.split_inclusive('\n').map(untimed).collect()
}

/// Checks that no error ends with Rust's "(os error 2)", which tells a person nothing. Called for each daemon's log and each
/// ipcctl.
#[track_caller]
pub fn assert_without_numbers(text: &str) {
    assert!(!text.contains("(os error "), "{text}");
}
