//! The map in `src/lib.rs` is true: every import points down, and the engine is pure.

use std::fs;
use std::path::{Path, PathBuf};

/// The allowed imports. A name with `::` allows only that part.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["daemon", "os_error", "usage"]),
    (
        "bin",
        &[
            "daemon::ready",
            "endpoint",
            "engine::http::upgrade",
            "engine::json",
            "engine::listed",
            "engine::number",
            "engine::service::multiply",
            "engine::text",
            "engine::words",
            "host::fd_bundle",
            "host::raw::memory",
            "host::interfaces",
            "host::raw::queue",
            "host::raw::semaphore",
            "host::raw::signal",
            "host::raw::sysv",
            "host::raw::uring",
            "host::time",
            "os_error",
            "transport::connect",
            "transport::directory",
            "transport::error",
            "transport::rings",
            "usage",
            "wire::tls",
        ],
    ),
    ("daemon", &["config", "endpoint", "engine", "host", "os_error", "reactor", "transport", "wire"]),
    ("reactor", &["endpoint", "engine", "os_error", "transport", "wire"]),
    (
        "config",
        &[
            "endpoint",
            "engine::allow",
            "engine::limits",
            "engine::name",
            "engine::service",
            "engine::text",
            "engine::transport",
            "os_error",
        ],
    ),
    (
        "transport",
        &[
            "endpoint",
            "engine::message",
            "engine::transport",
            "host::fd_bundle",
            "host::raw::memory",
            "host::raw::queue",
            "host::raw::semaphore",
            "host::raw::signal",
            "host::reopen",
            "os_error",
        ],
    ),
    ("engine", &[]),
    ("endpoint", &["engine::transport"]),
    ("host", &["os_error"]),
    ("os_error", &[]),
    ("usage", &[]),
    ("wire", &["engine::allow::names"]),
];

/// Everything that would make the engine depend on more than its arguments: crates, modules, and types by name.
const IMPURE: &[&str] = &[
    "mio",
    "nix",
    "rustix",
    "socket2",
    "signal_hook",
    "log::info",
    "log::warn",
    "log::error",
    "log::debug",
    "log::log",
    "log::Level",
    "env_logger",
    "procfs",
    "std::io",
    "std::fs",
    "std::env",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant",
    "SystemTime",
    "TcpStream",
    "UnixStream",
    "UdpSocket",
    "RandomState",
];

/// Names that would mean that the reactor knows the content.
const SERVICES: &[&str] = &["chat", "multiply", "greeting", "Chat", "Multiply", "Greeting", "Mux"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// A file's code without comments and unit tests. The tests may stand anywhere in it, as a line or as a module.
pub(crate) fn code(text: &str) -> String {
    let (before, tests) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((text, ";\n"));
    let end = if tests.starts_with(';') { ";\n" } else { "\n}\n" };
    let (_, after) = tests.split_once(end).expect("the end of the unit tests");
    let lines = before.lines().chain(after.lines()).map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every source file: its module's first name, its path, and its code.
pub(crate) fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let code = |path: &PathBuf| code(&fs::read_to_string(path).unwrap());
    let name = |path: &PathBuf| {
        let relative = path.strip_prefix(&root).unwrap();
        relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    found
        .iter()
        .map(|path| (name(path), path.clone(), code(path)))
        .filter(|(name, ..)| name != "lib")
        .collect()
}

/// A file's imports of ours: the paths after `crate::` and `ipcd::`.
fn imports(code: &str) -> Vec<String> {
    let behind = |root: &'static str| code.split(root).skip(1);
    let path = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect::<String>()
    };
    behind("crate::").chain(behind("ipcd::")).map(path).collect()
}

#[test]
fn imports_point_down() {
    let modules = modules();
    assert!(modules.len() > 20, "the sources were found");
    let mut seen = 0;
    for (name, path, code) in &modules {
        let allowed = ARROWS.iter().find(|(from, _)| from == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is not on the map"));
        for import in imports(code) {
            seen += 1;
            let own = import.split("::").next() == Some(name.as_str());
            let fits = |to: &&str| import == **to || import.starts_with(&format!("{to}::"));
            assert!(own || allowed.iter().any(fits), "{} imports {import}", path.display());
        }
    }
    assert!(seen > 30, "the imports were found");
}

#[test]
fn engine_is_pure() {
    for (name, path, code) in modules() {
        if name != "engine" {
            continue;
        }
        let paths = code.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')));
        for used in paths {
            let impure = IMPURE.iter().find(|word| used == **word || used.starts_with(&format!("{word}::")));
            assert!(impure.is_none(), "{} uses {used}", path.display());
        }
    }
}

#[test]
fn reactor_transport_and_wire_know_no_service() {
    for (name, path, code) in modules() {
        if ["reactor", "transport", "wire"].contains(&name.as_str()) {
            for word in SERVICES {
                assert!(!code.contains(word), "{} can spell {word}", path.display());
            }
        }
    }
}

/// Files that write JSON which no person sees: the record of a restart.
const JSON_FOR_NOBODY: &str = "src/engine/record/piece.rs";

#[test]
fn visible_json_is_written_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut writers = Vec::new();
    for (_, path, code) in modules() {
        let code: String = code.split_whitespace().collect();
        // `json!({…}).to_string()` and `Value::….to_string()` are what `serde_json::to_string` is.
        let is_writer = code.contains("serde_json::to_") || code.contains("}).to_string()");
        if is_writer || code.contains("Value::Object(") && code.contains(").to_string()") {
            writers.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    writers.sort();
    assert_eq!(writers, ["src/engine/json.rs", JSON_FOR_NOBODY]);
}

/// The most lines of code with `unsafe`, so that a reader can read all of it at once.
const UNSAFE_LINES_MAX: usize = 400;

/// Their secrets are not derived (src/wire/tls/hkdf.rs).
#[test]
fn nobody_uses_early_data_or_exports_keys() {
    for (name, _, code) in modules() {
        for use_of in ["enable_early_data", "export_keying_material", "early_data()"] {
            assert!(!code.contains(use_of), "{name} uses {use_of}");
        }
        let allowed = code.matches("max_early_data_size = 0;").count();
        assert_eq!(code.matches("max_early_data_size").count(), allowed, "{name}");
    }
}

#[test]
fn unsafe_code_is_in_one_place_with_reasons() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/raw");
    let mut lines = 0;
    for (_, path, code) in modules() {
        let uses = code.matches("unsafe {").count() + code.matches("unsafe impl").count();
        if !path.starts_with(&room) {
            assert!(uses == 0 && !code.contains("unsafe_code"), "{}", path.display());
            continue;
        }
        lines += code.lines().filter(|line| !line.trim().is_empty()).count();
        assert_eq!(
            fs::read_to_string(&path).unwrap().matches("// SAFETY: ").count(),
            uses,
            "{}",
            path.display()
        );
    }
    assert!((1..=UNSAFE_LINES_MAX).contains(&lines), "{lines}");
}

/// Files that may say which service they mean, because they have a part of that service only. `*`: any service.
const OWN_PARTS: &[(&str, &[&str])] = &[
    ("src/engine/service/", &["*"]),
    ("src/config/keys.rs", &["Chat", "Stats", "Watch", "Mux", "Page"]), // keys of one service only
    ("src/config/listen.rs", &["Chat", "Mux"]),
    ("src/config/names.rs", &["Mux"]),
    ("src/config/defaults.rs", &["Mux"]),
    ("src/daemon/advice.rs", &["Chat", "Mux", "Page"]),
    ("src/daemon/signals.rs", &["Chat", "Stats"]),
    ("src/engine/datagram/answering.rs", &["Multiply"]),
    ("src/engine/delivery.rs", &["Chat"]),
    ("src/engine/diagnosis.rs", &["Multiply", "Chat", "Hello", "Stats"]),
    ("src/engine/limits/settings.rs", &["Multiply"]),
    ("src/engine/memory.rs", &["Chat", "Stats"]),
    ("src/engine/mod.rs", &["Chat"]),
    ("src/engine/record/piece.rs", &["Chat"]),
    ("src/engine/reporting.rs", &["Watch", "Status"]),
    ("src/engine/session/dialogue.rs", &["*"]), // the service of each state
    ("src/engine/session/dispatch.rs", &["Mux", "Greeting"]),
    ("src/engine/session/multiply.rs", &["Multiply"]),
    ("src/engine/session/mux.rs", &["Mux"]),
    ("src/engine/session/page.rs", &["Page", "Mux"]),
    ("src/engine/session/restart.rs", &["Hello"]), // the form of earlier records
    ("src/engine/session/stats.rs", &["Stats"]),
    ("src/engine/session/talk.rs", &["Talk"]),
    ("src/engine/session/watching.rs", &["Watch", "Multiply"]),
    ("src/engine/all_sessions.rs", &["Chat"]),
    ("src/engine/engine_state.rs", &["Chat"]),
];

#[test]
fn service_differences_are_in_the_service_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = std::collections::BTreeSet::new();
    for (_, path, code) in modules() {
        let path = path.strip_prefix(root).unwrap().to_str().unwrap();
        for part in code.split("Service::").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
            if !ipcd::engine::service::Service::ALL.iter().any(|service| format!("{service:?}") == name) {
                continue;
            }
            let own = OWN_PARTS.iter().find(|(file, names)| {
                path.starts_with(file) && (names.contains(&name.as_str()) || names == &["*"])
            });
            let (file, _) = own.unwrap_or_else(|| {
                panic!("{path} asks for {name}: put what differs into service/facts.rs, for every service")
            });
            used.insert(*file);
        }
    }
    for (file, _) in OWN_PARTS {
        assert!(used.contains(file), "{file} names no service any more");
    }
}

/// The patterns of each `match` in the code.
fn matches(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("match ") {
        let Some(open) = code[at..].find('{') else { continue };
        let (mut depth, mut is_pattern, mut text, mut arms) = (0, true, String::new(), Vec::new());
        for c in code[at + open..].chars() {
            depth += i32::from("{([".contains(c)) - i32::from("})]".contains(c));
            if depth == 0 {
                break;
            }
            text.push(c);
            if is_pattern && text.ends_with("=>") {
                arms.push(
                    text.trim_start_matches(['{', '}', ',', ' ', '\n', '|'])
                        .trim_end_matches("=>")
                        .trim()
                        .to_owned(),
                );
                is_pattern = false;
            } else if !is_pattern && depth == 1 && (c == ',' || c == '}') {
                (is_pattern, text) = (true, String::new());
            }
        }
        found.push(arms);
    }
    found
}

#[test]
fn no_service_falls_into_a_catch_all_arm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (name, path, code) in modules() {
        if name == "bin" {
            continue;
        }
        for arms in matches(&code) {
            let is_of_services = |arm: &&String| {
                ["Service::", "Conduct::"].iter().any(|kind| arm.starts_with(kind))
                    || arm.starts_with("State::") && path.starts_with(root.join("src/engine/session"))
            };
            if arms.iter().any(|arm| is_of_services(&arm)) {
                seen += 1;
                let rest = arms.iter().find(|arm| *arm == "_" || arm.starts_with("_ if"));
                assert!(rest.is_none(), "{}: a match over services has an arm for the rest", path.display());
            }
        }
    }
    assert!(seen >= 6, "the matches were found: {seen}");
}

#[test]
fn service_is_its_file_dialogues_and_words() {
    let read = |path: String| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let dialogues = read("tests/protocol/conversations/table.rs".into()).unwrap();
    let scenes = read("tests/engine/keys/scenes.rs".into()).unwrap();
    let (protocol, page) =
        (read("man/ipcd-protocol.7".into()).unwrap(), read("man/ipcd.toml.5".into()).unwrap());
    let example = read("etc/ipcd.toml".into()).unwrap();
    assert!(scenes.contains("SCENES"));
    for service in ipcd::engine::service::Service::ALL {
        let file = format!("src/engine/service/{service}.rs");
        let text = read(file.clone()).unwrap_or_else(|_| panic!("{service} has no {file}"));
        assert!(text.contains("pub const FACTS: Facts"), "{file} says nothing of {service}");
        // The reports of these services differ from one to the next: tests/client has their dialogues. Those of the page are in
        // tests/protocol/page.
        let has_dialogues = ["status", "watch", "page"].contains(&service.name())
            || dialogues.contains(&format!("Service::{service:?}"));
        assert!(has_dialogues, "{service} has no dialogue in tests/protocol/conversations/table.rs");
        let heading = |text: &str| {
            text.lines().any(|line| line.starts_with(".S") && line.to_lowercase().contains(service.name()))
        };
        assert!(heading(&protocol), "{service} has no section in man/ipcd-protocol.7");
        assert!(page.contains(&format!("[{service}]")), "{service} has no table in man/ipcd.toml.5");
        assert!(example.contains(&format!("[{service}]")), "{service} has no table in etc/ipcd.toml");
    }
}

#[test]
fn engine_crate_has_the_dependencies_of_ipcd() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = |path: &str| fs::read_to_string(root.join(path)).unwrap().parse::<toml::Table>().unwrap();
    let (own, engine) = (manifest("Cargo.toml"), manifest("engine/Cargo.toml"));
    for key in ["version", "edition", "rust-version", "license"] {
        assert_eq!(engine["package"][key], own["package"][key], "{key}");
    }
    let asked = engine["dependencies"].as_table().unwrap();
    assert!(asked.len() > 10);
    for (name, value) in asked {
        assert_eq!(Some(value), own["dependencies"].get(name), "{name} in engine/Cargo.toml");
    }
}
