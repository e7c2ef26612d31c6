//! Python's numbers, byte for byte as CPython has them: what `float()` reads, what operators on floats return, what `repr()`
//! writes.

use std::fmt;

use super::digits;

/// The operators that a request may use, in the order in which the error about another one lists them.
pub const KNOWN: &str = "+ - * / // % **";

/// Reads what CPython's `float()` reads, without white space around it: decimal digits of every script, all else in ASCII. Any
/// other text is `None`.
pub fn parse(text: &str) -> Option<f64> {
    if !text.is_ascii() {
        return digits::to_ascii(text).and_then(|text| parse(&text));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let magnitude = match unsigned.bytes().next()? {
        b'0'..=b'9' | b'.' => Decimal::scan(unsigned)?.magnitude()?,
        _ if ["inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) => f64::INFINITY,
        _ if unsigned.eq_ignore_ascii_case("nan") => f64::NAN,
        _ => return None,
    };
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// A decimal number without its sign, once its text is known to be right.
struct Decimal<'a> {
    text: &'a str,
    /// The part of `text` before the exponent.
    significand_bytes: usize,
    /// All digits as one integer, if it is below [`Decimal::INTEGER_MAX`].
    integer: Option<u64>,
    fraction_digits: usize,
    /// The exponent as written, no further from zero than [`Decimal::EXPONENT_MAX`].
    exponent: i64,
    underscored: bool,
}

impl<'a> Decimal<'a> {
    /// Integers below this are exact as f64.
    const INTEGER_MAX: u64 = 1 << 53;
    /// So large that no text can hold enough zeros to bring the number back into range.
    const EXPONENT_MAX: i64 = 1 << 60;
    /// `f64::from_str` stops counting at some 65,000, although enough zeros may bring a number back into range.
    const EXPONENT_STD_MAX: u64 = 9_999;

    fn scan(text: &'a str) -> Option<Self> {
        let mut integer = Some(0u64);
        let mut add = |digit: u8| {
            integer = integer
                .map(|integer| integer * 10 + u64::from(digit))
                .filter(|integer| *integer < Self::INTEGER_MAX);
        };
        let whole = Run::scan(text.as_bytes(), &mut add);
        let fraction = match whole.rest {
            [b'.', rest @ ..] => Run::scan(rest, &mut add),
            rest => Run { digits: 0, underscored: false, rest },
        };
        if whole.digits + fraction.digits == 0 {
            return None;
        }
        let mut scale = 0i64;
        let (exponent_sign, exponent) = match fraction.rest {
            [] => (1, Run { digits: 0, underscored: false, rest: &[] }),
            [b'e' | b'E', rest @ ..] => {
                let (sign, rest) = match rest {
                    [b'-', rest @ ..] => (-1, rest),
                    [b'+', rest @ ..] => (1, rest),
                    rest => (1, rest),
                };
                let run = Run::scan(rest, |digit| {
                    scale = scale.saturating_mul(10).saturating_add(i64::from(digit)).min(Self::EXPONENT_MAX);
                });
                if run.digits == 0 || !run.rest.is_empty() {
                    return None;
                }
                (sign, run)
            }
            _ => return None,
        };
        Some(Decimal {
            text,
            significand_bytes: text.len() - fraction.rest.len(),
            integer,
            fraction_digits: fraction.digits,
            exponent: exponent_sign * scale,
            underscored: whole.underscored || fraction.underscored || exponent.underscored,
        })
    }

    /// Rounded as CPython does it: to the nearest float, and to the even one of two equally near. `f64::from_str` does the same.
    fn magnitude(&self) -> Option<f64> {
        // Both are exact, so their product or quotient is rounded once, and is therefore correctly rounded.
        if let Some(integer) = self.integer {
            let power = self.exponent - self.fraction_digits as i64;
            if let Some(ten) = usize::try_from(power.unsigned_abs()).ok().and_then(|power| TENS.get(power)) {
                let integer = integer as f64;
                return Some(if power < 0 { integer / ten } else { integer * ten });
            }
        }
        if self.underscored || self.exponent.unsigned_abs() > Self::EXPONENT_STD_MAX {
            return self.magnitude_rewritten();
        }
        self.text.parse().ok()
    }

    /// Rewrites the number in scientific notation: no underscores, one digit before the point, a small exponent.
    fn magnitude_rewritten(&self) -> Option<f64> {
        let significand = &self.text.as_bytes()[..self.significand_bytes];
        let mut digits = significand.iter().filter(|byte| byte.is_ascii_digit());
        let all = digits.clone().count();
        let Some(zeros) = digits.position(|digit| *digit != b'0') else { return Some(0.0) };
        let power = self.exponent + (all - self.fraction_digits) as i64 - zeros as i64 - 1;
        if power > 308 {
            return Some(f64::INFINITY);
        }
        if power < -325 {
            return Some(0.0); // less than half of the smallest float
        }
        let mut text = String::with_capacity(all - zeros + 8);
        for (index, digit) in significand.iter().filter(|byte| byte.is_ascii_digit()).skip(zeros).enumerate()
        {
            if index == 1 {
                text.push('.');
            }
            text.push(char::from(*digit));
        }
        text.push('e');
        text.push_str(&power.to_string());
        text.parse().ok()
    }
}

/// The powers of ten that are exact as f64.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Digits in a row, perhaps none, with single underscores between them.
struct Run<'a> {
    digits: usize,
    underscored: bool,
    /// What follows the digits. A misplaced underscore does not belong to them.
    rest: &'a [u8],
}

impl<'a> Run<'a> {
    fn scan(text: &'a [u8], mut take: impl FnMut(u8)) -> Self {
        let mut run = Run { digits: 0, underscored: false, rest: text };
        loop {
            match run.rest {
                [digit @ b'0'..=b'9', rest @ ..] => {
                    take(digit - b'0');
                    run.digits += 1;
                    run.rest = rest;
                }
                [b'_', rest @ ..] if run.digits > 0 && rest.first().is_some_and(u8::is_ascii_digit) => {
                    run.underscored = true;
                    run.rest = rest;
                }
                _ => return run,
            }
        }
    }
}

/// The longest that CPython's `repr()` of a float gets: `-2.2250738585072014e-308`.
const TEXT_BYTES_MAX: usize = 24;

/// A float as CPython's `repr()` writes it.
#[derive(Debug, Default)]
pub struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Text {
    /// The text that `repr()` writes for `value`.
    #[inline(always)] // there is one caller for each way of writing it
    pub fn of(value: f64) -> Text {
        let mut text = Text::default();
        write_to(value, &mut text);
        text
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Appends what CPython's `repr()` writes for a float.
pub fn write(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(Text::of(value).as_ref());
}

fn write_to(value: f64, out: &mut Text) {
    if value.is_nan() {
        return out.extend_from_slice(b"nan"); // also for a negative NaN
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        return out.extend_from_slice(b"inf");
    }
    let whole = magnitude as u64;
    if whole < 1 << 53 && whole as f64 == magnitude {
        write_integer(whole, 1, out);
        return out.extend_from_slice(b".0");
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(magnitude);
    // Here zmij and CPython both write plain digits; outside, their notations and exponents differ.
    if (1e-4..1e16).contains(&magnitude) {
        return out.extend_from_slice(shortest.as_bytes());
    }
    write_scientific(shortest, out);
}

/// Writes in CPython's scientific notation what zmij wrote as `0.0000123` or `1.23e-7`.
fn write_scientific(shortest: &str, out: &mut Text) {
    let (significand, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let whole = significand.find('.').unwrap_or(significand.len());
    let digits = significand.bytes().filter(|byte| *byte != b'.');
    let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
    let power = exponent.parse().unwrap_or(0) + whole as i32 - zeros as i32 - 1;

    for (index, digit) in digits.skip(zeros).enumerate() {
        if index == 1 {
            out.push(b'.');
        }
        out.push(digit);
    }
    out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
    write_integer(u64::from(power.unsigned_abs()), 2, out);
}

fn write_integer(mut integer: u64, digits_min: usize, out: &mut Text) {
    let digits = integer.checked_ilog10().map_or(1, |log| log as usize + 1).max(digits_min);
    for digit in out.bytes[out.len..][..digits].iter_mut().rev() {
        *digit = b'0' + (integer % 10) as u8;
        integer /= 10;
    }
    out.len += digits;
}

/// The characters that may be between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `//`: the quotient, rounded towards negative infinity.
    FloorDivide,
    /// `%`: the remainder of that, with the divisor's sign.
    Remainder,
    /// `**`
    Power,
}

impl Operator {
    /// The operator written so; `None`: there is no such operator (see [`KNOWN`]).
    pub fn named(name: &str) -> Option<Operator> {
        Some(match name {
            "+" => Operator::Add,
            "-" => Operator::Subtract,
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            "//" => Operator::FloorDivide,
            "%" => Operator::Remainder,
            "**" => Operator::Power,
            _ => return None,
        })
    }
}

/// Why an operation on two numbers has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithmeticError {
    /// CPython's ZeroDivisionError.
    DivisionByZero,
    /// CPython's OverflowError: of the operators, only `**` of finite numbers raises it; the others answer `inf`.
    TooLarge,
    /// CPython answers with a complex number.
    NoRealResult,
}

impl fmt::Display for ArithmeticError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ArithmeticError::DivisionByZero => "division by zero",
            ArithmeticError::TooLarge => "result too large",
            ArithmeticError::NoRealResult => "no real result",
        })
    }
}

/// CPython's answer for two floats.
pub fn apply(left: f64, operator: Operator, right: f64) -> Result<f64, ArithmeticError> {
    match operator {
        Operator::Add => Ok(left + right),
        Operator::Subtract => Ok(left - right),
        Operator::Multiply => Ok(left * right),
        Operator::Divide | Operator::FloorDivide | Operator::Remainder if right == 0.0 => {
            Err(ArithmeticError::DivisionByZero)
        }
        Operator::Divide => Ok(left / right),
        Operator::FloorDivide => Ok(divide_floored(left, right).0),
        Operator::Remainder => Ok(divide_floored(left, right).1),
        Operator::Power => power(left, right),
    }
}

/// Quotient and remainder; the remainder has the divisor's sign, a zero too.
fn divide_floored(left: f64, right: f64) -> (f64, f64) {
    let truncated = left % right;
    let mut quotient = (left - truncated) / right;
    let remainder = if truncated == 0.0 {
        0f64.copysign(right)
    } else if (right < 0.0) != (truncated < 0.0) {
        quotient -= 1.0;
        truncated + right
    } else {
        truncated
    };
    if quotient == 0.0 {
        return (0f64.copysign(left / right), remainder);
    }
    // The quotient may have missed its integer by a rounding error, on either side.
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, remainder)
}

fn power(base: f64, exponent: f64) -> Result<f64, ArithmeticError> {
    let odd = (exponent % 2.0).abs() == 1.0;
    // CPython treats these cases itself, so that they do not depend on the platform's pow.
    if exponent == 0.0 || base == 1.0 {
        return Ok(1.0);
    }
    if base.is_nan() || exponent.is_nan() {
        return Ok(f64::NAN);
    }
    if exponent.is_infinite() {
        let magnitude = base.abs();
        return Ok(match magnitude == 1.0 {
            true => 1.0,
            false if (magnitude > 1.0) == (exponent > 0.0) => f64::INFINITY,
            false => 0.0,
        });
    }
    if base == 0.0 && exponent < 0.0 {
        return Err(ArithmeticError::DivisionByZero);
    }
    if base == 0.0 || base.is_infinite() {
        let magnitude = if base.is_infinite() == (exponent > 0.0) { f64::INFINITY } else { 0.0 };
        return Ok(if odd { magnitude.copysign(base) } else { magnitude });
    }
    if base < 0.0 && exponent.fract() != 0.0 {
        return Err(ArithmeticError::NoRealResult);
    }
    let magnitude = match base.abs() {
        1.0 => 1.0, // also for a power that is too large for pow
        magnitude => magnitude.powf(exponent),
    };
    if magnitude.is_infinite() {
        return Err(ArithmeticError::TooLarge);
    }
    Ok(if base < 0.0 && odd { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests;
