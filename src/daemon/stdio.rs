//! `--stdio SERVICE`: one session on descriptors 0 and 1, and nothing else: no endpoint, no service manager.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::configuration;
use super::failure::Failure;
use crate::config::Config;
use crate::engine::Engine;
use crate::engine::limits::Settings;
use crate::engine::message::{Binding, RemoteAddress, Timestamp, Transport};
use crate::engine::service::Service;
use crate::host;
use crate::os_error::describe;
use crate::reactor::{Reactor, Signal};
use crate::transport::stdio;

/// The arguments.
#[derive(Clone, Debug)]
pub struct Single {
    /// The file of `--config`.
    pub config: Option<PathBuf>,
    /// The level of `--log-level`.
    pub log_level: Option<LevelFilter>,
    /// The service's name, as typed.
    pub service: String,
}

/// Serves the session until its end, and returns the exit status.
///
/// # Errors
/// There is no such service here, the configuration is wrong, or a descriptor cannot be used.
pub fn serve(single: &Single) -> Result<u8, Failure> {
    if stdio::is_stderr_the_client() {
        // The client wants the service, not our log: from here on no log line can reach it, not even the last error.
        host::stderr::discard();
    }
    let service = service(&single.service).map_err(Failure::Usage)?;
    let config = configuration(single.config.as_deref())?;
    host::log::init(level(&config), single.log_level);
    let failed = |what: String| Failure::Runtime(what);
    let standard = stdio::take().map_err(failed)?;
    let mut settings = settings(&config);
    if standard.remote == RemoteAddress::Input {
        settings.send_timeout = Duration::MAX; // a reader of our output may pause, as a pager does
    }
    let mut reactor = Reactor::new(Engine::new(settings), Timestamp::default())
        .map_err(|error| failed(format!("cannot start: {}", describe(&error))))?;
    let binding =
        Binding { endpoint: "stdio".to_owned(), service, transport: standard.transport, allowed: None };
    let served = reactor.serve(standard.connection, standard.remote, binding);
    served.map_err(|error| {
        failed(format!("cannot register standard input and output: {}", describe(&error)))
    })?;
    let mut stopping = false;
    while !reactor.engine().is_empty() {
        let turn = reactor.turn(None).map_err(|error| failed(format!("epoll: {}", describe(&error))))?;
        // There is no reload here: a hangup means that the terminal is gone.
        for signal in turn.signals.into_iter().filter(|signal| *signal != Signal::Status) {
            if stopping {
                log::warn!("second stop signal ({signal:?}): stopping at once");
                return Ok(0);
            }
            stopping = true;
            reactor.stop(config.shutdown_grace, 0);
        }
    }
    match reactor.take_failure() {
        Some(error) => Err(failed(format!("standard input or output: {}", describe(&error)))),
        None => Ok(0),
    }
}

/// A session between two programs logs only problems.
fn level(config: &Config) -> LevelFilter {
    if config.is_log_level_given { config.log_level } else { LevelFilter::Warn }
}

fn service(name: &str) -> Result<Service, String> {
    let here = Service::ALL.into_iter().filter(|service| service.fits(Transport::STDIO));
    let known = || here.map(Service::name).collect::<Vec<_>>().join(", ");
    match Service::named(name) {
        Some(service) if service.fits(Transport::STDIO) => Ok(service),
        Some(service) => Err(format!(
            "--stdio {service}: this service needs the other clients of the daemon; try ipcctl {service}, or --stdio with one of {}",
            known()
        )),
        None => Err(format!("--stdio {}: no such service; known: {}", name.escape_debug(), known())),
    }
}

/// The configuration's settings; the program that started us has decided who may connect.
fn settings(config: &Config) -> Settings {
    let mut settings = config.settings.clone();
    settings.connections_per_address_max = 0;
    for service in &mut settings.services {
        service.connections_max = None;
        service.connections_per_address_max = 0;
    }
    settings.report_messages = log::max_level() >= LevelFilter::Debug;
    settings
}
