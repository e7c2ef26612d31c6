//! The system's error messages, as part of a sentence.

use std::io;

/// The system's message for an error: in lower case, for the middle of a sentence, and without Rust's "(os error 2)".
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let is_number = |text: &str| text.strip_suffix(')').is_some_and(|number| number.parse::<i32>().is_ok());
    let text = match text.rsplit_once(" (os error ") {
        Some((words, number)) if is_number(number) => words,
        _ => &text,
    };
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // A word in capitals is an abbreviation, and stays.
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_error_is_shown_as_text_without_its_number() {
        assert_eq!(describe(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(describe(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(describe(&rustix::io::Errno::ACCESS.into()), "permission denied");
        assert_eq!(describe(&io::Error::other("RST (os error is near)")), "RST (os error is near)");
    }
}
