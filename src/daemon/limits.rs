//! The engine's settings: those of the configuration, within the limit on open files.

use log::LevelFilter;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::listens::ListenSpec;
use super::{bounds, page};
use crate::config::Config;
use crate::engine::limits::{PLACES_KEPT, Settings};
use crate::transport::rings;

/// Descriptors in addition to those of connections and listeners: the standard ones, epoll, signals, the log, the spare one,
/// and a few for short use (reading a file, /proc).
const DESCRIPTORS_OF_OUR_OWN: usize = 24;

/// Connections with shared memory for which descriptors are kept, if there are so many.
const SHARING_MIN: usize = 64;

/// The limit on open files if it cannot be read: Linux's default (INR_OPEN_CUR).
const OPEN_FILES: usize = 1024;

/// The names of this machine, also those that others find through mDNS: the page may be requested under them.
fn own_names() -> impl Iterator<Item = String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy().into_owned();
    let label = name.split('.').next().unwrap_or_default().to_owned();
    let local = format!("{label}.local");
    [name, label, local].into_iter().filter(|name| !name.is_empty() && name != ".local")
}

/// The engine's settings: those of the configuration, within the limit on open files.
pub(super) fn settings(config: &Config, wanted: &[ListenSpec]) -> Settings {
    let mut settings = config.settings.clone();
    settings.owner = rustix::process::geteuid().as_raw();
    settings.report_messages = log::max_level() >= LevelFilter::Debug;
    settings.site.hosts.extend(own_names());
    settings.site.files = page::files();
    settings.site.token = page::token();
    settings.pid = Some(std::process::id());
    settings.is_room_shared = !config.nats.room.is_empty();
    settings.endpoints = wanted.iter().map(|want| (want.place.to_string(), want.listen.service)).collect();
    let files = raise_open_files();
    settings.refused_lingering_max = settings.refused_lingering_max.min(files / 8);
    // A listener has one descriptor, and on a Unix socket one more for its lock.
    // A pair of FIFOs or message queues has two for each side, and one for its lock.
    settings.standing = wanted.iter().filter(|want| want.place.scheme().transport.is_standing()).count();
    let others = DESCRIPTORS_OF_OUR_OWN
        + PLACES_KEPT
        + settings.refused_lingering_max
        + 2 * wanted.len()
        + 3 * settings.standing;
    let left = files.saturating_sub(others);
    let shares = wanted.iter().any(|want| want.place.scheme().transport.is_memory);
    let kept = if shares { (left / 8).min(SHARING_MIN * rings::DESCRIPTORS) } else { 0 };
    let max = (left - kept).max(1);
    if max < settings.connections_max {
        log::warn!(
            "max_connections is {max}, not {}: the limit on open files is {files}; raise it (LimitNOFILE, ulimit -Hn) or lower max_connections",
            settings.connections_max
        );
        settings.connections_max = max;
    }
    settings.sharing_max = left.saturating_sub(settings.connections_max) / rings::DESCRIPTORS;
    settings.memory_bytes_max = Some(bounds::total(&settings));
    settings
}

/// Raises the limit on open files to the hard limit, and returns the resulting limit.
fn raise_open_files() -> usize {
    // A system call filter may forbid reading or changing it (systemd.exec(5), SystemCallFilter=).
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return OPEN_FILES };
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(OPEN_FILES, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}
