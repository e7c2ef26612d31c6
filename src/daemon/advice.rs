//! Warnings about a valid configuration that will cause trouble, for `--check` and reloads.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::file::{DEFAULT_FILE, configuration};
use super::queues;
use crate::config::{Config, Listen};
use crate::endpoint::{Endpoint, Host, ResolvedEndpoint};
use crate::engine::service::Service;
use crate::engine::service::facts::Openness;
use crate::transport::directory::{of_instance, runtime_directory_if_there};
use crate::transport::group::exists;

/// The first unprivileged port, unless the machine has another setting (ip(7)).
const UNPRIVILEGED_PORT: u16 = 1024;

/// The result of `--check` for a configuration without errors.
#[derive(Debug)]
pub struct Checked {
    /// `OK`, and the file.
    pub verdict: String,
    /// The warnings, one line each.
    pub warnings: Vec<String>,
}

/// Reads the configuration that a start would use, without opening anything.
///
/// # Errors
/// All errors in it.
pub fn check(named: Option<&Path>) -> Result<Checked, Failure> {
    let config = configuration(named)?;
    let verdict = match &config.file {
        Some(file) => format!("OK: {}", file.display()),
        None => format!("OK: {DEFAULT_FILE} does not exist; the built-in endpoints are used"),
    };
    #[cfg(feature = "tls")]
    let certificates = super::certificates::read(&config)?.warnings;
    #[cfg(not(feature = "tls"))]
    let certificates = Vec::new();
    super::nats::read(&config).map(drop)?;
    let warnings =
        of_services(&config).into_iter().chain(of_this_machine(&config)).chain(certificates).collect();
    Ok(Checked { verdict, warnings })
}

/// Warnings that apply on any machine.
pub(super) fn of_services(config: &Config) -> Vec<String> {
    let mut warnings = config.without_effect.clone();
    if !config.listens.iter().any(|listen| listen.service == Service::Mux) {
        warnings.push(format!(
            "{}: no endpoint under [mux], so ipcctl class, watch, status, kick and reload cannot reach the daemon, nor can systemctl reload; add listen = [\"unix://%t/ipcd/ipcd.sock\"] under [mux], or reload with SIGHUP",
            config.file_to_change(),
        ));
    }
    warnings.extend(of_status(config));
    warnings.extend(config.listens.iter().filter_map(of_loopback));
    warnings.extend(of_passphrase(config));
    warnings.extend(of_rooms(config));
    warnings.extend(queues::of_size(config));
    warnings
}

/// Warns if clients of one port join different rooms.
fn of_rooms(config: &Config) -> Option<String> {
    let mut rooms =
        config.listens.iter().filter(|listen| matches!(listen.service, Service::Chat | Service::Page));
    let shared = rooms.find(|listen| config.share_ports && listen.endpoint.network().is_some())?;
    config.nats.room.is_empty().then(|| {
        format!(
            "{}: each daemon that shares {} has a room of its own, and the kernel decides which one a client joins; to share one room, set room under [chat] and servers under [nats], or offer the chat in one daemon only",
            shared.position, shared.endpoint,
        )
    })
}

/// Warns if others can read the passphrase on the network.
pub(super) fn of_passphrase(config: &Config) -> Vec<String> {
    if config.settings.chat_passphrase.is_none() {
        return Vec::new();
    }
    let listens = config
        .listens
        .iter()
        .filter(|listen| matches!(listen.service, Service::Chat | Service::Mux | Service::Page));
    let open = listens.filter(|listen| {
        listen.endpoint.path().is_none() && !listen.transport().is_encrypted && !is_loopback(&listen.endpoint)
    });
    open.map(|listen| {
        format!(
            "{}: the passphrase under [chat] travels to {} as plain text, and anyone on the network can read it; use one that protects nothing else",
            listen.position, listen.endpoint,
        )
    })
    .collect()
}

/// Warns if others can read the file with the passphrase.
fn of_file(config: &Config) -> Option<String> {
    let file = config.file.as_ref().filter(|_| config.settings.chat_passphrase.is_some())?;
    let mode = file.metadata().ok()?.mode();
    (mode & 0o004 != 0).then(|| {
        format!(
            "{0}: every user of this machine can read the passphrase in it; chmod 640 {0}, and chgrp it to the group of ipcd's user",
            file.display()
        )
    })
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    endpoint.network().is_some_and(|network| match network.host {
        Host::Localhost => true,
        Host::Address(address) => address.is_loopback(),
    })
}

/// Warns if no client that can connect is in a list of networks.
fn of_loopback(listen: &Listen) -> Option<String> {
    let networks = listen.allowed.as_ref()?.networks();
    (is_loopback(&listen.endpoint) && networks.keep_out_loopback()).then(|| {
        format!(
            "{}: no client can connect to {}: only this machine can reach it, but allow_addresses does not include it; add \"127.0.0.0/8\" and \"::1\", or use tcp://0.0.0.0",
            listen.position, listen.endpoint,
        )
    })
}

/// Warns if everyone can read the status.
pub(super) fn of_status(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let status =
        config.listens.iter().filter(|listen| listen.service.facts().openness != Openness::Everybody);
    for listen in status.filter(|listen| listen.endpoint.path().is_none()) {
        warnings.push(format!(
            "{}: every client of {} can see who else is connected, and from where; use a Unix socket with allow_users, or leave it to [mux]",
            listen.position, listen.endpoint,
        ));
    }
    warnings
}

/// Parts of the configuration that do not work on this machine. If one makes a start fail, the start reports it
/// itself.
fn of_this_machine(config: &Config) -> Vec<String> {
    let mut warnings = Vec::from_iter(of_file(config));
    let runtime = runtime_directory_if_there();
    warnings.extend(queues::of_limit(config));
    let first_port = unprivileged_port();
    for listen in &config.listens {
        let Listen { endpoint, position, .. } = listen;
        if let Some(network) = endpoint.network()
            && network.port < first_port
        {
            warnings.push(format!(
                "{position}: {endpoint}: a port below {first_port} needs privileges; let systemd open it (ipcd.socket, see ipcd(8)), start ipcd as root with --user, or choose another port",
            ));
        }
        if let Some(directory) = missing_directory(endpoint, runtime.as_deref()) {
            warnings.push(format!(
                "{position}: {endpoint}: directory {} does not exist; create it or choose another path",
                directory.display(),
            ));
        }
        if endpoint.path().is_some() && listen.is_group_given && !exists(&listen.group) {
            warnings.push(format!(
                "{position}: {endpoint}: group {} does not exist; create it or name another one, or the file gets ipcd's own",
                listen.group.escape_debug(),
            ));
        }
    }
    if let Some(directory) = config.transcript.as_deref().and_then(Path::parent).filter(|path| !path.is_dir())
    {
        warnings.push(format!(
            "{}: directory {} for the transcript under [chat] does not exist; create it or choose another path",
            config.file_to_change(),
            directory.display(),
        ));
    }
    warnings
}

/// The directory of a future file, if it does not exist and ipcd does not create it. `None` if the runtime directory does not
/// exist yet.
fn missing_directory(endpoint: &Endpoint, runtime: Option<&Path>) -> Option<PathBuf> {
    let written = endpoint.path().filter(|_| !matches!(endpoint, Endpoint::Mq(_) | Endpoint::Buffer(_)))?;
    let is_made = written.strip_prefix("%t").is_ok_and(|path| of_instance(path).is_some());
    if is_made || written.starts_with("%t") && runtime.is_none() {
        return None;
    }
    let places = endpoint.resolve(runtime.unwrap_or(Path::new("")));
    let directory = places.first().and_then(ResolvedEndpoint::path)?.parent()?.to_owned();
    (!directory.is_dir()).then_some(directory)
}

/// The first port that needs no privileges.
fn unprivileged_port() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(UNPRIVILEGED_PORT)
}
