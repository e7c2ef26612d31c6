//! Plain requests that came together, answered in one pass: two short whole numbers each, as nearly all clients send them. Eight
//! digits are read or written at a time. Knows bytes; has never seen a connection.
//!
//! Everything else, such as a sign, a fraction, two spaces or a long number, ends the run; it gets its answer, which is the same
//! in form, one message at a time.

use crate::engine::service::burst::{Burst, Marks, Run};
use crate::engine::words::DATA_RECEIVED;

/// Digits that are read at a time, and the most that a number in a run has.
const DIGITS: usize = 8;

/// The pass, for the service's facts.
pub const BURST: Burst = Burst { request_bytes_max: REQUEST_BYTES_MAX, reply_bytes, answer };

/// Bytes of the longest request: two numbers and the space between them.
const REQUEST_BYTES_MAX: usize = 2 * DIGITS + 1;

/// Such a request with a mark at its end, in whole words.
const WORDS_BYTES: usize = 24;

/// Bytes that both replies to a request take at most, with their marks; it is a little more, in whole words.
const REPLY_BYTES: usize = 40;

/// Requests whose replies get their memory at once.
const BATCH: usize = 32;

/// Integers below this are exact as f64, and all their digits are written.
const EXACT: u64 = 1 << 53;

/// The first byte of a text frame that is a whole message (RFC 6455, section 5.2).
const WHOLE_TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;

/// The number of bytes to make room for before the replies to so many bytes are written.
fn reply_bytes(marks: Marks, bytes: usize) -> usize {
    batch(marks, bytes) * REPLY_BYTES
}

/// How many requests these bytes hold at most, up to those that are answered at once.
fn batch(marks: Marks, bytes: usize) -> usize {
    let shortest = match marks {
        Marks::Lines => "1 1\n".len(),
        Marks::Frames => 6 + "1 1".len(),
    };
    (bytes / shortest).min(BATCH)
}

/// Answers the plain requests that `bytes` begin with, as long as `out` has grown by less than `room`.
pub fn answer(bytes: &[u8], marks: Marks, room: usize, out: &mut Vec<u8>) -> Run {
    let mut run = Run::default();
    let full = out.len().saturating_add(room);
    let mut rest = bytes;
    loop {
        let batch = batch(marks, rest.len());
        let mut end = out.len();
        let mut left = batch;
        out.resize(end + batch * REPLY_BYTES, 0);
        while left > 0
            && end < full
            && let Some((product, taken)) = request(rest, marks)
            && let Some(reply) = out[end..].first_chunk_mut()
        {
            end += write(product, marks, reply);
            rest = &rest[taken..];
            left -= 1;
        }
        out.truncate(end);
        run.requests += batch - left;
        if left > 0 || batch == 0 || rest.is_empty() {
            run.taken = bytes.len() - rest.len();
            return run;
        }
    }
}

/// The product that a plain request asks for, and the number of the request's bytes; `None`: these bytes begin with something
/// else, or with a part of a request.
#[inline(always)]
fn request(bytes: &[u8], marks: Marks) -> Option<(u64, usize)> {
    match marks {
        Marks::Lines => line(bytes),
        Marks::Frames => frame(bytes),
    }
}

#[inline(always)]
fn line(bytes: &[u8]) -> Option<(u64, usize)> {
    let (left, rest) = number(bytes)?;
    let (right, rest) = number(rest.strip_prefix(b" ")?)?;
    let rest = match rest {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
        _ => return None,
    };
    let product = left * right;
    (product < EXACT).then_some((product, bytes.len() - rest.len()))
}

#[inline(always)]
fn frame(bytes: &[u8]) -> Option<(u64, usize)> {
    let ([WHOLE_TEXT, second, mask @ ..], payload) = bytes.split_first_chunk::<6>()? else { return None };
    let length = usize::from(second ^ MASKED);
    if length > REQUEST_BYTES_MAX || payload.len() < length {
        return None;
    }
    let mut words = [0; WORDS_BYTES];
    match payload.first_chunk::<WORDS_BYTES>() {
        Some(chunk) => words = *chunk,
        None => words[..length].copy_from_slice(&payload[..length]),
    }
    let mask = u64::from(u32::from_ne_bytes(*mask));
    for word in words.as_chunks_mut::<8>().0 {
        *word = (u64::from_ne_bytes(*word) ^ (mask | mask << 32)).to_ne_bytes();
    }
    words[length] = b'\n';
    let (product, taken) = line(&words)?;
    (taken == length + 1).then_some((product, 6 + length))
}

/// The number that these bytes begin with, of eight digits at most.
#[inline(always)]
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let Some(chunk) = bytes.first_chunk() else { return number_at_end(bytes) };
    let word = u64::from_le_bytes(*chunk) ^ ZEROS;
    // The lowest byte above 9 is the first that is no digit; those below it leave no carry.
    let others = (word | word.wrapping_add(ONES * 0x76)) & (ONES * 0x80);
    let count = others.trailing_zeros() / 8;
    if count == 0 {
        return None;
    }
    Some((joined(word << (64 - 8 * count)), &bytes[count as usize..]))
}

/// The same where fewer than eight bytes are left.
fn number_at_end(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut count) = (0, 0);
    while let Some(digit @ b'0'..=b'9') = bytes.get(count) {
        value = 10 * value + u64::from(digit - b'0');
        count += 1;
    }
    (count > 0).then(|| (value, &bytes[count..]))
}

/// A one in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The digit 0 in every byte.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The value of eight digits, of which the first is in the lowest byte: neighbours become pairs, pairs fours, fours the number.
fn joined(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// The eight digits of a number below 10^8: the reverse.
fn split(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = (fours * 5_243) >> 19 & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = (pairs * 103) >> 10 & 0x000f_000f_000f_000f;
    tens | (pairs - 10 * tens) << 8
}

/// Writes both replies to a request; returns the number of their bytes.
#[inline(always)]
fn write(product: u64, marks: Marks, reply: &mut [u8; REPLY_BYTES]) -> usize {
    const WORDS: usize = DATA_RECEIVED.len();
    match marks {
        Marks::Lines => {
            reply[..WORDS].copy_from_slice(DATA_RECEIVED.as_bytes());
            reply[WORDS] = b'\n';
            let end = write_digits(product, reply, WORDS + 1);
            reply[end..end + 3].copy_from_slice(b".0\n");
            end + 3
        }
        Marks::Frames => {
            const START: usize = WORDS + 4;
            reply[..2].copy_from_slice(&[WHOLE_TEXT, WORDS as u8]);
            reply[2..2 + WORDS].copy_from_slice(DATA_RECEIVED.as_bytes());
            let end = write_digits(product, reply, START);
            reply[end..end + 2].copy_from_slice(b".0");
            reply[START - 2..START].copy_from_slice(&[WHOLE_TEXT, (end + 2 - START) as u8]);
            end + 2
        }
    }
}

/// Writes a number below 10^16 from `at` on; returns its end.
#[inline(always)]
fn write_digits(value: u64, reply: &mut [u8; REPLY_BYTES], at: usize) -> usize {
    const HALF: u64 = 100_000_000;
    if value < HALF {
        return write_eight(value, true, reply, at);
    }
    let middle = write_eight(value / HALF, true, reply, at);
    write_eight(value % HALF, false, reply, middle)
}

/// Writes eight digits, or those behind the zeros in front; the last digit in any case.
#[inline(always)]
fn write_eight(value: u64, is_first: bool, reply: &mut [u8; REPLY_BYTES], at: usize) -> usize {
    let digits = split(value);
    let zeros = if is_first { (digits.trailing_zeros() / 8).min(7) } else { 0 };
    let text = (digits | ZEROS) >> (8 * zeros);
    reply[at..at + DIGITS].copy_from_slice(&text.to_le_bytes());
    at + DIGITS - zeros as usize
}

#[cfg(test)]
mod tests;
