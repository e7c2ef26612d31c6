//! The cases for python3: the same awkward ones in every run, then random ones, written in many ways.

const OPERATORS: [&str; 7] = ["+", "-", "*", "/", "//", "%", "**"];

/// Numbers, and texts that are nearly numbers, where implementations differ. Each is combined with each, with every operator.
const NASTY: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "-3",
    "0.5",
    "-0.5",
    "1.5",
    "-2.5",
    "0.1",
    "1e-5",
    "0.0001",
    "1e16",
    "9999999999999998",
    "9007199254740991",
    "-9007199254740993",
    "18446744073709551616",
    "1e22",
    "1e23",
    "-1e300",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "5e-324",
    "-5e-324",
    "2.4703282292062327e-324",
    "2.2250738585072011e-308",
    "inf",
    "-Infinity",
    "nan",
    "-NaN",
    "1e400",
    "-1e-400",
    "1_000",
    "0_0.0_1e0_1",
];

/// Texts that `float()` may refuse. Each is combined with a number, on either side.
const DOUBTFUL: &[&str] = &[
    "",
    "+",
    "-",
    ".",
    "+.",
    "e5",
    ".e5",
    "1e",
    "1E",
    "1e+",
    "1e-",
    "1e5.",
    "1.e5",
    ".5e5",
    "+-1",
    "--1",
    "++1",
    "-+1",
    "1-",
    "1.2.3",
    "1..2",
    "0x10",
    "0X1P3",
    "0b1",
    "0o7",
    "1f",
    "1d",
    "1l",
    "1j",
    "1%",
    "_1",
    "1_",
    "1__0",
    "1_.5",
    "1._5",
    "1.5_",
    "1_e5",
    "1e_5",
    "1e+_5",
    "1e-5_",
    "1e5_0",
    "1e5__0",
    "-_1",
    "_",
    "__",
    "_._",
    "1_2_3",
    "01_0",
    "0_",
    "0_1",
    "in",
    "infi",
    "infinit",
    "infinityy",
    "iNf",
    "INFINITY",
    "+iNfInItY",
    "in_f",
    "inf_",
    "_inf",
    "1inf",
    "inf1",
    "-+inf",
    "--nan",
    "nano",
    "nan0",
    "nan_",
    "NAN",
    "+nAn",
    "nan(1)",
    "snan",
    "١",
    "1١",
    "٣.٥",
    "１２",
    "½",
    "−1",
    "∞",
    "1\0",
    "\x001",
    "1,5",
    "1'000",
    "True",
    "None",
    "1e١",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "0e99999999999999999999",
    "00000000000000000000000000000001",
    "0.00000000000000000000000000000001e32",
    "1\u{7f}",
    "\u{feff}1",
    "1\u{200b}",
];

/// splitmix64, for which every seed is good.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }
}

/// A number from the whole range, more often from where numbers are awkward.
fn value(random: &mut Random) -> f64 {
    let value = match random.below(13) {
        0 | 1 => f64::from_bits(random.next()),
        // Near 1, so that two of them have a similar size.
        2 | 3 => f64::from_bits((random.next() >> 12) | ((1023 + random.below(16) as u64 - 8) << 52)),
        4 => random.between(-20, 20) as f64,
        5 => random.between(-1_000_000, 1_000_000) as f64,
        6 => random.between(-1_000_000, 1_000_000) as f64 / 100.0,
        7 => random.between(-40, 40) as f64 / 2.0,
        // Few bits at any magnitude: halfway between two shortest texts.
        8 => random.between(1, 64) as f64 * 2f64.powi(random.between(-1074, 1017) as i32),
        9 => format!("1e{}", random.between(-325, 308)).parse().expect("a power of ten"),
        // Below the smallest normal number.
        10 => f64::from_bits(random.next() >> random.between(12, 63)),
        11 => 2f64.powi(random.between(50, 66) as i32) + random.between(-3, 3) as f64,
        _ => {
            random.pick(&[0.0, 1.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e16, 1e-4, f64::INFINITY, f64::NAN])
        }
    };
    match random.below(12) {
        0 => value.next_up(),
        1 => value.next_down(),
        2..=5 => -value,
        _ => value,
    }
}

/// All digits of a finite number.
fn exactly(value: f64) -> String {
    format!("{value:.1075}") // the smallest number has 1074 decimal places, and half of it one more
}

/// The number exactly between two neighbours: half of the sum of their digits.
fn halfway(value: f64) -> String {
    let (low, high) = (exactly(value.abs()), exactly(value.abs().next_up()));
    let mut sum = Vec::new();
    let mut carry = 0;
    let padding = std::iter::repeat(b'0');
    for (a, b) in high.bytes().rev().zip(low.bytes().rev().chain(padding)) {
        if a == b'.' {
            sum.push(b'.');
            continue;
        }
        carry += a - b'0' + (b - b'0');
        sum.push(carry % 10);
        carry /= 10;
    }
    sum.push(carry);
    let mut rest = 0;
    sum.reverse();
    let half = sum.into_iter().map(|digit| {
        if digit == b'.' {
            return '.';
        }
        let dividend = rest * 10 + digit;
        rest = dividend % 2;
        char::from(b'0' + dividend / 2)
    });
    half.collect::<String>().trim_end_matches('0').to_owned()
}

/// A number in one of many spellings, which may have another value.
fn text(value: f64, random: &mut Random) -> String {
    if !value.is_finite() {
        let word = random.pick(if value.is_nan() {
            &["nan", "NaN", "nAn"]
        } else {
            &["inf", "Infinity", "iNF", "INFINITY"]
        });
        return format!("{}{word}", random.pick(&["", "+", "-"]));
    }
    if value.abs() < f64::MAX && random.once_in(200) {
        let mut text = halfway(value);
        match random.below(3) {
            0 => text.push('1'),
            1 => text.truncate(text.len() - 1),
            _ => {}
        }
        if random.once_in(2) {
            dress(&mut text, random);
        }
        return text;
    }
    let mut text = match random.below(16) {
        0..=4 => format!("{value:?}"),
        5 | 6 => format!("{value}"),
        7 => format!("{value:e}"),
        8 | 9 => format!("{value:.17e}"),
        10 => format!("{value:.*e}", random.below(40)),
        11 => format!("{value:.*}", random.below(12)),
        12 => format!("{value:.15E}"),
        // The same number with its point moved.
        13 => {
            let digits = random.next() >> random.below(64);
            format!("{digits}.{:03}e{}", random.below(1000), random.between(-345, 310))
        }
        14 => format!("0.{:0>1$}e{2}", random.next(), 20 + random.below(300), random.between(-30, 330)),
        _ => format!("{}{:0<2$}e-{3}", random.next(), "", random.below(300), random.below(340)),
    };
    if random.once_in(8) {
        dress(&mut text, random);
    }
    text
}

/// Writes a number in a longer form. A second sign in its exponent makes it invalid.
fn dress(text: &mut String, random: &mut Random) {
    let sign = usize::from(text.starts_with('-'));
    if random.once_in(2) {
        text.insert_str(sign, &"0".repeat(random.below(5)));
    }
    if random.once_in(3) && sign == 0 {
        text.insert(0, '+');
    }
    if random.once_in(3) {
        *text = text.replacen("0.", ".", 1);
    }
    if random.once_in(3) && text.ends_with(".0") {
        text.pop();
    }
    if random.once_in(3) {
        *text = text.replacen(['e', 'E'], random.pick(&["E", "E+", "e0", "E-00", "e+0"]), 1);
    }
    if random.once_in(2) {
        let mut separated = String::new();
        let mut after_digit = false;
        for character in text.chars() {
            if after_digit && character.is_ascii_digit() && random.once_in(3) {
                separated.push('_');
            }
            after_digit = character.is_ascii_digit();
            separated.push(character);
        }
        *text = separated;
    }
}

/// Changes a text in one place; the result may still be valid.
fn mutate(text: &mut String, random: &mut Random) {
    const PIECES: &[&str] = &[
        "_", "_", "__", ".", "e", "E", "+", "-", "+-", "e+_", "_e", "0", "9", "x", "0x", "inf", "nan", "j",
        "\0", "١", ",", "²",
    ];
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    let place = places.get(random.below(places.len() + 1)).copied().unwrap_or(text.len());
    let piece = random.pick(PIECES);
    match random.below(6) {
        0 => text.push_str(piece),
        1 => text.insert_str(0, piece),
        2 if place < text.len() => drop(text.remove(place)),
        3 => text.truncate(place),
        4 if place < text.len() => {
            text.remove(place);
            text.insert_str(place, piece);
        }
        _ => text.insert_str(place, piece),
    }
}

/// Two texts and an operator.
fn case(random: &mut Random) -> [String; 3] {
    let mut left = text(value(random), random);
    // For every fourth one, the left number is returned as it was read, so that no operator hides a wrong digit.
    if random.once_in(4) {
        if random.once_in(3) {
            mutate(&mut left, random);
        }
        return [left, "*".into(), "1".into()];
    }
    let operator = random.pick(&OPERATORS);
    let mut right = text(value(random), random);
    // Most powers are far out of range. These are near the ends of the range, or in the middle.
    if operator == "**" && random.once_in(2) {
        let base = value(random);
        let exponent = random.between(-1100, 1060) as f64 / base.abs().log2();
        left = text(base, random);
        right = text(if random.once_in(2) { exponent.round() } else { exponent }, random);
    }
    if random.once_in(40) {
        mutate(&mut right, random);
    }
    [left, operator.into(), right]
}

/// The fixed cases, then random ones.
pub fn cases(seed: u64) -> impl Iterator<Item = [String; 3]> {
    let nasty = NASTY.iter().flat_map(|left| NASTY.iter().map(move |right| (*left, *right)));
    let nasty =
        nasty.flat_map(|(left, right)| OPERATORS.map(|operator| [left, operator, right].map(String::from)));
    let doubtful = DOUBTFUL
        .iter()
        .flat_map(|text| [[*text, "*", "1"], ["2", "-", *text]].map(|case| case.map(String::from)));
    let mut random = Random(seed);
    doubtful.chain(nasty).chain(std::iter::repeat_with(move || case(&mut random)))
}

#[test]
fn halfway_numbers_are_exactly_halfway() {
    assert_eq!(halfway(1.0), "01.00000000000000011102230246251565404236316680908203125");
    assert_eq!(halfway(9007199254740992.0), "09007199254740993.");
    assert!(halfway(0.0).ends_with("125") && halfway(0.0).len() > 1075);
}
