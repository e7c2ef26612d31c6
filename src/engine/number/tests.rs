use super::*;

fn written(value: f64) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8(out).expect("ASCII")
}

fn same(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
}

#[test]
fn every_text_that_python_float_accepts_is_accepted() {
    for (text, value) in [
        ("5", 5.0),
        ("+5", 5.0),
        ("-5", -5.0),
        ("007", 7.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("-.5e1", -5.0),
        ("1e5", 1e5),
        ("1E+05", 1e5),
        ("1.e-5", 1e-5),
        ("-0", -0.0),
        ("-0e999999999999999999999", -0.0),
        ("1_000", 1000.0),
        ("1_0.0_1e1_0", 10.01e10),
        ("9007199254740993", 9007199254740992.0),
        ("9007199254740993.0000000000000000000001", 9007199254740994.0),
        ("9_007_199_254_740_993.000_000_000_000_000_000_000_1", 9007199254740994.0),
        ("1e22", 1e22),
        ("1e23", 1e23),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
        ("2.2250738585072011e-308", 2.225073858507201e-308),
        ("1_7976931348623157e292", f64::MAX),
        ("1e309", f64::INFINITY),
        ("-1e999999999999999999999", f64::NEG_INFINITY),
        ("1e-999999999999999999999", 0.0),
        ("2.4703282292062327e-324", 0.0),
        ("2.4703282292062328e-324", 5e-324),
        ("0_2.4703282292062328e-324", 5e-324),
        ("inf", f64::INFINITY),
        ("-INF", f64::NEG_INFINITY),
        ("+Infinity", f64::INFINITY),
        ("nan", f64::NAN),
        ("-NaN", f64::NAN),
    ] {
        let read = parse(text);
        assert!(read.is_some_and(|read| same(read, value)), "{text}: {read:?}, not {value:?}");
    }
}

#[test]
fn every_text_that_python_float_refuses_is_refused() {
    for text in [
        "",
        "+",
        "-",
        ".",
        "+.",
        "e5",
        ".e5",
        "1e",
        "1e+",
        "1e5.",
        "1e5.0",
        "+-1",
        "--1",
        "1-",
        "1.2.3",
        "0x10",
        "1f",
        "1j",
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
        "-_1",
        "in",
        "infi",
        "infinit",
        "infinityy",
        "in_f",
        "inf_",
        "1inf",
        "nano",
        "nan0",
        "nan(1)",
        "1½",
        "½",
        "−1",
        "∞",
        "1\0",
        "1,5",
        " 1",
        "1 ",
        "1\n",
        "true",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}

#[test]
fn endless_zeros_with_a_balancing_exponent_are_read() {
    for zeros in [20, 400, 9_998, 59_000, 70_000, 700_000] {
        let many = "0".repeat(zeros);
        for (text, value) in [
            (format!("0.{many}15e{}", zeros + 1), 1.5),
            (format!("15{many}e-{}", zeros + 1), 1.5),
            (format!("15{many}.0e-{}", zeros + 1), 1.5),
            (format!("-0.{many}00000000012345678901234567890e{}", zeros + 11), -12.345678901234568),
            (format!("1.{many}1"), 1.0),
            (format!("{many}0.5"), 0.5),
            (format!("5e{many}1"), 50.0),
        ] {
            assert_eq!(parse(&text), Some(value), "{zeros} zeros: {:?}…", &text[..8]);
        }
    }
}

#[test]
fn numbers_are_written_as_python_repr_writes_them() {
    for (value, text) in [
        (50.0, "50.0"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (-1.0, "-1.0"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (100.25, "100.25"),
        (9007199254740991.0, "9007199254740991.0"),
        (9007199254740992.0, "9007199254740992.0"),
        (9999999999999998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (-1e16, "-1e+16"),
        (12345678901234567000.0, "1.2345678901234567e+19"),
        (1e22, "1e+22"),
        (1e100, "1e+100"),
        (1.5e300, "1.5e+300"),
        (0.0001, "0.0001"),
        (0.0001f64.next_down(), "9.999999999999999e-05"),
        (0.00001, "1e-05"),
        (-0.000012, "-1.2e-05"),
        (1e-10, "1e-10"),
        (2f64.powi(-44), "5.684341886080802e-14"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
        (-f64::NAN, "nan"),
    ] {
        assert_eq!(written(value), text);
    }
}

#[test]
fn writing_appends_to_existing_text() {
    let mut out = b"0.00".to_vec();
    for value in [1e16, 5.0, 1.5e-7] {
        write(value, &mut out);
    }
    assert_eq!(out, b"0.001e+165.01.5e-07");
}

#[test]
fn known_operators_are_the_named_ones() {
    for name in KNOWN.split(' ') {
        assert!(Operator::named(name).is_some(), "{name}");
    }
    for name in ["", "^", "***", "+-", "x", "/ /"] {
        assert_eq!(Operator::named(name), None, "{name}");
    }
}

#[test]
fn operators_answer_as_they_do_in_python() {
    for (left, name, right, answer) in [
        ("5", "+", "10", "15.0"),
        ("5", "-", "10", "-5.0"),
        ("5", "*", "10", "50.0"),
        ("10", "/", "4", "2.5"),
        ("1e308", "*", "10", "inf"),
        ("inf", "-", "inf", "nan"),
        ("1", "/", "0", "division by zero"),
        ("nan", "/", "-0", "division by zero"),
        ("7", "//", "2", "3.0"),
        ("-7", "//", "2", "-4.0"),
        ("7", "//", "-2", "-4.0"),
        ("1", "//", "0.1", "9.0"),
        ("-0", "//", "5", "-0.0"),
        ("1", "//", "inf", "0.0"),
        ("-1", "//", "inf", "-1.0"),
        ("inf", "//", "1", "nan"),
        ("1", "//", "0", "division by zero"),
        ("7", "%", "-2", "-1.0"),
        ("-7", "%", "2", "1.0"),
        ("6", "%", "-2", "-0.0"),
        ("-6", "%", "2", "0.0"),
        ("-1", "%", "inf", "inf"),
        ("1", "%", "-inf", "-inf"),
        ("inf", "%", "1", "nan"),
        ("-1e-20", "%", "1", "1.0"),
        ("1", "%", "0", "division by zero"),
        ("2", "**", "10", "1024.0"),
        ("-2", "**", "3", "-8.0"),
        ("10", "**", "400", "result too large"),
        ("-10", "**", "401", "result too large"),
        ("10", "**", "-400", "0.0"),
        ("-10", "**", "-401", "-0.0"),
        ("-8", "**", "0.5", "no real result"),
        ("-1e300", "**", "1e10", "result too large"),
        ("-1e300", "**", "1000000000.5", "no real result"),
        ("0", "**", "-1", "division by zero"),
        ("-0", "**", "-0.5", "division by zero"),
        ("0", "**", "-inf", "inf"),
        ("0", "**", "0", "1.0"),
        ("-0", "**", "3", "-0.0"),
        ("-0", "**", "2", "0.0"),
        ("nan", "**", "0", "1.0"),
        ("1", "**", "nan", "1.0"),
        ("-1", "**", "nan", "nan"),
        ("-1", "**", "inf", "1.0"),
        ("-1", "**", "1e300", "1.0"),
        ("-1", "**", "9007199254740991", "-1.0"),
        ("0.5", "**", "inf", "0.0"),
        ("0.5", "**", "-inf", "inf"),
        ("-2", "**", "inf", "inf"),
        ("-inf", "**", "0.5", "inf"),
        ("-inf", "**", "3", "-inf"),
        ("-inf", "**", "-3", "-0.0"),
        ("-inf", "**", "-2", "0.0"),
        ("inf", "**", "-0.5", "0.0"),
    ] {
        let operator = Operator::named(name).expect("an operator");
        let result = apply(parse(left).expect("a number"), operator, parse(right).expect("a number"));
        assert_eq!(result.map_or_else(|error| error.to_string(), written), answer, "{left} {name} {right}");
    }
}
