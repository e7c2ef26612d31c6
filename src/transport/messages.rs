//! Sending to a message queue: one message, or, if it is longer than the queue allows, as few as have room for it.

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use crate::host::raw::queue;

/// Sends a message; returns how many of its bytes the queue took. A part ends between two characters.
///
/// # Errors
/// `WouldBlock`: the queue is full.
pub(super) fn send(to: BorrowedFd<'_>, message: &[u8]) -> io::Result<usize> {
    match queue::send(to, message) {
        Ok(()) => Ok(message.len()),
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::MSGSIZE) => {
            send_in_parts(to, message)
        }
        Err(error) => Err(error),
    }
}

#[cold]
fn send_in_parts(to: BorrowedFd<'_>, message: &[u8]) -> io::Result<usize> {
    let bytes_max = usize::try_from(queue::attributes(to)?.msgsize()).unwrap_or(1).max(1);
    let mut sent = 0;
    while sent < message.len() {
        let part = part_of(&message[sent..], bytes_max);
        match queue::send(to, part) {
            Ok(()) => sent += part.len(),
            Err(error) if sent > 0 && error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// The first at most `bytes_max` bytes, without the beginning of a character at their end.
pub(super) fn part_of(text: &[u8], bytes_max: usize) -> &[u8] {
    if text.len() <= bytes_max {
        return text;
    }
    let is_inside = |at: &usize| text[*at] & 0xC0 == 0x80;
    // A character has at most four bytes; invalid text may be split anywhere.
    let end = (bytes_max.saturating_sub(3).max(1)..=bytes_max).rev().find(|at| !is_inside(at));
    &text[..end.unwrap_or(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_is_as_long_as_fits_and_ends_between_characters() {
        for (text, bytes_max, part) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("aé", 2, "a"),
            ("éé", 3, "é"),
            ("a𝄞b", 4, "a"),
            ("a𝄞b", 5, "a𝄞"),
        ] {
            assert_eq!(part_of(text.as_bytes(), bytes_max), part.as_bytes(), "{text}");
        }
        assert_eq!(part_of(&[0x80; 9], 4), [0x80; 4]);
        assert_eq!(part_of("𝄞".as_bytes(), 1).len(), 1);
    }
}
