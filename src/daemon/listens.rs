//! The sockets, FIFOs and message queues of the configuration, with all that is needed to open each.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{Config, Listen};
use crate::endpoint::{HostPort, ResolvedEndpoint};
use crate::engine::message::Binding;
use crate::host::hosts;
use crate::transport::directory::{of_instance, runtime_directory};
use crate::transport::group::may_give_to;
use crate::transport::open::Options;

/// The runtime directory, `%t`, at its first use: the daemon may switch to another user later.
pub(super) type Runtime = OnceCell<PathBuf>;

/// One socket to listen on, and its endpoint in the configuration.
#[derive(Clone)]
pub(super) struct ListenSpec<'a> {
    pub(super) place: ResolvedEndpoint,
    pub(super) listen: &'a Listen,
    pub(super) options: Options,
}

impl ListenSpec<'_> {
    pub(super) fn binding(&self) -> Binding {
        Binding {
            endpoint: self.place.to_string(),
            service: self.listen.service,
            transport: self.listen.transport(),
            allowed: self.listen.allowed.clone(),
        }
    }
}

/// Every socket of a configuration.
pub(super) fn wanted<'a>(config: &'a Config, runtime: &Runtime) -> Result<Vec<ListenSpec<'a>>, String> {
    let mut all = Vec::new();
    for listen in &config.listens {
        let relative = listen.endpoint.path().and_then(|path| path.strip_prefix("%t").ok());
        if relative.is_some() && runtime.get().is_none() {
            let _ = runtime.set(runtime_directory()?);
        }
        let runtime = runtime.get().map(PathBuf::as_path).unwrap_or(Path::new(""));
        // The only directory that ipcd creates.
        let make_directory = relative.and_then(of_instance).map(|directory| runtime.join(directory));
        // The default group is not an explicit request: if it does not exist, or we may not use it, our own group is fine.
        let is_file = listen.endpoint.path().is_some();
        let is_group = listen.is_group_given || is_file && may_give_to(&listen.group);
        for place in listen.endpoint.resolve(runtime) {
            let options = Options {
                backlog: config.listen_backlog,
                share_port: config.share_ports,
                mode: listen.mode,
                group: if is_group { listen.group.clone() } else { String::new() },
                message_bytes: config.settings.of(listen.service).message_bytes_max,
                message_timeout: config.settings.of(listen.service).message_timeout,
                make_directory: make_directory.clone(),
            };
            all.push(ListenSpec { place, listen, options });
        }
    }
    add_own_name(&mut all, &hosts::own_loopback_addresses());
    Ok(all)
}

/// If the machine's own name means another loopback address (127.0.1.1 on Debian), `localhost` includes it, so that a client
/// that connects to `gethostname()` finds us; unless the configuration has another endpoint there.
fn add_own_name(all: &mut Vec<ListenSpec>, addresses: &[IpAddr]) {
    let mut taken: HashSet<ResolvedEndpoint> = all.iter().map(|want| want.place.clone()).collect();
    let mut added = Vec::new();
    let mut previous: Option<&Listen> = None;
    for want in all.iter().filter(|want| want.listen.endpoint.is_localhost()) {
        // Both addresses of localhost are one endpoint.
        if previous.is_some_and(|listen| std::ptr::eq(listen, want.listen)) {
            continue;
        }
        previous = Some(want.listen);
        for address in addresses {
            let at_address = |network: &HostPort| SocketAddr::new(*address, network.port);
            let place = want.listen.endpoint.map(at_address, Path::to_owned);
            if taken.insert(place.clone()) {
                added.push(ListenSpec { place, listen: want.listen, options: want.options.clone() });
            }
        }
    }
    all.extend(added);
}
