//! The map in `src/lib.rs` names every part of the source, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The words of the map.
fn on_the_map(lib: &str) -> BTreeSet<String> {
    let map = lib.split("```").nth(1).expect("lib.rs begins with a map");
    let words = map.split(|c: char| !(c.is_ascii_alphanumeric() || "_./".contains(c)));
    words.map(str::to_owned).filter(|word| !word.is_empty()).collect()
}

/// The parts of the source that are not on the map.
fn missing(lib: &str, parts: &BTreeSet<String>) -> Vec<String> {
    let map = on_the_map(lib);
    parts.iter().filter(|part| !map.contains(*part)).cloned().collect()
}

/// The paths on the map that are not in the source.
fn invented(lib: &str, parts: &BTreeSet<String>) -> Vec<String> {
    let paths = on_the_map(lib).into_iter().filter(|word| word.ends_with(".rs") || word.starts_with("bin/"));
    paths.filter(|path| !parts.contains(path)).collect()
}

/// Every file and folder directly under `src`, as the map writes them: a module's file without its ending.
fn parts() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let named = names.filter(|name| name != "lib.rs").map(|name| match name.as_str() {
        "bin" => "bin/ipcctl".to_owned(),
        "main.rs" => name,
        _ => name.trim_end_matches(".rs").to_owned(),
    });
    named.collect()
}

#[test]
fn map_names_each_part_of_the_source_and_nothing_else() {
    let lib = include_str!("../../src/lib.rs");
    let parts = parts();
    assert!(parts.len() > 8, "{parts:?}");
    assert_eq!(missing(lib, &parts), <[String; 0]>::default(), "these are not on the map of src/lib.rs");
    assert_eq!(
        invented(lib, &parts),
        <[String; 0]>::default(),
        "the map of src/lib.rs has these, and src does not"
    );
    let lacking = lib.replace("usage", "").replace("main.rs", "begin.rs");
    assert_eq!(missing(&lacking, &parts), ["main.rs", "usage"]);
    assert_eq!(invented(&lacking, &parts), ["begin.rs"]);
}

/// Each is linked with the whole library: a folder in `tests` is one program, and the unit tests of the library and of ipcctl are
/// two.
#[test]
fn test_programs_are_at_most_twelve() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let programs = entries.filter(|path| path.join("main.rs").exists() || path.extension().is_some());
    let programs: BTreeSet<_> = programs.collect();
    assert!(programs.len() + 2 <= 12, "{programs:?}");
}
