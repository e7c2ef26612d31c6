//! The `cargo test` commands in the gate and in the documents: a filter without a matching test would pass and test nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::promises::{root, tests_in};

/// The files whose commands are checked: the gate, the documents, and the comments of test programs.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        [".ci/run", "README.md", "CONTRIBUTING.md"].map(|file| root().join(file)).into();
    for folder in ["docs", "packaging", "tests"] {
        below(&root().join(folder), &mut |file| files.push(file.to_owned()));
    }
    files.retain(|file| fs::read_to_string(file).is_ok());
    files
}

/// Calls a function for each file in a folder, at any depth.
fn below(folder: &Path, found: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { below(&path, found) } else { found(&path) }
    }
}

/// The paths of all tests in a folder of source: `module::function`.
fn paths(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    below(folder, &mut |file| {
        if file.extension().is_none_or(|extension| extension != "rs") {
            return;
        }
        let place = file.strip_prefix(folder).unwrap().with_extension("");
        let modules = place
            .iter()
            .map(|part| part.to_str().unwrap())
            .filter(|part| !["main", "mod", "lib"].contains(part));
        let module: String = modules.map(|part| format!("{part}::")).collect();
        paths.extend(tests_in(file).iter().map(|function| format!("{module}{function}")));
    });
    paths
}

/// What a command selects: its program (`--test NAME` or `--lib`), and the filters for its tests.
struct Selection<'a> {
    program: Option<&'a str>,
    is_lib: bool,
    filters: Vec<&'a str>,
}

impl<'a> Selection<'a> {
    /// Reads the arguments after `cargo test`, up to the end of the command.
    fn of(command: &'a str) -> Selection<'a> {
        let mut selection = Selection { program: None, is_lib: false, filters: Vec::new() };
        let mut words = command.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "--test" => selection.program = words.next(),
                "--lib" => selection.is_lib = true,
                "--manifest-path" | "--config" | "--profile" | "--features" | "--skip" => _ = words.next(),
                _ if word.starts_with('-') => {}
                _ => selection.filters.push(word),
            }
        }
        selection
    }

    /// The paths of the tests in a selection.
    fn tests(&self) -> Vec<String> {
        let program = self.program.map(|name| root().join("tests").join(name));
        match program {
            Some(folder) => paths(&folder),
            None if self.is_lib => paths(&root().join("src")),
            None => [paths(&root().join("src")), paths(&root().join("tests"))].concat(),
        }
    }
}

/// The commands of a text: from `cargo test` to the end of the line, of the quotation or of the list of commands.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.contains('{')); // leaves out commands with a placeholder
    let starts = lines.filter_map(|line| line.split_once("cargo test").map(|(_, rest)| rest.to_owned()));
    starts
        .map(|rest| rest.split(['`', '"', '\'', ';', '|', '>', '#', ')']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn filters_of_shown_commands_name_existing_tests() {
    let mut checked = 0;
    for file in files() {
        for command in commands(&fs::read_to_string(&file).unwrap()) {
            let selection = Selection::of(&command);
            let tests = selection.tests();
            assert!(!tests.is_empty(), "{}: cargo test{command}: no such program", file.display());
            for filter in &selection.filters {
                let is_there = tests.iter().any(|path| path.contains(filter));
                assert!(
                    is_there,
                    "{}: cargo test{command}: no test's name contains {filter}",
                    file.display()
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked} filters");
}
