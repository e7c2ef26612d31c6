//! The manual and the program say the same: options, keys and defaults, signals, statuses, sentences; and every example
//! dialogue of ipcd-protocol(7) is held with a real daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::harness::{Client, Daemon, show};
use ipcd::config::Config;
use ipcd::daemon::Failure;
use ipcd::engine::limits::Settings;
use ipcd::engine::service::Service;
use rustix::process::Signal;

const IPCD: &str = include_str!("../../man/ipcd.8");
const IPCD_TOML: &str = include_str!("../../man/ipcd.toml.5");
const PROTOCOL: &str = include_str!("../../man/ipcd-protocol.7");
const IPCCTL: &str = include_str!("../../man/ipcctl.1");
const EXAMPLE: &str = include_str!("../../etc/ipcd.toml");

/// SWITCH: the client. It turns itself on: as soon as there is such a binary, Cargo sets the variable.
const IPCCTL_BINARY: Option<&str> = option_env!("CARGO_BIN_EXE_ipcctl");

/// What README.md and the manual promise of the exit status, whatever the source says.
const STATUSES: &[u8] = &[0, 1, 2, 69, 78];

// ---- reading pages

/// What a page's escapes mean.
fn unescape(line: &str) -> String {
    let mut text = line.to_owned();
    for (escape, meaning) in [
        ("\\(aq", "'"),
        ("\\(dq", "\""),
        ("\\(ha", "^"),
        ("\\(ti", "~"),
        ("\\(ga", "`"),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\[u2026]", "…"),
        ("\\e", "\\"),
    ] {
        text = text.replace(escape, meaning);
    }
    text
}

/// The sections whose heading contains `heading`, each with its lines.
fn sections<'p>(page: &'p str, heading: &str) -> Vec<(&'p str, Vec<&'p str>)> {
    let mut sections = Vec::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix(".Sh ") {
            sections.push((title, Vec::new()));
        } else if let Some((_, lines)) = sections.last_mut() {
            lines.push(line);
        }
    }
    sections.retain(|(title, _)| title.contains(heading));
    assert!(!sections.is_empty(), "no section {heading:?}");
    sections
}

/// The first word behind `.It MACRO` of each item of a section.
fn items(page: &str, heading: &str, macro_name: &str) -> BTreeSet<String> {
    let start = format!(".It {macro_name}");
    let lines = sections(page, heading).into_iter().flat_map(|(_, lines)| lines);
    let rests = lines.filter_map(|line| line.strip_prefix(start.as_str()).map(str::trim));
    rests.filter_map(|rest| rest.split_whitespace().next()).map(unescape).collect()
}

/// The long options that a page explains.
fn options_of_page(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| line.starts_with(".It Fl"));
    let options = lines.flat_map(|line| {
        line.split("Fl Fl ").skip(1).filter_map(|rest| rest.split_whitespace().next()).map(unescape)
    });
    options.collect()
}

/// What a program prints on `--help`.
fn help(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?} --help: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The long options in a help text: an option's line begins with it, or with the short one.
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
    // What a line begins with stands behind its number. Sizes of tables are the compiler's to choose, within bounds.
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

#[test]
fn manual_lists_every_close_reason() {
    for reason in sentences(include_str!("../../src/engine/message.rs")) {
        assert!(mentions(IPCD, &reason), "{reason:?}");
    }
}

// ---- ipcd.toml(5)

/// Table and key, and the default as written.
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
                assert!(before.is_none(), "[{table}] {key} is explained twice");
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
    assert_eq!(page.keys().cloned().collect::<BTreeSet<_>>(), code);
    // That the example gives the defaults of the code is tested beside the code.
    assert_eq!(page, keys_of_example());
}

/// What the page says of a key, in whatever table.
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
    let values = include_str!("../../src/config/value.rs");
    let quoted = |text: &'static str| text.split('"').nth(1).unwrap();
    let bounds: Vec<(&str, &str)> = values
        .split("pub(super) const ")
        .skip(1)
        .filter_map(|rest| Some((rest.split(':').next()?, quoted(rest.split("text:").nth(1)?))))
        .collect();
    assert!(bounds.len() >= 8, "{bounds:?}");
    let mut checked = BTreeSet::new();
    // A key is read by the function of its name.
    for function in include_str!("../../src/config/readers.rs").split("\npub(super) fn ").skip(1) {
        let key = function.split('(').next().unwrap();
        let body = function.split("\n}").next().unwrap();
        let words: BTreeSet<&str> = body.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        for (name, range) in bounds.iter().filter(|(name, _)| words.contains(name)) {
            checked.insert(name);
            // That of most times is said once, for all.
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
    // A description that goes on in another line is indented further.
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

// ---- ipcd-protocol(7)

/// The string literals of a source, without its tests, that have words in them: what `{}` stands for left open.
fn sentences(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap();
    let mut sentences = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else if let Some(inner) = rest.strip_prefix('"') {
            let mut escaped = false;
            let is_end = |c: char| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            };
            let end = inner.find(is_end).expect("a string ends");
            let text = inner[..end].trim_end_matches("\\r\\n").trim_end_matches("\\n");
            assert!(!text.contains('\\'), "an escape that this test does not know: {text}");
            let words = pieces(text).concat();
            if words.contains(' ') && words.contains(|c: char| c.is_alphabetic()) {
                sentences.push(text.to_owned());
            }
            rest = &inner[end + 1..];
        } else {
            rest = &rest[1..];
        }
    }
    sentences
}

/// What stands before, between and behind the placeholders of a format.
fn pieces(format: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => pieces.last_mut().unwrap().extend(chars.next()),
            '{' => {
                chars.by_ref().find(|c| *c == '}');
                pieces.push(String::new());
            }
            c => pieces.last_mut().unwrap().push(c),
        }
    }
    pieces
}

/// Whether some line of the page has the sentence, with something for each placeholder.
fn mentions(page: &str, sentence: &str) -> bool {
    // A plain constant may have braces that are no placeholders.
    let whole = page.lines().any(|line| unescape(line).contains(sentence));
    let pieces = pieces(sentence);
    whole
        || page.lines().map(unescape).any(|line| {
            let mut rest = line.as_str();
            pieces.iter().all(|piece| match rest.find(piece.as_str()) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
        })
}

#[test]
fn manual_lists_every_sentence_a_peer_can_get() {
    let mut count = 0;
    for source in [
        include_str!("../../src/engine/allow.rs"),
        include_str!("../../src/engine/service/chat.rs"),
        include_str!("../../src/engine/service/control.rs"),
        include_str!("../../src/engine/orders.rs"),
        include_str!("../../src/engine/session/guest.rs"),
        include_str!("../../src/engine/service/greeting.rs"),
        include_str!("../../src/engine/service/hello.rs"),
        include_str!("../../src/engine/service/multiply.rs"),
        include_str!("../../src/engine/service/mux.rs"),
        include_str!("../../src/engine/service/stats.rs"),
        include_str!("../../src/engine/session/state.rs"),
        include_str!("../../src/engine/session/watching.rs"),
        include_str!("../../src/engine/service/watch.rs"),
        include_str!("../../src/engine/service/mux.rs"),
        include_str!("../../src/engine/event_ring.rs"),
        include_str!("../../src/engine/diagnosis.rs"),
        include_str!("../../src/engine/diagnosis/form.rs"),
        include_str!("../../src/engine/number.rs"),
        include_str!("../../src/engine/room.rs"),
        include_str!("../../src/engine/session/mod.rs"),
        include_str!("../../src/engine/session/close.rs"),
        include_str!("../../src/engine/session/timeouts.rs"),
        include_str!("../../src/engine/session/stats.rs"),
        include_str!("../../src/engine/encoding.rs"),
        include_str!("../../src/engine/name.rs"),
        include_str!("../../src/engine/words.rs"),
    ] {
        for sentence in sentences(source) {
            assert!(mentions(PROTOCOL, &sentence), "{sentence:?}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
    let reactor = sentences(include_str!("../../src/reactor/mod.rs"));
    for sentence in reactor.iter().filter(|sentence| sentence.starts_with("Error: ")) {
        assert!(mentions(PROTOCOL, sentence), "{sentence:?}");
    }
}

/// The displays that stand behind a comment `.\" KIND WORDS`: the words, and the lines.
fn blocks(page: &str, kind: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let mark = format!(".\\\" {kind}");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix(mark.as_str()) {
            assert!(lines.next().is_some_and(|line| line.starts_with(".Bd -literal")), "{line}");
            let block = lines.by_ref().take_while(|line| *line != ".Ed").map(unescape).collect();
            blocks.push((words.split_whitespace().map(str::to_owned).collect(), block));
        }
    }
    blocks
}

/// An example of ipcd-protocol(7).
struct Dialogue {
    service: Service,
    /// Each line that is received is one recv().
    by_recv: bool,
    over: Vec<Over>,
    lines: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Tcp,
    Unix,
}

impl Dialogue {
    fn all() -> Vec<Dialogue> {
        let read = |(words, lines): (Vec<String>, Vec<String>)| {
            let (service, rest) = words.split_first().expect("a service");
            let mut dialogue = Dialogue {
                service: Service::named(service).expect(service),
                by_recv: false,
                over: vec![Over::Tcp, Over::Unix],
                lines,
            };
            for word in rest {
                match word.as_str() {
                    "recv" => dialogue.by_recv = true,
                    "tcp" => dialogue.over = vec![Over::Tcp],
                    "unix" => dialogue.over = vec![Over::Unix],
                    _ => panic!("{word:?} means nothing here"),
                }
            }
            dialogue
        };
        blocks(PROTOCOL, "dialogue").into_iter().map(read).collect()
    }

    /// Every service on TCP and on a Unix socket, and what the dialogue says of the configuration.
    fn configuration(&self) -> String {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for service in Service::ALL {
            let (port, name) = (port(service), service.name());
            // Watch is for those alone whom the kernel names.
            let network = match service {
                Service::Watch => String::new(),
                _ => format!("\"tcp://{{ip}}:{port}\", "),
            };
            let listen = format!("listen = [{network}\"unix://{{dir}}/{name}.sock\"]");
            tables.insert(name.to_owned(), vec![listen]);
        }
        if self.by_recv {
            // Two messages stay two recv() also on a machine that is busy.
            tables.entry("limits".to_owned()).or_default().push("raw_gap = \"200ms\"".to_owned());
        }
        for line in &self.lines {
            if let Some((table, key)) = line.strip_prefix("# [").and_then(|line| line.split_once("] ")) {
                tables.entry(table.to_owned()).or_default().push(key.to_owned());
            }
        }
        tables.iter().map(|(table, keys)| format!("[{table}]\n{}\n", keys.join("\n"))).collect()
    }

    fn hold(&self, over: Over) {
        let daemon = Daemon::with(&self.configuration());
        let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
        for line in &self.lines {
            if line == "# SIGTERM" {
                daemon.signal(Signal::TERM);
                continue;
            }
            if line.starts_with("# [") {
                continue;
            }
            let at = line.find(['<', '>']).unwrap_or_else(|| panic!("{line:?} is no line of a dialogue"));
            let (name, what) = (line[..at].trim(), line[at + 1..].trim());
            let client = clients.entry(name).or_insert_with(|| self.connect(&daemon, over));
            match (&line[at..=at], what) {
                (">", "end of file") => client.half_close(),
                (">", bytes) => client.say(python(bytes)),
                ("<", "end of file") => client.hear_end(),
                ("<", "reset") => client.hear_reset(),
                ("<", bytes) if self.by_recv => {
                    assert_eq!(show(&client.recv()), show(&python(bytes)), "{line}")
                }
                (_, bytes) => client.hear(python(bytes)),
            }
        }
    }

    fn connect(&self, daemon: &Daemon, over: Over) -> Client {
        match over {
            Over::Tcp => Client::tcp(SocketAddr::from((daemon.ip, port(self.service)))),
            Over::Unix => {
                Client::unix(&daemon.directory.path().join(format!("{}.sock", self.service.name())))
            }
        }
    }
}

fn port(service: Service) -> u16 {
    7000 + service as u16
}

/// The bytes that `b"..."` means in Python.
fn python(literal: &str) -> Vec<u8> {
    let inner = literal.strip_prefix("b\"").and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("{literal} is no byte string"));
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'"') => b'"',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("{literal}: \\x{digits}"))
            }
            other => panic!("{literal}: an escape of {other:?}"),
        });
    }
    bytes
}

#[test]
fn protocol_examples_match_a_running_daemon() {
    let dialogues = Dialogue::all();
    assert!(dialogues.len() > 20, "{}", dialogues.len());
    for service in Service::ALL {
        assert!(dialogues.iter().any(|dialogue| dialogue.service == service), "no example of {service}");
    }
    // Most of them wait for some time to pass: together.
    std::thread::scope(|scope| {
        for dialogue in &dialogues {
            for over in &dialogue.over {
                let (dialogue, over): (&Dialogue, Over) = (dialogue, *over);
                let name = format!("{}: {}", dialogue.service, dialogue.lines.join(" / "));
                std::thread::Builder::new()
                    .name(name)
                    .spawn_scoped(scope, move || dialogue.hold(over))
                    .unwrap();
            }
        }
    });
}

// ---- all pages

const PAGES: &[&str] = &["ipcd.8", "ipcd.toml.5", "ipcd-protocol.7", "ipcctl.1"];

/// Runs a program on each page; it must say nothing.
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
