//! docs/faults.md and SECURITY.md agree with the tests that they name.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of tests in backquotes: `binary::module::function`, `binary::function` or `binary::module::`.
fn named(page: &str) -> Vec<Vec<String>> {
    let pieces = page.split('`').skip(1).step_by(2);
    let names = pieces.filter(|piece| piece.contains("::") && !piece.contains(' '));
    names.map(|name| name.split("::").map(str::to_owned).collect()).collect()
}

/// The functions in a file that are tests.
pub(super) fn tests_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        is_test |= line.trim() == "#[test]";
        if let Some(rest) = line.trim().strip_prefix("fn ").filter(|_| is_test) {
            found.push(rest.split('(').next().unwrap().to_owned());
            is_test = false;
        }
    }
    found
}

fn file_of(path: &[String]) -> PathBuf {
    match &path[..path.len() - 1] {
        [binary] => root().join("tests").join(binary).join("main.rs"),
        modules => root().join("tests").join(format!("{}.rs", modules.join("/"))),
    }
}

#[test]
fn pages_name_only_existing_tests() {
    for (file, at_least) in [("docs/faults.md", 100), ("SECURITY.md", 15)] {
        let names = named(&fs::read_to_string(root().join(file)).unwrap());
        assert!(names.len() > at_least, "{file} names {} tests", names.len());
        for path in names {
            let tests = tests_in(&file_of(&path));
            let function = path.last().unwrap();
            let is_there = if function.is_empty() { !tests.is_empty() } else { tests.contains(function) };
            assert!(is_there, "{file} names {}, which is no test", path.join("::"));
        }
    }
}

/// The columns are in the page's order: attacker, aim, bound, test.
#[test]
fn every_threat_has_its_test() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attacker"));
    let checks = fs::read_to_string(root().join("packaging/test-boot")).unwrap();
    let mut count = 0;
    for row in rows {
        let test = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let check = test.strip_prefix("`packaging/test-boot`, ");
        let is_there = check.map_or(test.contains("::"), |check| checks.contains(&format!("check {check} ")));
        assert!(is_there, "no test: {row}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}

#[test]
fn faults_page_lists_every_fault_that_is_tested() {
    let page = fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let names = named(&page);
    for entry in fs::read_dir(root().join("tests/faults")).unwrap() {
        let file = entry.unwrap().path();
        let module = file.file_stem().unwrap().to_str().unwrap();
        for function in tests_in(&file) {
            let path = ["faults", module, &function];
            assert!(
                names.iter().any(|name| *name == path),
                "docs/faults.md does not name {}",
                path.join("::")
            );
        }
    }
}

#[test]
fn dependencies_page_gives_a_reason_for_each() {
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let explained: Vec<&str> = first_cells
        .flat_map(|cell| cell.split([',', ' ', '(', ')']))
        .filter(|name| !name.is_empty())
        .collect();
    let mut asked: Vec<String> = Vec::new();
    for manifest in
        ["Cargo.toml", "benches/instructions/Cargo.toml", "benches/peers/Cargo.toml", "fuzz/Cargo.toml"]
    {
        let manifest: toml::Table = fs::read_to_string(root().join(manifest)).unwrap().parse().unwrap();
        let targets = manifest.get("target").and_then(toml::Value::as_table);
        let platforms =
            targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
        for table in platforms.chain([&manifest]) {
            for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
                let crates = table.get(kind).and_then(toml::Value::as_table);
                asked.extend(
                    crates.into_iter().flat_map(toml::Table::keys).filter(|name| *name != "ipcd").cloned(),
                );
            }
        }
    }
    assert!(asked.len() > 60);
    for name in &asked {
        assert!(explained.contains(&name.as_str()), "docs/dependencies.md gives no reason for {name}");
    }
    let headings = ["crate", "---|---|", "daemonix"];
    for name in explained {
        let is_asked = asked.iter().any(|asked| *asked == name);
        assert!(
            is_asked || headings.contains(&name),
            "docs/dependencies.md explains {name}, which is not in Cargo.toml"
        );
    }
}

#[test]
fn time_limits_before_a_stop_are_together_less_than_systemds() {
    let script = fs::read_to_string("packaging/before-stop").unwrap();
    let limits = script.split("/usr/bin/timeout ").skip(1).map(|rest| rest.split(' ').next().unwrap());
    let together: u64 = limits.map(|seconds| seconds.parse::<u64>().unwrap()).sum();
    let unit = fs::read_to_string("packaging/systemd/ipcd.service").unwrap();
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s')).unwrap();
    assert!(0 < together && together < stop.parse().unwrap(), "{together} s, and {stop} s");
}
