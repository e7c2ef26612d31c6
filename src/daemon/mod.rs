//! The life of the process: read the configuration, open what it names, serve, reload, stop.

pub mod bounds;
mod detach;
mod endpoints;
mod failure;
mod handover;
mod limits;
mod notify;
mod reload;
pub mod stdio;
mod summary;

use std::path::{Path, PathBuf};

use log::LevelFilter;

use crate::config::Config;
use crate::endpoint::Place;
use crate::engine::Engine;
use crate::engine::limits::Settings;
use crate::engine::message::{Input, Moment, Peer, Request};
use crate::host;
use crate::host::manager::Manager;
use crate::host::raw::inherit::Inherited;
use crate::reactor::{Reactor, Signal};
use crate::transport::listener::Listener;

pub use detach::Detached;
use detach::Side;
use endpoints::wanted;
pub use failure::Failure;
use handover::Bequest;
use limits::settings;
use notify::Status;

/// The configuration that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/ipcd/ipcd.toml";

/// Reads the configuration that a start with `--config FILE`, or without, would use.
pub fn configuration(named: Option<&Path>) -> Result<Config, Failure> {
    match named {
        Some(file) => Config::read(file),
        None if Path::new(DEFAULT_FILE).symlink_metadata().is_ok() => Config::read(Path::new(DEFAULT_FILE)),
        None => Ok(Config::built_in()),
    }
    .map_err(Failure::Config)
}

/// How the daemon is to run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What `--config` named.
    pub config: Option<PathBuf>,
    /// What `--log-level` said.
    pub log_level: Option<LevelFilter>,
    /// `--daemon`: into the background.
    pub detached: Option<Detached>,
}

/// Runs the daemon until it is told to stop; the exit status. To be called first thing: it takes what the service manager
/// handed over.
///
/// # Errors
/// See [`Failure`].
pub fn run(mut run: Run) -> Result<u8, Failure> {
    let inherited = host::raw::inherit::take();
    let mut terminal = None;
    if let Some(files) = &mut run.detached {
        run.config = run.config.as_deref().map(detach::absolute);
        files.pid_file = detach::absolute(&files.pid_file); // to be found from / when it is removed
        match detach::detach(files)? {
            Side::Parent(status) => return Ok(status),
            Side::Daemon(to) => terminal = Some(to),
        }
    }
    let pid_file = run.detached.as_ref().map(|files| files.pid_file.clone());
    let mut daemon = match Daemon::start(run, inherited) {
        Ok(daemon) => daemon,
        Err(failure) => {
            if let Some(terminal) = terminal {
                terminal.tell(&failure);
            }
            return Err(failure);
        }
    };
    if let Some(terminal) = terminal {
        terminal.ready()?;
    }
    let outcome = daemon.serve();
    // It is still locked by us: nobody else's is removed.
    pid_file.map(std::fs::remove_file);
    outcome.map(|()| 0)
}

/// A running daemon.
struct Daemon {
    /// What `--config` named.
    named: Option<PathBuf>,
    config: Config,
    reactor: Reactor,
    /// Listening sockets that were handed over and have found no endpoint yet.
    handed: Vec<(Place, Listener)>,
    manager: Manager,
    status: Status,
    /// When the watchdog was fed last.
    fed: Moment,
}

impl Daemon {
    fn start(run: Run, inherited: Result<Vec<Inherited>, String>) -> Result<Daemon, Failure> {
        let config = configuration(run.config.as_deref())?;
        host::log::init(config.log_level, run.log_level);
        let (manager, trouble) = Manager::find();
        trouble.iter().for_each(|line| log::warn!("{line}"));
        let inherited = inherited.unwrap_or_else(|line| {
            log::warn!("{line}");
            Vec::new()
        });
        let bequest = Bequest::of(inherited);
        bequest.warnings.iter().for_each(|line| log::warn!("{line}"));
        let reactor = Reactor::new(Engine::new(Settings::default()), bequest.record.now)
            .map_err(|error| Failure::Runtime(format!("cannot start: {error}")))?;
        let mut daemon = Daemon {
            named: run.config,
            fed: reactor.now(),
            status: Status::begun(reactor.now()),
            config: config.clone(),
            reactor,
            handed: bequest.listeners,
            manager,
        };
        let wanted = wanted(&config).map_err(|line| Failure::Unavailable(vec![line]))?;
        daemon.open(&wanted).map_err(Failure::Unavailable)?;
        for (place, listener) in std::mem::take(&mut daemon.handed) {
            let is_kept = listener.is_kept();
            drop(listener); // before it is said
            if is_kept {
                let file = config.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).display();
                log::warn!(
                    "{place}: handed over by the service manager, but no service listens there: closed; add it to a listen in {file}, or take it out of ipcd.socket"
                );
            }
        }
        let now = daemon.reactor.now();
        daemon.reactor.engine.handle(now, Input::Reconfigure(Box::new(settings(&config, &wanted))));
        let connections = handover::unpack(bequest.parcels);
        let kept = connections.len();
        daemon.reactor.restore(bequest.record, connections);
        handover::forget(&daemon.manager);
        log::info!("ipcd {} is ready: {}", env!("CARGO_PKG_VERSION"), daemon.places());
        if kept > 0 {
            log::info!("{kept} connections go on from before the restart");
        }
        daemon.tell_status();
        daemon.manager.ready(&daemon.status.line);
        Ok(daemon)
    }

    fn places(&self) -> String {
        let places: Vec<String> =
            self.reactor.places().map(|(place, door)| format!("{} on {place}", door.service)).collect();
        places.join(", ")
    }

    fn serve(&mut self) -> Result<(), Failure> {
        let mut stopping = false;
        while !(stopping && self.reactor.engine.is_done()) {
            let turn = self.reactor.turn(self.next_report());
            let turn = turn.map_err(|error| Failure::Runtime(format!("epoll: {error}")))?;
            for signal in turn.signals {
                match signal {
                    Signal::Stop if stopping => {
                        log::warn!("asked to stop once more: stopping at once");
                        return Ok(());
                    }
                    Signal::Stop => {
                        log::info!("stopping: {} connections are open", self.reactor.engine.len());
                        stopping = true;
                        self.manager.stopping();
                        self.reactor.stop(self.config.shutdown_grace, self.config.listen_backlog as usize);
                    }
                    Signal::Reload if stopping => log::warn!("not reloading: the daemon is stopping"),
                    Signal::Reload => drop(self.reload()),
                    Signal::Status => self.log_status(),
                }
            }
            for (peer, request) in turn.requests {
                let answer = match request {
                    _ if stopping => Err(vec!["the daemon is stopping".to_owned()]),
                    Request::Reload => self.reload(),
                    Request::HandOver => self.hand_over().map_err(|error| vec![error]),
                };
                let handed_over = request == Request::HandOver && answer.is_ok();
                self.answer(peer, answer);
                if handed_over {
                    self.reactor.deliver(peer);
                    return Ok(());
                }
            }
            self.report_to_manager();
        }
        log::info!("stopped");
        Ok(())
    }

    fn answer(&mut self, peer: Peer, answer: Result<(), Vec<String>>) {
        let lines = match answer {
            Ok(()) => vec!["OK".to_owned()],
            Err(lines) => lines.iter().map(|line| format!("Error: {line}")).collect(),
        };
        self.reactor.engine.handle(self.reactor.now(), Input::Answer { peer, lines: &lines });
    }

    /// Gives every connection to the service manager, for the process that follows.
    fn hand_over(&mut self) -> Result<(), String> {
        if !self.manager.is_there() {
            return Err("there is no service manager to hand over to (NOTIFY_SOCKET is not set)".to_owned());
        }
        let backlog = self.config.listen_backlog as usize;
        let unix: Vec<Place> =
            self.reactor.own_unix_listeners().map(|listener| listener.place().clone()).collect();
        // Nobody else can go on listening there: who waits is taken along.
        for place in &unix {
            self.reactor.accept_waiting(place, backlog);
        }
        match handover::hand_over(&self.reactor, &self.manager) {
            Ok(count) => {
                log::info!("handed over {count} connections to the service manager");
                Ok(())
            }
            Err(error) => {
                log::error!("handing over failed, nothing has changed: {error}");
                Err(format!("handing over failed: {error}"))
            }
        }
    }
}
