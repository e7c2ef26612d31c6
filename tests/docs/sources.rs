//! The sources keep their form: the length of files, and the names of tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Characters in a test's name. A longer name is a paragraph.
const NAME_MAX: usize = 70;

/// Lines in a file. A reader of a longer one has forgotten its beginning.
const FILE_LINES_MAX: usize = 520;

/// The most lines of the shorter half of all files.
const FILE_LINES_MEDIAN_MAX: usize = 200;

/// Every Rust file that the project maintains.
fn sources() -> Vec<PathBuf> {
    fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for directory in ["src", "tests", "fuzz", "benches", "engine", "examples"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut found);
    }
    assert!(found.len() > 200);
    found
}

#[test]
fn files_have_at_most_520_lines_and_half_of_them_fewer_than_200() {
    let mut lengths = Vec::new();
    for file in sources() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= FILE_LINES_MAX,
            "{} has {lines} lines, and {FILE_LINES_MAX} are allowed: move one of its parts to a file of its own",
            file.display()
        );
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        median < FILE_LINES_MEDIAN_MAX,
        "half of the files have {median} lines or more, and fewer than {FILE_LINES_MEDIAN_MAX} are right"
    );
}

/// The names of the functions in a file that are tests.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().map(str::trim_start).filter_map(move |line| {
        is_test |= line == "#[test]";
        let rest = line.strip_prefix("fn ").filter(|_| std::mem::take(&mut is_test))?;
        rest.split('(').next()
    })
}

#[test]
fn test_names_have_at_most_70_characters() {
    let mut count = 0;
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for name in tests_in(&text) {
            count += 1;
            let length = name.len();
            assert!(
                length <= NAME_MAX,
                "{}: the name {name} has {length} characters, and {NAME_MAX} are allowed: say subject, condition, effect",
                file.display()
            );
        }
    }
    assert!(count > 900, "only {count} tests were found");
}
