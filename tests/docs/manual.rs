//! The manual and the program agree: options, signals, exit statuses, variables and memory in this file; keys and defaults,
//! sentences and example dialogues in the files below.

mod configuration;
mod dialogues;
mod metrics;
mod page;
mod sentences;
mod services;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use ipcd::config::Config;
use ipcd::daemon::Failure;
use ipcd::engine::limits::Settings;

use page::{items, unescape};

const IPCD: &str = include_str!("../../man/ipcd.8");
const IPCD_TOML: &str = include_str!("../../man/ipcd.toml.5");
const PROTOCOL: &str = include_str!("../../man/ipcd-protocol.7");
const IPCCTL: &str = include_str!("../../man/ipcctl.1");

/// Cargo sets this variable if the client is built.
const IPCCTL_BINARY: Option<&str> = option_env!("CARGO_BIN_EXE_ipcctl");

/// The exit statuses that README.md and the manual promise, repeated here.
const STATUSES: &[u8] = &[0, 1, 2, 69, 78];

// ---- reading pages

/// The long options that a page explains.
fn options_of_page(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| line.starts_with(".It Fl"));
    let options = lines.flat_map(|line| {
        line.split("Fl Fl ").skip(1).filter_map(|rest| rest.split_whitespace().next()).map(unescape)
    });
    options.collect()
}

/// A program's output for `--help`.
fn help(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?} --help: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The long options in a help text: an option's line begins with it, or with its short form.
fn options_of_help(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let name = |line: &str| {
        let rest = line.split_once("--")?.1;
        Some(rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()?.to_owned())
    };
    lines.filter_map(name).collect()
}

fn set<T: ToString>(items: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

// ---- ipcd(8)

#[test]
fn manual_lists_exactly_the_options() {
    let real = options_of_help(&help(env!("CARGO_BIN_EXE_ipcd"), &[]));
    assert_eq!(options_of_page(IPCD), real);
}

#[test]
fn manual_lists_exactly_the_exit_statuses() {
    assert_eq!(items(IPCD, "EXIT STATUS", ""), set(STATUSES));
    let wrong = Config::parse(Path::new("f"), "x = 1").unwrap_err();
    let statuses = [Failure::Config(wrong), Failure::Unavailable(vec![]), Failure::Runtime(String::new())];
    for status in statuses.map(|failure| failure.status()) {
        assert!(STATUSES.contains(&status), "{status}");
    }
    let usage = Command::new(env!("CARGO_BIN_EXE_ipcd")).arg("--no-such-option").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn manual_lists_exactly_the_signals() {
    let source = include_str!("../../src/reactor/signals.rs");
    let words = source.split(|c: char| !c.is_ascii_alphanumeric());
    let signals = words.filter(|word| word.starts_with("SIG"));
    assert_eq!(items(IPCD, "SIGNALS", "Dv"), set(signals));
}

#[test]
fn manual_lists_every_variable_the_sources_read() {
    let documented = items(IPCD, "ENVIRONMENT", "Ev");
    let mut read = 0;
    for file in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for start in ["var_os(\"", "var(\""] {
            for rest in text.split(start).skip(1) {
                let name = rest.split('"').next().unwrap();
                assert!(documented.contains(name), "{}: {name}", file.display());
                read += 1;
            }
        }
    }
    assert!(read >= 3, "{read}");
}

fn sources(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // ipcctl is another program, with a page of its own.
        if path.ends_with("bin") {
            continue;
        }
        if path.is_dir() { files.extend(sources(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn manual_states_the_default_memory_sum() {
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let lines: Vec<&str> = IPCD.lines().collect();
    // The number precedes its description. The compiler may choose the sizes of tables, within bounds.
    let is_told = |name: &str, bytes: usize| {
        lines.windows(2).any(|pair| {
            let number = pair[0].strip_prefix(".It Li \"").and_then(|rest| rest.strip_suffix(" MiB\""));
            let number = number.and_then(|number| number.parse::<f64>().ok());
            let is_near = number.is_some_and(|number| (number - mib(bytes)).abs() <= 0.1 + 0.05 * mib(bytes));
            is_near && pair[1].starts_with(name)
        })
    };
    let settings = Settings::default();
    for part in ipcd::daemon::bounds::parts(&settings) {
        assert!(is_told(part.name, part.bytes), "{}: {:.1} MiB", part.name, mib(part.bytes));
    }
    let total = ipcd::daemon::bounds::total(&settings);
    assert!(is_told("the sum.", total), "{:.1}", mib(total));
    for part in ipcd::daemon::bounds::parts_of_group(&settings) {
        assert!(is_told(part.name, part.bytes), "{}: {:.1} MiB", part.name, mib(part.bytes));
    }
}

#[test]
fn unit_memory_bounds_match_the_sum_on_a_2_gb_machine() {
    let unit = include_str!("../../packaging/systemd/ipcd.service");
    let (high, max) = ipcd::daemon::bounds::of_unit(&Settings::default());
    for (key, percent) in [("MemoryHigh", high), ("MemoryMax", max)] {
        let line = format!("{key}={percent}%");
        assert!(unit.lines().any(|other| other == line), "{line} in ipcd.service");
        assert!(IPCD.lines().any(|other| other == format!(".Li {line}")), "{line} in ipcd(8)");
    }
    assert!(high < max && max <= 70, "{high} {max}");
    assert!(ipcd::daemon::bounds::total(&Settings::default()) <= 400 << 20);
}

// ---- ipcctl(1)

#[test]
fn client_manual_lists_exactly_its_options_and_commands() {
    let Some(ipcctl) = IPCCTL_BINARY else {
        eprintln!("there is no ipcctl yet");
        return;
    };
    let general = help(ipcctl, &[]);
    let listed = general.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    // A continued description is indented further.
    let names =
        listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    let commands: BTreeSet<String> = set(names.filter(|name| *name != "help"));
    assert_eq!(items(IPCCTL, "COMMANDS", "Cm"), commands);
    let mut options = options_of_help(&general);
    for command in &commands {
        options.extend(options_of_help(&help(ipcctl, &[command])));
    }
    assert_eq!(options_of_page(IPCCTL), options);
}

// ---- all pages

const PAGES: &[&str] = &["ipcd.8", "ipcd.toml.5", "ipcd-protocol.7", "ipcd-mechanisms.7", "ipcctl.1"];

/// Runs a program on each page; it must print nothing.
fn says_nothing(program: &str, arguments: &[&str], null: bool) {
    for page in PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(page);
        let output =
            Command::new(program).args(arguments).arg(&path).env("LC_ALL", "C.UTF-8").output().unwrap();
        let said = if null { vec![] } else { output.stdout };
        let said = [said, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "{program} on {page}");
        assert!(output.status.success(), "{program} on {page}: {}", output.status);
    }
}

#[test]
#[ignore = "needs man-db, groff and mandoc"]
fn man_reports_no_warning() {
    says_nothing("man", &["--warnings", "-l", "-Tutf8"], true);
}

#[test]
#[ignore = "needs man-db, groff and mandoc"]
fn mandoc_reports_no_warning() {
    says_nothing("mandoc", &["-T", "lint", "-W", "warning"], false);
}
