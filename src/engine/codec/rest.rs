//! The rest of an overlong message, which is dropped as it arrives, up to its end. Knows bytes and time, and no meaning of a
//! message.

use std::time::Duration;

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize};

use super::prefixed::{self, Head};
use crate::engine::message::{FramingMode, Timestamp};

/// The longest plausible length: programs keep lengths in signed 32-bit numbers, so a larger number was never a length.
const LENGTH_MAX: usize = i32::MAX as usize;

/// How the end of an overlong message is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEnd {
    /// The mark that ends each message of its kind.
    Mark,
    /// It ends after this many more bytes.
    Behind(u32),
    /// A pause, unless there is a mark before it.
    Pause,
    /// It never ends: it began with an impossible length.
    Nowhere,
}

impl MessageEnd {
    /// How a message of this kind ends, of which `bytes` have arrived without a mark.
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

/// The state of a rest that has no mark at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Rest {
    /// It ends after this many more bytes.
    Length { left: u32 },
    /// It ends after a pause of `silence`, and only then its sender gets the error. A client that gets a reply continues at once,
    /// and its next message would be taken for the rest.
    Pause {
        ends: Timestamp,
        #[serde(rename = "patience")] // its name in the records of earlier versions
        silence: Duration,
    },
}

/// The number of `bytes` that belong to the rest and, if the end is among them, the kind of client: `kind`, or what the end shows
/// if that is not known yet. `left`: the number of bytes still to come, if a length announced it.
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
        // An array into which a line was read has a line end and then NULs.
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
