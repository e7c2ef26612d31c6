//! ipcd.toml(5), the example file and the code agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ipcd::config::Config;

use super::IPCD_TOML;
use super::page::{blocks, sections, unescape};

const EXAMPLE: &str = include_str!("../../../etc/ipcd.toml");

/// Table and key, with the default as it is written.
type Keys = BTreeMap<(String, String), toml::Value>;

fn default_of(line: &str) -> (String, toml::Value) {
    let table: toml::Table = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    table.into_iter().next().unwrap_or_else(|| panic!("{line}: no key"))
}

fn keys_of_page() -> Keys {
    let mut keys = Keys::new();
    for (title, lines) in sections(IPCD_TOML, "TABLE") {
        let tables: Vec<&str> =
            title.split('[').skip(1).map(|rest| rest.split(']').next().unwrap()).collect();
        for line in lines.iter().filter_map(|line| line.strip_prefix(".It ")) {
            let item = line.strip_prefix("Li \"").and_then(|line| line.strip_suffix('"'));
            let (key, value) = default_of(&unescape(item.unwrap_or_else(|| panic!("{line}"))));
            for table in &tables {
                let before = keys.insert(((*table).to_owned(), key.clone()), value.clone());
                // One table may have a default of its own, after the general one.
                assert!(before.is_none() || tables.len() == 1, "[{table}] {key} is explained twice");
            }
        }
    }
    keys
}

fn keys_of_example() -> Keys {
    let is_key = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
    let line = |line: &'static str| line.strip_prefix('#').filter(|rest| is_key(rest)).unwrap_or(line);
    let full: String = EXAMPLE.lines().map(|text| format!("{}\n", line(text))).collect();
    let mut keys = Keys::new();
    for (table, entries) in full.parse::<toml::Table>().unwrap() {
        for (key, value) in entries.as_table().unwrap() {
            keys.insert((table.clone(), key.clone()), value.clone());
        }
    }
    keys
}

#[test]
fn code_manual_and_example_agree_on_keys_and_defaults() {
    let page = keys_of_page();
    let code: BTreeSet<(String, String)> =
        ipcd::config::keys().into_iter().map(|(table, key)| (table.to_owned(), key.to_owned())).collect();
    let on_page: BTreeSet<(String, String)> = page.keys().cloned().collect();
    let nothing: [&(String, String); 0] = [];
    assert_eq!(code.difference(&on_page).collect::<Vec<_>>(), nothing, "are not in man/ipcd.toml.5");
    assert_eq!(on_page.difference(&code).collect::<Vec<_>>(), nothing, "are in man/ipcd.toml.5, but no keys");
    // A unit test compares the example with the code's defaults.
    let example = keys_of_example();
    let only_in = |one: &Keys, other: &Keys| -> Vec<_> {
        one.iter()
            .filter(|(key, value)| other.get(*key) != Some(*value))
            .map(|(key, _)| key.clone())
            .collect()
    };
    assert_eq!(only_in(&page, &example), [], "are missing in etc/ipcd.toml, or have another default there");
    assert_eq!(only_in(&example, &page), [], "are missing in man/ipcd.toml.5, or have another default there");
}

/// The page's text about a key, in any table.
fn explanations(key: &str) -> String {
    let item = format!(".It Li \"{key} = ");
    let mut text = String::new();
    let mut within = false;
    for line in IPCD_TOML.lines() {
        if line.starts_with(".It ") || line == ".El" {
            within = line.starts_with(&item);
        } else if within {
            text.extend([&unescape(line), " "]);
        }
    }
    text
}

#[test]
fn manual_states_every_range() {
    let values = include_str!("../../../src/config/value.rs");
    let quoted = |text: &'static str| text.split('"').nth(1).unwrap();
    let bounds: Vec<(&str, &str)> = values
        .split("pub(super) const ")
        .skip(1)
        .filter_map(|rest| Some((rest.split(':').next()?, quoted(rest.split("text:").nth(1)?))))
        .collect();
    assert!(bounds.len() >= 8, "{bounds:?}");
    let mut checked = BTreeSet::new();
    // The function with a key's name reads the key.
    for function in include_str!("../../../src/config/readers.rs").split("\npub(super) fn ").skip(1) {
        let key = function.split('(').next().unwrap();
        let body = function.split("\n}").next().unwrap();
        let words: BTreeSet<&str> = body.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        for (name, range) in bounds.iter().filter(|(name, _)| words.contains(name)) {
            checked.insert(name);
            // The page states the range of most times once, for all of them.
            let general = *name == "TIMEOUT" && IPCD_TOML.contains(&format!("a time is {range}."));
            assert!(general || explanations(key).contains(range), "{key}: {range}");
        }
    }
    assert_eq!(checked.len(), bounds.len(), "{bounds:?}, {checked:?}");
}

#[test]
fn manual_example_is_a_valid_configuration() {
    let blocks = blocks(IPCD_TOML, "configuration");
    assert!(!blocks.is_empty());
    for (_, lines) in blocks {
        Config::parse(Path::new("the example"), &lines.join("\n"))
            .unwrap_or_else(|errors| panic!("{errors}"));
    }
}
