//! The sources keep to their form: how long the name of a test is.

use std::fs;
use std::path::{Path, PathBuf};

/// Characters. A longer name is no name but a paragraph.
const NAME_MAX: usize = 70;

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
    for directory in ["src", "tests", "fuzz", "benches"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut found);
    }
    assert!(found.len() > 200);
    found
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
