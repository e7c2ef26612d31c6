//! The configuration: checked as a whole, with defaults filled in ([`Config`]). `parse` reads the file, key by key with
//! `keys` and `readers`; endpoints are read in `listen`, values in `value`, users and groups in `users`. `builder` holds the state
//! so far, `syntax` handles the text and its broken lines, and `read` reads the file as bytes.

mod builder;
mod checked;
mod claims;
mod defaults;
mod keys;
mod listen;
mod names;
mod nats;
mod networks;
mod page;
mod parse;
mod read;
mod readers;
mod secrets;
mod suggest;
mod syntax;
mod table;
mod tls;
mod tls_files;
mod uplink;
mod users;
mod value;

use std::path::Path;

pub use checked::{Config, Errors, Listen};
pub use keys::{keys, without_effect};
pub use read::FILE_BYTES_MAX;
pub use tls_files::{TlsFiles, TlsVersion};
pub use uplink::{Nats, NatsServer};

impl Config {
    /// Reads a regular file of at most [`FILE_BYTES_MAX`] bytes. Never blocks, whatever is at that path.
    pub fn read(path: &Path) -> Result<Config, Errors> {
        let bytes = read::load(path).map_err(|error| Errors::from(vec![error]))?;
        Config::decode(path, &bytes)
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Config, Errors> {
        let text = read::decode(path, bytes).map_err(|error| Errors::from(vec![error]))?;
        Config::parse(path, text)
    }

    /// Parses the text of a file; errors call it `name`.
    pub fn parse(name: &Path, text: &str) -> Result<Config, Errors> {
        parse::parse(name, text).map_err(Errors::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "/etc/ipcd/ipcd.toml";
    const SHIPPED: &str = include_str!("../../etc/ipcd.toml");

    /// The configuration without its positions, and without what says only whether a value was written down.
    fn parsed(text: &str) -> Config {
        let mut config = Config::parse(Path::new(NAME), text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.file.take().as_deref(), Some(Path::new(NAME)));
        config.is_log_level_given = false;
        config.without_effect.clear();
        for listen in &mut config.listens {
            listen.position = "the built-in configuration".to_owned();
            listen.is_group_given = false;
        }
        config
    }

    /// The shipped file with every `#key = value` line uncommented.
    fn shipped_in_full() -> String {
        let key =
            |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
        SHIPPED.lines().map(|line| if key(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn shipped_file_equals_the_builtin_configuration() {
        assert_eq!(parsed(SHIPPED), Config::built_in());
    }

    #[test]
    fn commented_defaults_in_the_shipped_file_are_the_defaults() {
        let full = shipped_in_full();
        assert!(!full.lines().any(|line| line.starts_with('#') && !line.starts_with("# ")));
        assert_eq!(parsed(&full), Config::built_in());
    }

    #[test]
    fn shipped_file_names_every_key() {
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
    fn table_order_has_no_effect() {
        let (head, tables) = SHIPPED.split_once("[log]").expect("a first table");
        let turned: Vec<_> = tables.split("\n[").map(|table| table.trim_start_matches("\n")).collect();
        let turned = turned.iter().skip(1).rev().map(|table| format!("[{table}\n")).collect::<String>();
        assert_eq!(parsed(&format!("{head}{turned}")), Config::built_in());
    }

    #[test]
    fn place_is_file_line_and_column() {
        let config = Config::parse(Path::new(NAME), "[chat]\nlisten = [\n  \"tcp://localhost:1\"]\n")
            .expect("a configuration");
        assert_eq!(config.listens[0].position, "/etc/ipcd/ipcd.toml:3:3");
    }

    #[test]
    fn errors_are_shown_as_lines_in_a_list() {
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

    /// Every two neighbouring tables of the full configuration, without comments, whose contents do not matter: each
    /// piece is short, so that each of its bytes can be tried.
    fn neighbouring_tables() -> Vec<Vec<u8>> {
        let mut tables: Vec<String> = Vec::new();
        for line in shipped_in_full().lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if tables.is_empty() || line.starts_with('[') {
                tables.push(String::new());
            }
            let table = tables.last_mut().expect("a table");
            table.push_str(line);
            table.push('\n');
        }
        assert!(tables.len() > 5, "{} tables", tables.len());
        tables.windows(2).map(|two| two.concat().into_bytes()).collect()
    }

    #[test]
    fn truncated_file_never_panics() {
        for text in neighbouring_tables() {
            (0..text.len()).for_each(|end| never_panics(&text[..end]));
        }
        for line in SHIPPED.lines() {
            let end = line.as_ptr() as usize - SHIPPED.as_ptr() as usize;
            [end, end + line.len() / 2].into_iter().for_each(|end| never_panics(&SHIPPED.as_bytes()[..end]));
        }
    }

    #[test]
    fn invalid_byte_never_panics() {
        for mut bytes in neighbouring_tables() {
            for at in 0..bytes.len() {
                let right = bytes[at];
                // Four of the twelve at each place: the next four at the next.
                for wrong in b"\"\n=[].#0x-\0\xff".iter().cycle().skip(at * 4 % 12).take(4) {
                    bytes[at] = *wrong;
                    never_panics(&bytes);
                }
                // One flipped bit, each of the eight in turn.
                bytes[at] = right ^ (1 << (at % 8));
                never_panics(&bytes);
                bytes[at] = right;
            }
        }
    }
}
