//! The decimal digits of all scripts. Knows characters; has never seen a number.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Decimal digits are in rows of ten, in order, beginning with zero (Unicode's stability policy, since 6.3).
const ROW: u32 = 10;

/// The text with every decimal digit (Unicode's general category Nd) as the ASCII digit of its value, as CPython's
/// `float()` does it; `None` if there is another character outside ASCII. Which digits there are depends on the version
/// of Unicode that `icu_properties` has: 17.0 with 2.4.
pub fn to_ascii(text: &str) -> Option<String> {
    text.chars()
        .map(|c| if c.is_ascii() { Some(c) } else { value(c).map(|value| char::from(b'0' + value)) })
        .collect()
}

/// The value of a decimal digit.
fn value(c: char) -> Option<u8> {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_digit = |point: &u32| categories.get32(*point) == GeneralCategory::DecimalNumber;
    if !is_digit(&u32::from(c)) {
        return None;
    }
    // Two rows may touch, as those of the mathematical digits do. Then the first row begins a multiple of ten before this
    // character.
    let before = (0..u32::from(c)).rev().take_while(is_digit).count() as u32;
    Some((before % ROW) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_have_values_and_other_numerals_none() {
        assert_eq!(to_ascii("５ १०.٥e-𝟗𝟙").as_deref(), Some("5 10.5e-91"));
        for not_decimal in ["½", "²", "Ⅷ", "十", "−5", "5．0", "⑤"] {
            assert_eq!(to_ascii(not_decimal), None, "{not_decimal}");
        }
        assert_eq!(value('\u{11de5}'), Some(5), "Tolong Siki, since Unicode 17.0");
        let digits: Vec<char> = ('\u{80}'..=char::MAX).filter(|c| value(*c).is_some()).collect();
        assert!(digits.len() >= 650 && digits.len().is_multiple_of(10), "{}", digits.len());
        for row in digits.chunks(10) {
            assert!(row.iter().enumerate().all(|(at, c)| value(*c) == Some(at as u8)), "{row:?}");
        }
    }
}
