//! A wire for tests, with masked records of a few bytes. It affects sizes and times as a cipher does: a record arrives in parts,
//! one read has several records, output is accepted before it is written, and the end is a record of its own.

use std::io::{self, ErrorKind};

use super::heard::Heard;

/// The longest record in bytes, after the byte with its length.
const RECORD_BYTES_MAX: usize = 7;

/// The most bytes that wait to be written before more output is accepted.
const HELD_BYTES_MAX: usize = 64;

const MASK: u8 = 0xa5;

/// The length of a record that is a question of the wire itself; the answer is the same record.
pub(crate) const QUESTION: u8 = 0xff;

/// Its state: incomplete records in both directions.
#[derive(Debug, Default)]
pub struct Masked {
    /// The beginning of a record.
    begun: Vec<u8>,
    /// The bytes to write.
    held: Vec<u8>,
}

/// The encoded form of `bytes`.
pub(crate) fn mask(bytes: &[u8]) -> Vec<u8> {
    let record = |piece: &[u8]| {
        let masked = piece.iter().map(|byte| byte ^ MASK);
        std::iter::once(piece.len() as u8).chain(masked).collect::<Vec<u8>>()
    };
    bytes.chunks(RECORD_BYTES_MAX).flat_map(record).collect()
}

/// The decoded contents of the whole records, and whether the end was among them.
pub(crate) fn unmask(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut said = Vec::new();
    while let [length, rest @ ..] = bytes
        && let Some((record, rest)) = rest.split_at_checked(usize::from(*length))
    {
        if record.is_empty() {
            return (said, true);
        }
        said.extend(record.iter().map(|byte| byte ^ MASK));
        bytes = rest;
    }
    (said, false)
}

impl Masked {
    pub(super) fn receive(&mut self, received: &[u8], more: bool, mut hear: impl FnMut(Heard<'_>)) {
        let questions = received.iter().filter(|byte| **byte == QUESTION).count();
        self.held.extend(std::iter::repeat_n(QUESTION, questions));
        self.begun.extend(received.iter().filter(|byte| **byte != QUESTION));
        while let [length, rest @ ..] = &self.begun[..]
            && let Some(record) = rest.get(..usize::from(*length))
        {
            let bytes: Vec<u8> = record.iter().map(|byte| byte ^ MASK).collect();
            self.begun.drain(..1 + bytes.len());
            match bytes.is_empty() {
                true => hear(Heard::End),
                false => hear(Heard::Bytes { bytes: &bytes, more: more || !self.begun.is_empty() }),
            }
        }
    }

    pub(super) fn send(
        &mut self,
        said: &[&[u8]],
        mut write: impl FnMut(&[&[u8]]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.write(&mut write)?;
        let room = HELD_BYTES_MAX.saturating_sub(self.held.len());
        let taken: Vec<u8> = said.concat().into_iter().take(room).collect();
        self.held.extend(mask(&taken));
        match self.write(&mut write) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken.len()),
        }
    }

    fn write(&mut self, write: &mut impl FnMut(&[&[u8]]) -> io::Result<usize>) -> io::Result<()> {
        while !self.held.is_empty() {
            let count = write(&[&self.held])?;
            self.held.drain(..count);
        }
        Ok(())
    }

    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn end(&mut self) {
        self.held.push(0);
    }
}
