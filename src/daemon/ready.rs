//! The log lines when the daemon is ready: where each service listens, and how other machines reach it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::{Daemon, page};
use crate::config::Listen;
use crate::endpoint::{Endpoint, Host, ResolvedEndpoint};
use crate::engine::service::Service;
use crate::host::interfaces;

/// A configuration with every service, to copy: in a checkout, and where the package puts it.
const EXAMPLES: [&str; 2] = ["etc/classroom.toml", "/usr/share/doc/ipcd/examples/classroom.toml"];

/// The end of the last of these lines. `ipcctl bench` waits for it.
pub const IS_READY: &str = "is ready";

impl Daemon {
    /// Logs one line for each service, and then that the daemon is ready.
    pub(super) fn announce(&self) {
        self.places().iter().for_each(|line| log::info!("{line}"));
        self.others().iter().for_each(|line| log::info!("{line}"));
        page::address(&self.config).iter().for_each(|address| log::info!("open {address}"));
        log::info!("ipcd {} {IS_READY}", env!("CARGO_PKG_VERSION"));
    }

    /// Where each service listens: `multiply on tcp://localhost:65432`.
    pub(super) fn places(&self) -> Vec<String> {
        let of = |service: Service| {
            let listens = self.config.listens.iter().filter(|listen| listen.service == service);
            let places: Vec<String> = listens.flat_map(|listen| self.places_of(listen)).collect();
            (!places.is_empty()).then(|| format!("{service} on {}", places.join(", ")))
        };
        Service::ALL.into_iter().filter_map(of).collect()
    }

    /// The open places of one endpoint; `localhost` is one place, unless one of its addresses is missing.
    fn places_of(&self, listen: &Listen) -> Vec<String> {
        let runtime = self.runtime.get().cloned().unwrap_or_default();
        let places = listen.endpoint.resolve(&runtime);
        let open = |place: &ResolvedEndpoint| self.reactor.places().any(|(other, _)| other == place);
        if places.len() > 1 && places.iter().all(open) {
            return vec![listen.endpoint.to_string()];
        }
        places.iter().filter(|place| open(place)).map(ResolvedEndpoint::to_string).collect()
    }

    /// How other machines can reach the services, or what to change so that they can.
    fn others(&self) -> Vec<String> {
        let network: Vec<(&Listen, SocketAddr)> = self.config.listens.iter().filter_map(network).collect();
        let reachable: Vec<_> = network.iter().filter(|(_, address)| !address.ip().is_loopback()).collect();
        if reachable.is_empty() {
            let Some((listen, _)) = network.first() else { return Vec::new() };
            return match &self.config.file {
                Some(file) => alone_with(&listen.endpoint, file),
                None => alone(),
            };
        }
        // A wildcard endpoint can be reached at all addresses of this machine.
        let everywhere: Vec<String> = reachable
            .iter()
            .filter(|(_, address)| address.ip().is_unspecified())
            .map(|(listen, address)| format!("{} at port {}", listen.service, address.port()))
            .collect();
        if everywhere.is_empty() {
            return Vec::new(); // their addresses are already in the log
        }
        let addresses: Vec<String> = interfaces::addresses().iter().map(IpAddr::to_string).collect();
        match addresses.is_empty() {
            true => Vec::new(),
            false => vec![format!("others connect to {}: {}", addresses.join(" or "), everywhere.join(", "))],
        }
    }
}

/// What to change in the configuration so that other machines can connect. Each line fits a terminal with its time.
fn alone_with(endpoint: &Endpoint, file: &Path) -> Vec<String> {
    let host = match endpoint.network().map(|network| network.host) {
        Some(Host::Address(address)) => address.to_string(),
        _ => "localhost".to_owned(),
    };
    vec![
        format!("only this machine can connect; to let others in, replace {host}"),
        format!("by 0.0.0.0 in {}, then reload", file.display()),
    ]
}

/// The part of a terminal's 80 columns that the time and the level leave, less a word.
const COLUMNS: usize = 60;

/// The same without a configuration: one to copy, because a file with one service turns the others off.
fn alone() -> Vec<String> {
    let mut lines = vec!["only this machine can connect; for others, give --config a copy".to_owned()];
    let change = "with 0.0.0.0 instead of localhost";
    match EXAMPLES.iter().find(|file| Path::new(file).is_file()) {
        Some(file) if file.len() + change.len() < COLUMNS => lines.push(format!("of {file} {change}")),
        Some(file) => lines.extend([format!("of {file}"), change.to_owned()]),
        None => lines.push("of a file with 0.0.0.0 in its listen lines: see ipcd.toml(5)".to_owned()),
    }
    lines
}

/// A network endpoint, and an address of it.
fn network(listen: &Listen) -> Option<(&Listen, SocketAddr)> {
    let is_connection = !listen.transport().has_messages();
    let places = listen.endpoint.resolve("".as_ref());
    let address = places.first()?.network().filter(|_| is_connection)?;
    Some((listen, *address))
}
