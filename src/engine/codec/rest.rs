//! The rest of a message that is longer than a message may be: it is dropped as it comes, up to its end. Knows bytes and
//! time; has never seen what a message says.

use std::time::Duration;

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize};

use super::prefixed::{self, Head};
use crate::engine::message::{FramingMode, Timestamp};

/// The longest length that is one: programs keep lengths in 32 bits with a sign, so that what is longer was never a length.
const LENGTH_MAX: usize = i32::MAX as usize;

/// What tells where a message ends that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEnd {
    /// The mark that ends each message of its kind.
    Mark,
    /// It ends behind so many more bytes.
    Behind(u32),
    /// A pause, unless there is a mark before it.
    Pause,
    /// Nothing: it began with a length that is none.
    Nowhere,
}

impl MessageEnd {
    /// Of a message of that kind, of which `bytes` are there, all without a mark.
    pub fn of(kind: FramingMode, bytes: &[u8]) -> MessageEnd {
        match kind {
            FramingMode::Line | FramingMode::C | FramingMode::Telnet | FramingMode::Packet => {
                MessageEnd::Mark
            }
            FramingMode::Raw => MessageEnd::Pause,
            FramingMode::Prefixed(prefix) => match prefixed::head(prefix, bytes) {
                Head::Length(length, start) if length <= LENGTH_MAX => {
                    MessageEnd::Behind((length - (bytes.len() - start).min(length)) as u32)
                }
                _ => MessageEnd::Nowhere,
            },
            FramingMode::WebSocket | FramingMode::Http => MessageEnd::Nowhere,
        }
    }
}

/// What has to be remembered of the rest where no mark ends it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Rest {
    /// So many bytes are still to come.
    Length { left: u32 },
    /// It ends when nothing has come for as long as `patience`; whose message it was is told then, and not before: who is
    /// answered at once goes on at once, and would be taken for the rest.
    Pause { ends: Timestamp, patience: Duration },
}

/// How many of `bytes` belong to the rest, and what kind of client its end shows, if it is among them: `kind`, unless that is
/// not known yet. `left`: how many are to come, where a length said so.
pub fn find_end(
    kind: Option<FramingMode>,
    left: Option<&mut u32>,
    bytes: &[u8],
) -> (usize, Option<FramingMode>) {
    let end = match kind {
        Some(FramingMode::Prefixed(_)) => {
            let Some(left) = left else { return (0, kind) };
            let taken = bytes.len().min(*left as usize);
            *left -= taken as u32;
            return (taken, kind.filter(|_| *left == 0));
        }
        Some(FramingMode::C) => memchr(0, bytes),
        Some(_) => memchr(b'\n', bytes),
        None => memchr2(b'\n', 0, bytes),
    };
    let Some(end) = end else { return (bytes.len(), None) };
    let shown = match (bytes[end], bytes.get(end + 1)) {
        // An array into which a line was read has its line end and the NULs behind it.
        (b'\n', Some(0)) | (0, _) => FramingMode::C,
        _ => FramingMode::Line,
    };
    (end + 1, Some(kind.unwrap_or(shown)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::Prefix;

    #[test]
    fn rest_of_an_overlong_message_ends_as_its_kind_does() {
        for (kind, bytes, found) in [
            (Some(FramingMode::Line), &b"xx\0x\n5 10"[..], (5, Some(FramingMode::Line))),
            (Some(FramingMode::Raw), b"xx\n5 10", (3, Some(FramingMode::Raw))),
            (Some(FramingMode::Telnet), b"xx\r\n", (4, Some(FramingMode::Telnet))),
            (Some(FramingMode::C), b"x\n\x005 10", (3, Some(FramingMode::C))),
            (None, b"x\n5 10", (2, Some(FramingMode::Line))),
            (None, b"x\x005 10", (2, Some(FramingMode::C))),
            (None, b"x\n\0\0", (2, Some(FramingMode::C))),
            (None, b"xx", (2, None)),
            (Some(FramingMode::C), b"x\n", (2, None)),
        ] {
            assert_eq!(find_end(kind, None, bytes), found, "{kind:?} {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn announced_length_bounds_the_rest_and_invalid_length_never_ends() {
        let kind = FramingMode::Prefixed(Prefix::Big4);
        let MessageEnd::Behind(mut left) = MessageEnd::of(kind, b"\0\0\0\x0a123") else {
            panic!("it is one")
        };
        assert_eq!(left, 7);
        assert_eq!(find_end(Some(kind), Some(&mut left), b"4567"), (4, None));
        assert_eq!(find_end(Some(kind), Some(&mut left), b"890\0\0"), (3, Some(kind)));
        assert_eq!(MessageEnd::of(kind, b"\x7f\xff\xff\xff"), MessageEnd::Behind(i32::MAX as u32));
        assert_eq!(MessageEnd::of(kind, b"\x80\0\0\0"), MessageEnd::Nowhere);
        assert_eq!(
            MessageEnd::of(FramingMode::Prefixed(Prefix::Seven), b"\xff\xff\xff\xff"),
            MessageEnd::Nowhere
        );
    }
}
