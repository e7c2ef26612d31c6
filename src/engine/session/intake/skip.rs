//! The rest of an overlong message, which is dropped as it arrives.

use std::time::Duration;

use super::{Intake, Taking};
use crate::engine::codec::rest::{self, MessageEnd};
use crate::engine::message::{FramingMode, Timestamp};

impl Intake {
    /// Drops an unfinished message; the next bytes begin another. Returns whether it was too long.
    pub fn give_up(&mut self) -> bool {
        self.begun = None;
        self.drop_all();
        std::mem::take(&mut self.taking) == Taking::RestOfOverlong
    }

    /// Drops all bytes, which belong to an overlong message, as do the following bytes up to its end. If a pause ends it, then one
    /// of `pause`.
    pub fn skip_rest(&mut self, now: Timestamp, fresh: &mut &[u8], end: MessageEnd, pause: Duration) {
        if self.taken > 0 {
            self.begun = None; // it was the time of another message
        }
        self.begun.get_or_insert(now);
        self.drop_all();
        *fresh = &[];
        self.taking = Taking::RestOfOverlong;
        match end {
            MessageEnd::Behind(left) => self.guess.end_behind(left),
            MessageEnd::Pause => self.guess.end_with_pause(now, pause),
            MessageEnd::Mark | MessageEnd::Nowhere => {}
        }
    }

    /// Drops the rest of an overlong message. If its end has arrived, returns the framing: the known one, or the one that the end
    /// shows.
    pub fn skip(
        &mut self,
        now: Timestamp,
        fresh: &mut &[u8],
        kind: Option<FramingMode>,
    ) -> Option<FramingMode> {
        let bytes = if self.bytes.is_empty() { *fresh } else { &self.bytes[..] };
        let (count, kind) = rest::find_end(kind, self.guess.left(), bytes);
        if self.bytes.is_empty() {
            *fresh = &fresh[count..];
        } else {
            self.bytes.drain(..count); // a Telnet client's, without its commands
            if self.bytes.is_empty() {
                self.drop_all();
            }
        }
        if kind.is_none() {
            self.guess.put_off(now);
        }
        kind
    }

    /// Notes the end of the overlong message. Returns whether its sender has not got the error yet, because only a pause could end
    /// it.
    pub fn end_rest(&mut self) -> bool {
        self.begun = None;
        self.taking = Taking::Messages;
        self.guess.end_rest()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rest;
    use super::*;
    use crate::engine::message::Prefix;

    /// Drops an overlong message and its rest; returns the bytes after it.
    #[track_caller]
    fn behind(kind: FramingMode, begun: &[u8], rest: &[u8]) -> String {
        let mut intake = Intake::default();
        let (now, mut fresh) = (Timestamp::at(0), begun);
        assert_eq!(intake.next(&mut fresh, kind), None);
        let Rest::TooLong(_, end) = intake.rest(&mut fresh, kind, 8) else { panic!("it is too long") };
        intake.skip_rest(now, &mut fresh, end, Duration::ZERO);
        for piece in rest.chunks(3) {
            let mut fresh = piece;
            assert!(intake.is_skipping() && intake.held_bytes() <= 200);
            if intake.skip(now, &mut fresh, Some(kind)).is_some() {
                intake.end_rest();
                assert!(!intake.is_skipping() && intake.begun().is_none());
                return String::from_utf8_lossy(fresh).into_owned();
            }
            assert_eq!(fresh, b"");
        }
        panic!("it has no end")
    }

    #[test]
    fn overlong_message_is_discarded_up_to_its_end() {
        assert_eq!(behind(FramingMode::Line, b"123456789", b"1011\n3 4\n"), "3");
        assert_eq!(behind(FramingMode::C, b"123456789", b"\n1\x003 4\n"), "");
        let four = FramingMode::Prefixed(Prefix::Big4);
        assert_eq!(behind(four, b"\0\0\0\x0912", b"3456789\0\0\0\x01x"), "\0\0");
    }
}
