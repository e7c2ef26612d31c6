//! Two numbers in, their product (or the result of another operator) out. Knows no connection.

pub mod run;

use std::fmt;

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_nothing};
use crate::engine::counters::ErrorKind;
use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::number::{self, ArithmeticError, Operator};
use crate::engine::text::{quote, trim, words};
use crate::engine::words;

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "multiply",
    conduct: Conduct::Multiply,
    needs: &[Need::Replies],
    default_port: Some(65432),
    first: First::Message,
    idle: Idle::Silent,
    waits_for: Some("two numbers, for example 5 10"),
    is_typed: false,
    is_complete,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Everybody,
    replies: Replies::Many(REPLY_BYTES_MAX),
    burst: Some(run::BURST),
    keeps: Keeps::Nothing,
    unread: "; multiply answers each request with two messages, 'Data received' and the result",
    own_words: &[words::DATA_RECEIVED, "Error: "],
};

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There are not two numbers.
    Count,
    /// This word, quoted, is not a number.
    NotANumber(String),
    /// This word, quoted, is not an operator.
    UnknownOperator(String),
    /// The operation has no result.
    Arithmetic(ArithmeticError),
}

impl RequestError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RequestError::Arithmetic(_) => ErrorKind::Result,
            _ => ErrorKind::Request,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Count => f.write_str("expected two numbers, for example: 5 10"),
            RequestError::NotANumber(word) => write!(f, "not a number: '{word}'"),
            RequestError::UnknownOperator(word) => {
                write!(f, "unknown operator: '{word}' (known: {})", number::KNOWN)
            }
            RequestError::Arithmetic(error) => error.fmt(f),
        }
    }
}

/// An integer with this many digits is exact as f64.
const DIGITS_EXACT: usize = 15;

/// The result of a request.
pub fn evaluate(message: &[u8]) -> Result<f64, RequestError> {
    match whole_numbers(message) {
        Some((left, right)) => Ok(left * right),
        None => evaluate_any(message),
    }
}

/// The fast path for nearly all requests: two whole numbers without a sign, and one space between them.
fn whole_numbers(message: &[u8]) -> Option<(f64, f64)> {
    let (left, rest) = whole_number(message)?;
    let (right, rest) = whole_number(rest.strip_prefix(b" ")?)?;
    rest.is_empty().then_some((left, right))
}

/// The digits at the beginning of the text, if they are few enough.
fn whole_number(text: &[u8]) -> Option<(f64, &[u8])> {
    let mut number = 0;
    let mut count = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(count) {
        number = number * 10 + u64::from(digit - b'0');
        count += 1;
        if count > DIGITS_EXACT {
            return None;
        }
    }
    (count > 0).then(|| (number as f64, &text[count..]))
}

fn evaluate_any(message: &[u8]) -> Result<f64, RequestError> {
    let mut words = words(message);
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(left), Some(right), None, _) => match (parse(left), parse(right)) {
            (Some(left), Some(right)) => Ok(left * right),
            (is_number, _) => match expression(message) {
                Some((left, operator, right)) => apply(left, operator, right),
                None => Err(RequestError::NotANumber(quote(if is_number.is_none() { left } else { right }))),
            },
        },
        (Some(left), Some(middle), Some(right), None) => match operator(middle) {
            Some(operator) => apply(number(left)?, operator, number(right)?),
            // Three numbers, or three other words, are a wrong count rather than a wrong operator.
            None if parse(left).is_some() && parse(right).is_some() && parse(middle).is_none() => {
                Err(RequestError::UnknownOperator(quote(middle)))
            }
            None => Err(RequestError::Count),
        },
        (Some(_), None, ..) => {
            let (left, operator, right) = expression(message).ok_or(RequestError::Count)?;
            apply(left, operator, right)
        }
        _ => Err(RequestError::Count),
    }
}

fn apply(left: f64, operator: Operator, right: f64) -> Result<f64, RequestError> {
    number::apply(left, operator, right).map_err(RequestError::Arithmetic)
}

/// Two numbers and an operator between them, with or without white space around it: `5*10`, `2 **3`, `1e-5-2`.
fn expression(message: &[u8]) -> Option<(f64, Operator, f64)> {
    /// A number has at most two signs, its own and its exponent's, so the operator is among the first three.
    const PLACES_MAX: usize = 3;
    let text = trim(message);
    let signs = (0..text.len()).filter(|at| matches!(text[*at], b'+' | b'-' | b'*' | b'/' | b'%'));
    signs.take(PLACES_MAX).find_map(|at| {
        let length = if text[at..].starts_with(b"**") || text[at..].starts_with(b"//") { 2 } else { 1 };
        let (left, rest) = text.split_at(at);
        let (name, right) = rest.split_at(length);
        Some((parse(trim(left))?, operator(name)?, parse(trim(right))?))
    })
}

/// Whether some continuation makes this a complete request.
pub fn is_begun(message: &[u8]) -> bool {
    [&b"1"[..], b" 1", b"1 1"].iter().any(|end| is_complete(&[message, end].concat()))
}

/// Whether the bytes are a request that can be answered unchanged: two numbers, with or without an operator between them.
pub fn is_complete(bytes: &[u8]) -> bool {
    let mut words = words(bytes);
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(left), Some(right), None, _) => {
            parse(left).is_some() && parse(right).is_some() || expression(bytes).is_some()
        }
        (Some(_), None, ..) | (Some(_), Some(_), Some(_), None) => expression(bytes).is_some(),
        _ => false,
    }
}

fn number(word: &[u8]) -> Result<f64, RequestError> {
    parse(word).ok_or_else(|| RequestError::NotANumber(quote(word)))
}

fn parse(word: &[u8]) -> Option<f64> {
    number::parse(std::str::from_utf8(word).ok()?)
}

fn operator(word: &[u8]) -> Option<Operator> {
    Operator::named(std::str::from_utf8(word).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_gets_its_result_or_an_error() {
        for (request, reply) in [
            ("5 10", "50.0"),
            (" 1.5\t2 \r", "3.0"),
            ("10 / 4", "2.5"),
            ("7 // 2", "3.0"),
            ("", "expected two numbers, for example: 5 10"),
            ("abc", "expected two numbers, for example: 5 10"),
            ("1 2 3", "expected two numbers, for example: 5 10"),
            ("1 + 2 + 3", "expected two numbers, for example: 5 10"),
            ("hello big world", "expected two numbers, for example: 5 10"),
            ("5 x", "not a number: 'x'"),
            ("x 5", "not a number: 'x'"),
            ("5 \u{1b}[2J", "not a number: '\\u{1b}[2J'"),
            ("5,5 2", "not a number: '5,5'"),
            ("x + 2", "not a number: 'x'"),
            ("5 ^ 2", "unknown operator: '^' (known: + - * / // % **)"),
            ("1 / 0", "division by zero"),
            ("0 ** -1", "division by zero"),
            ("10 ** 400", "result too large"),
            ("-8 ** 0.5", "no real result"),
            ("5*10", "50.0"),
            ("2**3", "8.0"),
            ("5-3", "2.0"),
            ("5 -3", "-15.0"), // these are two numbers to float()
            ("5- 3", "2.0"),
            ("5--3", "8.0"),
            ("-5+-3", "-8.0"),
            ("7//2", "3.0"),
            ("7 %4", "3.0"),
            ("1e-5", "expected two numbers, for example: 5 10"),
            ("1e-5-2", "-1.99999"),
            ("1e+2e+3", "expected two numbers, for example: 5 10"),
            ("2**-1", "0.5"),
            ("-inf*1_0", "-inf"),
            ("1/0", "division by zero"),
            ("1+2+3", "expected two numbers, for example: 5 10"),
            ("５ １０", "50.0"),
            ("٥\u{3000}١٠", "50.0"),
            ("٥*१०", "50.0"),
            ("5\u{a0}10", "50.0"),
            ("5\u{feff} 10", "not a number: '5\\u{feff}'"),
            ("\u{2212}5 2", "not a number: '\u{2212}5'"),
            ("5．0 2", "not a number: '5．0'"),
        ] {
            let said = match evaluate(request.as_bytes()) {
                Ok(value) => {
                    let mut out = Vec::new();
                    number::write(value, &mut out);
                    String::from_utf8(out).unwrap()
                }
                Err(complaint) => complaint.to_string(),
            };
            assert_eq!(said, reply, "{request:?}");
        }
    }

    #[test]
    fn request_is_complete_when_it_can_be_answered() {
        for complete in ["5 10", "5 * 10", " 5  1e3", "1 / 0", "5*10", "1e-5-2", "٥ ١٠"] {
            assert!(is_complete(complete.as_bytes()), "{complete}");
        }
        for incomplete in ["5", "5 ", "5 *", "5*", "1e-5", "5 x", "5 ^ 2", "5 6 7", "a b", "1 * 2 3", "1+2+3"]
        {
            assert!(!is_complete(incomplete.as_bytes()), "{incomplete}");
        }
    }
}
