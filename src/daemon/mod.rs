//! The life of the process: read the configuration, open its endpoints, serve, reload, stop.

pub mod advice;
pub mod bounds;
#[cfg(feature = "tls")]
mod certificates;
pub mod consume;
#[cfg(feature = "tls")]
mod dates;
mod detach;
mod endpoints;
mod failure;
mod figures;
mod file;
mod handover;
#[cfg(any(feature = "nats", feature = "tls"))]
mod key_file;
mod limits;
mod listens;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(not(feature = "nats"))]
#[path = "no_nats.rs"]
mod nats;
#[cfg(feature = "nats")]
mod nkey;
mod notify;
mod page;
mod queues;
pub mod ready;
mod recipient;
mod record;
mod reload;
#[cfg(feature = "tls")]
mod renewal;
mod retry;
#[cfg(feature = "nats")]
mod sharing;
mod signals;
mod status;
pub mod stdio;
mod summary;
mod transcript;
mod unit;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::config::Config;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::Engine;
use crate::engine::limits::Settings;
use crate::engine::message::{ConnectionId, Request, Timestamp};
use crate::host;
use crate::host::manager::Manager;
use crate::host::raw::allocator;
use crate::host::raw::inherit::Inherited;
use crate::host::terminal::Terminal;
use crate::host::user::User;
use crate::reactor::{Reactor, Signal};
use crate::transport::listener::Listener;

use crate::os_error::describe;
pub use detach::Detached;
use detach::ForkSide;
pub use failure::Failure;
pub use file::{DEFAULT_FILE, configuration};
use handover::TakenOver;
use limits::settings;
use listens::{Runtime, wanted};
use retry::Retries;
use status::Status;
use transcript::Transcript;
use unit::UnitSocket;

/// How to run the daemon.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The file of `--config`.
    pub config: Option<PathBuf>,
    /// The level of `--log-level`.
    pub log_level: Option<LevelFilter>,
    /// `--daemon`: run in the background.
    pub detached: Option<Detached>,
    /// `--user`: the user to switch to after opening what needs root.
    pub user: Option<String>,
}

/// Runs the daemon until it stops, and returns the exit status. Call it first in the process: it takes the descriptors that
/// the service manager handed over.
///
/// # Errors
/// See [`Failure`].
pub fn run(mut run: Run) -> Result<u8, Failure> {
    let inherited = host::raw::inherit::take();
    let user = run.user.as_deref().map(User::find).transpose().map_err(Failure::Usage)?;
    let Some(files) = &mut run.detached else {
        return Daemon::start(run, user.as_ref(), inherited)?.serve().map(|()| 0);
    };
    run.config = run.config.as_deref().map(detach::absolute);
    files.log_file = detach::absolute(&files.log_file); // it is reopened from /
    let starter = match detach::detach(files, user.as_ref())? {
        ForkSide::Parent(status) => return Ok(status),
        ForkSide::Daemon(starter) => starter,
    };
    let outcome = match Daemon::start(run, user.as_ref(), inherited) {
        Err(failure) => {
            starter.tell(&failure);
            Err(failure)
        }
        Ok(mut daemon) => starter.ready().and_then(|_pid_file| daemon.serve()),
    };
    // Standard error is the log file here, where every line has a time.
    Ok(outcome.map_or_else(|failure| detach::note(&failure), |()| 0))
}

/// What a signal asks for.
enum SignalAction {
    Nothing,
    Stop,
    Reload,
    Status,
}

/// A running daemon.
struct Daemon {
    /// The file of `--config`.
    named: Option<PathBuf>,
    /// The file of `--log-file`.
    log_file: Option<PathBuf>,
    terminal: Terminal,
    runtime: Runtime,
    transcript: Option<Transcript>,
    /// When the files of `[tls]` expire.
    #[cfg(feature = "tls")]
    dates: dates::Dates,
    /// When the next warning about them is due.
    #[cfg(feature = "tls")]
    dates_due: Option<Timestamp>,
    config: Config,
    /// The configuration of the shared room, if there is one.
    #[cfg(feature = "nats")]
    shared: Option<nats::SharedConfig>,
    reactor: Box<Reactor>,
    /// Listening sockets that were handed over and do not have an endpoint yet.
    handed: Vec<(ResolvedEndpoint, Listener)>,
    /// Sockets that the service manager handed over and holds, including those without an endpoint now.
    units: Vec<UnitSocket>,
    manager: Manager,
    status: Status,
    /// Clients that get signals.
    recipients: Vec<recipient::Recipient>,
    /// The last sign of life to the watchdog.
    fed: Timestamp,
    /// The most connections since free memory was last returned.
    peak: usize,
    /// When nothing has happened for a moment, and how long that is, until what only the start needed has been returned.
    quiet: Option<(Timestamp, Duration)>,
}

/// A reactor without endpoints. What it needs of the stack while it is made, nothing else needs, and pages of the stack stay.
#[inline(never)]
fn idle_reactor(now: Timestamp) -> Result<Box<Reactor>, Failure> {
    Reactor::new(Engine::new(Settings::default()), now)
        .map(Box::new)
        .map_err(|error| Failure::Runtime(format!("cannot start: {}", describe(&error))))
}

impl Daemon {
    fn start(
        run: Run,
        user: Option<&User>,
        inherited: Result<Vec<Inherited>, String>,
    ) -> Result<Box<Daemon>, Failure> {
        let terminal = Terminal::find();
        let config = configuration(run.config.as_deref())?;
        #[cfg(feature = "tls")]
        let certificates = certificates::read(&config)?;
        let shared = nats::read(&config)?;
        allocator::give_large_blocks_their_own_pages();
        host::log::init(config.log_level, run.log_level);
        let (manager, trouble) = Manager::find();
        trouble.iter().for_each(|line| log::warn!("{line}"));
        let inherited = inherited.unwrap_or_else(|line| {
            log::warn!("{line}");
            Vec::new()
        });
        host::foreign::descriptors().iter().for_each(|line| log::warn!("{line}"));
        let taken_over = TakenOver::of(inherited);
        taken_over.warnings.iter().for_each(|line| log::warn!("{line}"));
        let reactor = idle_reactor(taken_over.record.now)?;
        let mut daemon = Box::new(Daemon {
            named: run.config,
            log_file: run.detached.map(|files| files.log_file),
            terminal,
            runtime: Runtime::new(),
            transcript: None,
            #[cfg(feature = "tls")]
            dates: dates::Dates::default(),
            #[cfg(feature = "tls")]
            dates_due: None,
            recipients: Vec::new(),
            fed: reactor.now(),
            peak: 0,
            quiet: None,
            status: Status::begun(reactor.now()),
            config: config.clone(),
            #[cfg(feature = "nats")]
            shared: None,
            reactor,
            handed: taken_over.listeners,
            units: taken_over.units,
            manager,
        });
        #[cfg(feature = "tls")]
        daemon.take(certificates);
        let wanted = wanted(&config, &daemon.runtime).map_err(|line| Failure::Unavailable(vec![line]))?;
        if let Some(user) = user {
            daemon.become_user(user, &wanted)?;
        }
        daemon.open(&wanted, Retries::AtStart).map_err(Failure::Unavailable)?;
        daemon.bound_receiving(&config.settings, &wanted);
        daemon.transcript = daemon
            .transcript_of(config.transcript.as_deref())
            .map_err(|line| Failure::Unavailable(vec![line]))?
            .flatten();
        daemon.close_unclaimed();
        daemon.reactor.reconfigure(settings(&config, &wanted));
        let connections = handover::unpack(taken_over.fd_bundles);
        let kept = connections.len();
        #[cfg(feature = "nats")]
        let record = daemon.begin_sharing(shared, taken_over.record);
        #[cfg(not(feature = "nats"))]
        let (nats::Nothing, record) = (shared, taken_over.record);
        daemon.reactor.restore(record, connections);
        handover::forget(&daemon.manager);
        advice::of_services(&config).iter().for_each(|line| log::warn!("{line}"));
        if daemon.manager.is_there() {
            queues::of_namespace(&config).iter().for_each(|line| log::warn!("{line}"));
        }
        daemon.announce();
        if kept > 0 {
            log::info!("{kept} connections from before the restart continue");
        }
        daemon.tell_status();
        daemon.manager.ready(&daemon.status.line);
        daemon.await_quiet();
        Ok(daemon)
    }

    /// Closes the sockets that were handed over, but that no endpoint uses.
    fn close_unclaimed(&mut self) {
        for (place, listener) in std::mem::take(&mut self.handed) {
            let is_kept = listener.is_kept();
            drop(listener); // before the warning
            if is_kept {
                let file = self.config.file_to_change();
                log::warn!(
                    "{place}: handed over by the service manager, but no service listens there; closed; add it to a listen in {file}, or remove it from ipcd.socket"
                );
            }
        }
    }

    fn serve(&mut self) -> Result<(), Failure> {
        let mut stopping = false;
        while !(stopping && self.reactor.engine().is_done()) {
            let latest = [self.next_report(), self.quiet_at()].into_iter().flatten().min();
            let turn = self.reactor.turn(latest);
            let turn = turn.map_err(|error| Failure::Runtime(format!("epoll: {}", describe(&error))))?;
            self.write_transcript();
            self.send_signals();
            self.tell_figures();
            self.return_memory();
            self.return_pages_of_start();
            for signal in turn.signals {
                match self.action_of(signal, stopping) {
                    SignalAction::Nothing => {}
                    SignalAction::Stop if stopping => {
                        log::warn!("second stop signal: stopping at once");
                        return Ok(());
                    }
                    SignalAction::Stop => {
                        log::info!("stopping: {} connections are open", self.reactor.engine().len());
                        stopping = true;
                        self.manager.stopping();
                        self.reactor.stop(self.config.shutdown_grace, self.config.listen_backlog as usize);
                    }
                    SignalAction::Reload if stopping => log::warn!("not reloading: the daemon is stopping"),
                    SignalAction::Reload => {
                        log::info!("SIGHUP asks for a reload");
                        drop(self.reload());
                    }
                    SignalAction::Status => self.log_status(),
                }
            }
            for (peer, request) in turn.requests {
                let answer = match request {
                    _ if stopping => Err(vec!["the daemon is stopping".to_owned()]),
                    Request::Reload => {
                        self.reopen_files();
                        self.reload()
                    }
                    Request::HandOver => self.hand_over().map_err(|error| vec![error]),
                    Request::Notify => self.register(peer),
                };
                let handed_over = request == Request::HandOver && answer.is_ok();
                self.answer(peer, answer);
                if handed_over {
                    self.reactor.end_encrypted();
                    self.reactor.deliver(peer);
                    return Ok(());
                }
            }
            self.report_to_manager();
            #[cfg(feature = "tls")]
            self.check_dates();
        }
        #[cfg(feature = "nats")]
        self.leave_others()?;
        self.write_transcript();
        log::info!("stopped");
        Ok(())
    }

    /// What a signal asks for in the current state.
    fn action_of(&mut self, signal: Signal, stopping: bool) -> SignalAction {
        match signal {
            Signal::Stop => SignalAction::Stop,
            Signal::Status => SignalAction::Status,
            Signal::Hangup => {
                self.reopen_files();
                if !self.terminal.is_gone() {
                    return SignalAction::Reload;
                }
                if stopping {
                    return SignalAction::Nothing; // the shell sends it in addition to the kernel
                }
                log::info!("the terminal is gone");
                SignalAction::Stop
            }
        }
    }

    fn answer(&mut self, peer: ConnectionId, answer: Result<(), Vec<String>>) {
        let lines = match answer {
            Ok(()) => vec!["OK".to_owned()],
            Err(lines) => lines.iter().map(|line| format!("Error: {line}")).collect(),
        };
        self.reactor.reply(peer, &lines);
    }

    /// Gives every connection to the service manager, for the next process.
    fn hand_over(&mut self) -> Result<(), String> {
        if !self.manager.is_there() {
            return Err("there is no service manager to hand over to (NOTIFY_SOCKET is not set)".to_owned());
        }
        let backlog = self.config.listen_backlog as usize;
        let unix: Vec<ResolvedEndpoint> =
            self.reactor.own_unix_listeners().map(|listener| listener.place().clone()).collect();
        // No other process will listen there, so waiting connections are accepted and handed over too.
        for place in &unix {
            self.reactor.accept_waiting(place, backlog);
        }
        match handover::hand_over(&self.reactor, &self.manager) {
            Ok(handed_over) => {
                log::info!("{handed_over}");
                Ok(())
            }
            Err(error) => {
                let reason = describe(&error);
                log::error!("handing over failed, nothing has changed: {reason}");
                Err(format!("handing over failed: {reason}"))
            }
        }
    }

    /// Opens the transcript of a configuration, if it is not open yet.
    fn transcript_of(&self, path: Option<&Path>) -> Result<Option<Option<Transcript>>, String> {
        let now = self.transcript.as_ref().map(|transcript| transcript.path.as_path());
        match path {
            _ if now == path => Ok(None),
            Some(path) => Transcript::open(path).map(Some).map(Some),
            None => Ok(Some(None)),
        }
    }

    fn reopen_transcript(&mut self) {
        if let Some(transcript) = &mut self.transcript {
            transcript.reopen();
        }
    }

    fn write_transcript(&mut self) {
        if let Some(transcript) = &mut self.transcript {
            transcript.take(&mut self.reactor);
        }
    }
}
