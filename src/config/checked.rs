//! The configuration as the rest of the daemon knows it, and what is wrong with one. Does not know how it is written.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::endpoint::Endpoint;
use crate::engine::allow::Allowed;
use crate::engine::limits::Settings;
use crate::engine::service::Service;
use crate::engine::transport::Transport;

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
    /// Keys that mean nothing where they stand: `FILE:LINE:COLUMN: what; what would be right`.
    pub without_effect: Vec<String>,
    /// Where what is said in the room is written down.
    pub transcript: Option<PathBuf>,
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
    /// Whether somebody has asked for that group; else nobody is told if there is none.
    pub is_group_given: bool,
    /// Who may come in, of those whom mode and group let connect, beside root and the daemon's own user; `None`: all.
    pub allowed: Option<Allowed>,
    /// Where it is written, for messages: `/etc/ipcd/ipcd.toml:14:11`, or `the built-in configuration`.
    pub place: String,
}

impl Listen {
    /// What what is said there travels on.
    pub fn transport(&self) -> Transport {
        self.endpoint.scheme().transport
    }
}

impl Config {
    /// Where to write what is to be changed, for messages.
    pub fn file_to_change(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "a configuration of your own (ipcd --config FILE)".to_owned(),
        }
    }
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

impl From<Vec<String>> for Errors {
    fn from(lines: Vec<String>) -> Errors {
        Errors(lines)
    }
}
