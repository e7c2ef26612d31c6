//! What everybody receives of the configuration: checked whole, defaults filled in. What a person
//! types is in `file` and, for endpoints, in `listen`, the values in `value`, users and groups in `people`, the text and its broken lines in `syntax`, the file as bytes in `read`.

mod file;
mod listen;
mod people;
mod read;
mod syntax;
mod value;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::endpoint::{Endpoint, Host};
use crate::engine::allow::Allowed;
use crate::engine::limits::Settings;
use crate::engine::message::Medium;
use crate::engine::service::Service;

pub use file::keys;

/// The largest configuration file, in bytes: some thousand times the shipped one.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Connections the kernel keeps for a listener that has not accepted them yet, unless the configuration says otherwise.
const LISTEN_BACKLOG: i32 = 4096;

/// The time a stop takes at most, unless the configuration says otherwise.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The mode of socket files and FIFOs, unless the configuration says otherwise.
const MODE: u32 = 0o660;

/// The group of socket files and FIFOs, unless the configuration says otherwise.
const GROUP: &str = "ipcd";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; `None`: built in.
    pub file: Option<PathBuf>,
    /// What is logged.
    pub log_level: LevelFilter,
    /// Whether a file says so.
    pub is_log_level_given: bool,
    /// Connections the kernel keeps for a listener that has not accepted them yet: 1 to 65535.
    pub listen_backlog: i32,
    /// The time a stop takes at most; zero: none is waited for.
    pub shutdown_grace: Duration,
    /// What the engine is told.
    pub settings: Settings,
    /// The endpoints, by service in the order of [`Service::ALL`] and within one as written; no two can meet on one socket.
    pub listens: Vec<Listen>,
}

/// One endpoint of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where to listen.
    pub endpoint: Endpoint,
    /// What is said there.
    pub service: Service,
    /// The permission bits of a socket file or FIFO: 0 to 0o777.
    pub mode: u32,
    /// The group of a socket file or FIFO.
    pub group: String,
    /// Who may come in, of those whom mode and group let connect, beside root and the daemon's own user; `None`: all.
    pub allowed: Option<Allowed>,
    /// Where it is written, for messages: `/etc/ipcd/ipcd.toml:14:11`, or `the built-in configuration`.
    pub place: String,
}

impl Listen {
    /// What what is said there travels on.
    pub fn medium(&self) -> Medium {
        medium(&self.endpoint)
    }
}

fn medium(endpoint: &Endpoint) -> Medium {
    match endpoint {
        Endpoint::Tcp(..) => Medium::Tcp,
        Endpoint::Unix(_) => Medium::Unix,
        Endpoint::UnixSeq(_) => Medium::Packets,
        Endpoint::Udp(..) | Endpoint::UnixGram(_) => Medium::Datagrams,
        Endpoint::Fifo(_) => Medium::Fifo,
    }
}

impl Config {
    /// What is used when there is no file.
    pub fn built_in() -> Config {
        let mut config = Config::without_endpoints();
        config.listens = vec![
            built_in_listen(Service::Multiply, Endpoint::Tcp(Host::Localhost, 65432)),
            built_in_listen(Service::Greeting, Endpoint::Tcp(Host::Localhost, 9999)),
            built_in_listen(Service::Chat, Endpoint::Tcp(Host::Localhost, 33000)),
            built_in_listen(Service::Mux, Endpoint::Unix(PathBuf::from("%t/ipcd/ipcd.sock"))),
        ];
        for listen in &config.listens {
            config.settings.services[listen.service as usize].listening = true;
        }
        config
    }

    /// Reads a file: a regular one of at most [`FILE_BYTES_MAX`]. Never waits, whatever stands at that path.
    pub fn read(path: &Path) -> Result<Config, Errors> {
        let bytes = read::load(path).map_err(|error| Errors(vec![error]))?;
        Config::decode(path, &bytes)
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Config, Errors> {
        let text = read::decode(path, bytes).map_err(|error| Errors(vec![error]))?;
        Config::parse(path, text)
    }

    /// Reads the text of a file; `name` is what errors call it.
    pub fn parse(name: &Path, text: &str) -> Result<Config, Errors> {
        file::parse(name, text).map_err(Errors)
    }

    /// Every default, and nobody listens.
    fn without_endpoints() -> Config {
        Config {
            file: None,
            log_level: LevelFilter::Info,
            is_log_level_given: false,
            listen_backlog: LISTEN_BACKLOG,
            shutdown_grace: SHUTDOWN_GRACE,
            settings: Settings::default(),
            listens: Vec::new(),
        }
    }
}

fn built_in_listen(service: Service, endpoint: Endpoint) -> Listen {
    let place = "the built-in configuration".to_owned();
    Listen { endpoint, service, mode: MODE, group: GROUP.to_owned(), allowed: None, place }
}

/// Everything that is wrong with a configuration, at least one line: `FILE:LINE:COLUMN: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<String>);

impl Errors {
    /// The lines, in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, String> {
        self.0.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Errors {}

impl IntoIterator for Errors {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a String;
    type IntoIter = std::slice::Iter<'a, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "/etc/ipcd/ipcd.toml";
    const SHIPPED: &str = include_str!("../../etc/ipcd.toml");

    /// The configuration without where it was read and what of it is the default all the same.
    fn parsed(text: &str) -> Config {
        let mut config = Config::parse(Path::new(NAME), text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.file.take().as_deref(), Some(Path::new(NAME)));
        config.is_log_level_given = false;
        for listen in &mut config.listens {
            listen.place = "the built-in configuration".to_owned();
        }
        config
    }

    /// The shipped file with every `#key = value` line taken in.
    fn shipped_in_full() -> String {
        let key =
            |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
        SHIPPED.lines().map(|line| if key(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_shipped_file_is_the_built_in_configuration() {
        assert_eq!(parsed(SHIPPED), Config::built_in());
    }

    #[test]
    fn what_the_shipped_file_gives_as_defaults_are_the_defaults() {
        let full = shipped_in_full();
        assert!(!full.lines().any(|line| line.starts_with('#') && !line.starts_with("# ")));
        assert_eq!(parsed(&full), Config::built_in());
    }

    #[test]
    fn the_shipped_file_names_every_key() {
        let full: toml::Table = shipped_in_full().parse().expect("TOML");
        let mut named: Vec<_> = full
            .iter()
            .flat_map(|(table, entries)| {
                entries.as_table().expect(table).keys().map(move |key| (table.as_str(), key.as_str()))
            })
            .collect();
        let mut known = keys();
        named.sort();
        known.sort();
        assert_eq!(named, known);
    }

    #[test]
    fn the_order_of_the_tables_means_nothing() {
        let (head, tables) = SHIPPED.split_once("[log]").expect("a first table");
        let turned: Vec<_> = tables.split("\n[").map(|table| table.trim_start_matches("\n")).collect();
        let turned = turned.iter().skip(1).rev().map(|table| format!("[{table}\n")).collect::<String>();
        assert_eq!(parsed(&format!("{head}{turned}")), Config::built_in());
    }

    #[test]
    fn a_place_is_file_line_and_column() {
        let config = Config::parse(Path::new(NAME), "[chat]\nlisten = [\n  \"tcp://localhost:1\"]\n")
            .expect("a configuration");
        assert_eq!(config.listens[0].place, "/etc/ipcd/ipcd.toml:3:3");
    }

    #[test]
    fn errors_are_lines_and_a_list() {
        let errors = Config::parse(Path::new(NAME), "a = 1\nb = 2\n[chat]\nlisten = [\"tcp://[::]:1\"]")
            .expect_err("unknown keys");
        assert_eq!(errors.iter().len(), 2);
        assert_eq!(errors.to_string().lines().collect::<Vec<_>>(), errors.into_iter().collect::<Vec<_>>());
    }

    fn never_panics(bytes: &[u8]) {
        if let Err(errors) = Config::decode(Path::new(NAME), bytes) {
            assert!(errors.iter().len() > 0, "{bytes:?}");
            assert!(errors.iter().all(|line| line.starts_with(NAME) && !line.contains('\n')), "{errors}");
        }
    }

    #[test]
    fn no_file_that_ends_early_brings_it_down() {
        let full = shipped_in_full();
        for text in [SHIPPED, &full] {
            (0..text.len()).for_each(|end| never_panics(&text.as_bytes()[..end]));
        }
    }

    #[test]
    fn no_wrong_byte_brings_it_down() {
        // Comments left out: what stands in them is all the same.
        let full = shipped_in_full();
        let bare: Vec<_> = full.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let mut bytes = bare.join("\n").into_bytes();
        for at in 0..bytes.len() {
            let right = bytes[at];
            for wrong in *b"\"\n=[].#0x-\0\xff" {
                bytes[at] = wrong;
                never_panics(&bytes);
            }
            // A bit of each of the eight, in turn.
            bytes[at] = right ^ (1 << (at % 8));
            never_panics(&bytes);
            bytes[at] = right;
        }
    }
}
