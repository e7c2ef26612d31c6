//! The defaults, and the endpoints of the built-in configuration.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::checked::{Config, Listen};
use super::tls_files::TlsFiles;
use super::uplink::Nats;
use crate::endpoint::{Endpoint, Host, HostPort};
use crate::engine::limits::Settings;
use crate::engine::service::Service;
use crate::engine::service::facts::Need;

/// The default number of connections that the kernel queues for each listener.
const LISTEN_BACKLOG: i32 = 4096;

/// The default for the most time that a stop may take.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The default mode of socket files, FIFOs and message queues.
pub(super) const MODE: u32 = 0o660;

/// The default group of socket files, FIFOs and message queues.
pub(super) const GROUP: &str = "ipcd";

impl Config {
    /// The configuration that is used without a file.
    pub fn built_in() -> Config {
        let mut config = Config::without_endpoints();
        let port = |service: Service| Some((service, service.facts().default_port?));
        let ports = Service::ALL.into_iter().filter_map(port);
        config.listens = ports
            .map(|(service, port)| {
                let localhost = HostPort { host: Host::Localhost, port };
                let is_web = service.facts().needs.contains(&Need::Web);
                let endpoint = if is_web { Endpoint::Http(localhost) } else { Endpoint::Tcp(localhost) };
                built_in_listen(service, endpoint)
            })
            .chain([built_in_listen(Service::Mux, Endpoint::Unix(PathBuf::from("%t/ipcd/ipcd.sock")))])
            .collect();
        config.listens.sort_by_key(|listen| listen.service); // as a file's
        for listen in &config.listens {
            config.settings.services[listen.service as usize].listening = true;
        }
        config
    }

    /// Every default, without endpoints.
    pub(super) fn without_endpoints() -> Config {
        Config {
            file: None,
            log_level: LevelFilter::Info,
            is_log_level_given: false,
            listen_backlog: LISTEN_BACKLOG,
            share_ports: false,
            shutdown_grace: SHUTDOWN_GRACE,
            without_effect: Vec::new(),
            transcript: None,
            tls: TlsFiles::default(),
            nats: Nats::default(),
            settings: Settings::default(),
            listens: Vec::new(),
        }
    }
}

fn built_in_listen(service: Service, endpoint: Endpoint) -> Listen {
    let position = "the built-in configuration".to_owned();
    Listen {
        endpoint,
        service,
        mode: MODE,
        group: GROUP.to_owned(),
        is_group_given: false,
        allowed: None,
        position,
    }
}
