//! The daemon's numbers against those of this machine's python3: every answer is the same, byte for byte.
//!
//! `IPCD_NUMBER_CASES` sets another number of cases than a million, `IPCD_NUMBER_SEED` another choice of cases.

mod cases;

use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Seek, Write as _};
use std::process::{Command, Stdio};

use cases::cases;
use ipcd::engine::number::{self, Operator};

const CASES: u64 = 1_000_000;
const SEED: u64 = 20_250_101;

/// Mismatches that are shown; the others are only counted.
const SHOWN_MAX: usize = 10;

/// CPython's answers to the lines `left operator right`.
const PYTHON: &str = r#"
import operator
OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": operator.floordiv, "%": operator.mod, "**": operator.pow,
}
def answer(line):
    left, name, right = line.split(" ")
    try:
        left, right = float(left), float(right)
    except ValueError:
        return "V"
    try:
        result = OPERATORS[name](left, right)
    except ZeroDivisionError:
        return "E division by zero"
    except OverflowError as error:
        return "E no real result" if "complex" in str(error) else "E result too large"
    return "E no real result" if isinstance(result, complex) else repr(result)
with open(0, encoding="utf-8", newline="\n") as questions, open(1, "w", encoding="ascii", newline="\n") as answers:
    for line in questions:
        answers.write(answer(line[:-1]) + "\n")
"#;

/// The daemon's answers, in the form of [`PYTHON`].
fn answer(left: &str, operator: &str, right: &str, out: &mut Vec<u8>) {
    let operator = Operator::named(operator).expect("a known operator");
    match (number::parse(left), number::parse(right)) {
        (Some(left), Some(right)) => match number::apply(left, operator, right) {
            Ok(result) => number::write(result, out),
            Err(fault) => write!(out, "E {fault}").expect("memory"),
        },
        _ => out.push(b'V'),
    }
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number, for example {default}"))
        }
        Err(_) => default,
    }
}

/// python3's answers, one a line. They go through files: with two pipes, each side could wait for the other.
fn ask_python(questions: &str) -> String {
    let mut input = tempfile::tempfile().expect("a temporary file");
    input.write_all(questions.as_bytes()).expect("room for the questions");
    input.rewind().expect("a file can be rewound");
    let mut output: File = tempfile::tempfile().expect("a temporary file");
    let status = Command::new("python3")
        .args(["-I", "-c", PYTHON])
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output.try_clone().expect("a second descriptor")))
        .status()
        .unwrap_or_else(|error| {
            panic!("python3 cannot be run ({error}): install python3, which this test compares with")
        });
    assert!(status.success(), "python3 failed: {status}");
    output.rewind().expect("a file can be rewound");
    std::io::read_to_string(output).expect("ASCII answers")
}

#[test]
#[ignore = "needs python3"]
fn numbers_match_python_in_reading_arithmetic_and_writing() {
    let wanted = setting("IPCD_NUMBER_CASES", CASES);
    let seed = setting("IPCD_NUMBER_SEED", SEED);
    let mut questions = String::new();
    for [left, operator, right] in cases(seed).take(usize::try_from(wanted).expect("so many fit")) {
        writeln!(questions, "{left} {operator} {right}").expect("memory");
    }
    let answers = ask_python(&questions);
    assert_eq!(answers.lines().count() as u64, wanted, "python3 answers every question once");

    let mut mismatches = 0;
    let mut shown = String::new();
    let mut ours = Vec::new();
    for (question, theirs) in questions.split('\n').zip(answers.lines()) {
        let [left, operator, right] = question.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a question: {question:?}")
        };
        ours.clear();
        answer(left, operator, right, &mut ours);
        if ours != theirs.as_bytes() {
            mismatches += 1;
            if mismatches <= SHOWN_MAX {
                let ours = String::from_utf8_lossy(&ours);
                write!(
                    shown,
                    "\n  {left:?} {operator} {right:?}\n    python3: {theirs}\n    ipcd:    {ours}"
                )
                .expect("memory");
            }
        }
    }
    assert_eq!(
        mismatches, 0,
        "of {wanted} cases; again with IPCD_NUMBER_SEED={seed} IPCD_NUMBER_CASES={wanted}{shown}"
    );
}

/// Which digits there are depends on the version of Unicode: this checks those that this python3 knows, and ours may be more.
#[test]
#[ignore = "needs python3"]
fn digits_and_white_space_of_all_scripts_match_python() {
    const LIST: &str = r#"
import sys, unicodedata
for point in range(0x80, 0x110000):
    c = chr(point)
    if 0xD800 <= point < 0xE000:
        continue
    kind = "digit" if unicodedata.category(c) == "Nd" else "blank" if c.isspace() else None
    if kind:
        print(point, kind, repr(float("1" + c + "e0")) if kind == "digit" else len(("1" + c + "2").split()))
"#;
    let list = Command::new("python3").args(["-I", "-c", LIST]).output().expect("python3 runs");
    assert!(list.status.success());
    let list = String::from_utf8(list.stdout).expect("ASCII");
    let mut seen = (0, 0);
    for line in list.lines() {
        let [point, kind, result] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let c = point.parse().ok().and_then(char::from_u32).expect("a character");
        if kind == "digit" {
            seen.0 += 1;
            let mut ours = Vec::new();
            number::write(number::parse(&format!("1{c}e0")).expect(line), &mut ours);
            assert_eq!(ours, result.as_bytes(), "{line}");
        } else {
            seen.1 += 1;
            let message = format!("1{c}2");
            assert_eq!(ipcd::engine::text::words(message.as_bytes()).count().to_string(), result, "{line}");
        }
    }
    assert!(seen.0 >= 600 && seen.1 >= 18, "python3 knows digits and white space: {seen:?}");
}
