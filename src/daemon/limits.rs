//! What the engine is told of the configuration: its settings, within what the limit on open files allows.

use log::LevelFilter;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::bounds;
use super::endpoints::ListenSpec;
use crate::config::Config;
use crate::engine::limits::{PLACES_KEPT, Settings};

/// Descriptors beside those of connections and listeners: standard ones, epoll, signals, the log, the spare one, and
/// some for a moment (a file being read, /proc).
const DESCRIPTORS_OF_OUR_OWN: usize = 24;

/// The limit on open files where it cannot be asked for: Linux's own (INR_OPEN_CUR).
const OPEN_FILES: usize = 1024;

/// What the engine is told: the configuration's settings, within what the limit on open files allows.
pub(super) fn settings(config: &Config, wanted: &[ListenSpec]) -> Settings {
    let mut settings = config.settings.clone();
    settings.owner = rustix::process::geteuid().as_raw();
    settings.report_messages = log::max_level() >= LevelFilter::Debug;
    settings.pid = Some(std::process::id());
    settings.endpoints = wanted.iter().map(|want| (want.place.to_string(), want.listen.service)).collect();
    let files = raise_open_files();
    settings.refused_lingering_max = settings.refused_lingering_max.min(files / 8);
    // A listener has a descriptor, and on a Unix socket one for its lock.
    // A FIFO has two at each of its ends, and one for its lock.
    settings.fifos = wanted.iter().filter(|want| want.place.scheme().transport.is_standing()).count();
    let others = DESCRIPTORS_OF_OUR_OWN
        + PLACES_KEPT
        + settings.refused_lingering_max
        + 2 * wanted.len()
        + 3 * settings.fifos;
    let max = files.saturating_sub(others).max(1);
    if max < settings.connections_max {
        log::warn!(
            "max_connections is {max}, not {}: the limit on open files is {files}; raise it (LimitNOFILE, ulimit -Hn) or lower max_connections",
            settings.connections_max
        );
        settings.connections_max = max;
    }
    settings.memory_bytes_max = Some(bounds::total(&settings));
    settings
}

/// Raises the limit on open files to the hard limit; the limit then in force.
fn raise_open_files() -> usize {
    // A filter of system calls may forbid to ask or to change it (systemd.exec(5), SystemCallFilter=).
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return OPEN_FILES };
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(OPEN_FILES, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}
