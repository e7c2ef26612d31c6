//! The checked configuration, as the rest of the daemon uses it, and the errors of an invalid one. Does not know the syntax.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::tls_files::TlsFiles;
use super::uplink::Nats;
use crate::endpoint::Endpoint;
use crate::engine::allow::Allowed;
use crate::engine::limits::Settings;
use crate::engine::service::Service;
use crate::engine::transport::Transport;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; `None`: the built-in configuration.
    pub file: Option<PathBuf>,
    /// The log level.
    pub log_level: LevelFilter,
    /// Whether the file sets the log level.
    pub is_log_level_given: bool,
    /// Connections that the kernel queues for each listener: 1 to 65535.
    pub listen_backlog: i32,
    /// Whether other daemons of the same user may listen on the same TCP and UDP ports.
    pub share_ports: bool,
    /// The most time that a stop may take; zero: close everything at once.
    pub shutdown_grace: Duration,
    /// Keys without effect in their table: `FILE:LINE:COLUMN: what; what would be right`.
    pub without_effect: Vec<String>,
    /// The transcript of the chat; `None`: none.
    pub transcript: Option<PathBuf>,
    /// The files for TLS endpoints.
    pub tls: TlsFiles,
    /// The servers that keep the log of a shared room.
    pub nats: Nats,
    /// The settings of the engine.
    pub settings: Settings,
    /// The endpoints, by service in the order of [`Service::ALL`], then in the order of the file; no two conflict.
    pub listens: Vec<Listen>,
}

/// One endpoint of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where to listen.
    pub endpoint: Endpoint,
    /// The service.
    pub service: Service,
    /// The permission bits of a socket file, FIFO or message queue: 0 to 0o777.
    pub mode: u32,
    /// The group of a socket file, FIFO or message queue.
    pub group: String,
    /// Whether the file names the group; only then is a missing group a warning.
    pub is_group_given: bool,
    /// Who may connect, of those that mode and group allow, in addition to root and the daemon's own user; `None`: all.
    pub allowed: Option<Allowed>,
    /// Its position in the file, for messages: `/etc/ipcd/ipcd.toml:14:11`, or `the built-in configuration`.
    pub position: String,
}

impl Listen {
    /// The transport of the endpoint.
    pub fn transport(&self) -> Transport {
        self.endpoint.scheme().transport
    }
}

impl Config {
    /// The endpoints that need a certificate.
    pub fn tls_listens(&self) -> impl Iterator<Item = &Listen> {
        self.listens.iter().filter(|listen| listen.transport().is_encrypted)
    }

    /// Where to make a change, for messages.
    pub fn file_to_change(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "a configuration of your own (ipcd --config FILE)".to_owned(),
        }
    }
}

/// All errors of a configuration, at least one line: `FILE:LINE:COLUMN: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<String>);

impl Errors {
    /// The lines, in the order of their positions.
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
