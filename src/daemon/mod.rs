//! The life of the process: read the configuration, open what it names, serve, reload, stop.

pub mod bounds;
mod detach;
mod handover;
pub mod stdio;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::{Config, Errors, Listen};
use crate::endpoint::Place;
use crate::engine::Engine;
use crate::engine::limits::Settings;
use crate::engine::message::{Door, Input, Moment, Peer, Request};
use crate::engine::service::Service;
use crate::host;
use crate::host::manager::Manager;
use crate::host::raw::inherit::Inherited;
use crate::reactor::{Reactor, Signal};
use crate::transport::directory::runtime_directory;
use crate::transport::fifo::{self, Fifo};
use crate::transport::listener::Listener;
use crate::transport::open::{Options, open};

pub use detach::Detached;
use detach::Side;
use handover::Bequest;

/// The configuration that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/ipcd/ipcd.toml";

/// Descriptors beside those of connections and listeners: standard ones, epoll, signals, the log, the spare one, and
/// some for a moment (a file being read, /proc).
const DESCRIPTORS_OF_OUR_OWN: usize = 24;

/// The limit on open files where it cannot be asked for: Linux's own (INR_OPEN_CUR).
const OPEN_FILES: usize = 1024;

/// Why the daemon ended other than as asked. As text: a line for each thing that is wrong.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong or missing.
    Config(Errors),
    /// Endpoints could not be opened.
    Unavailable(Vec<String>),
    /// Something failed while running.
    Runtime(String),
    /// What was asked for on the command line is not to be had.
    Usage(String),
}

impl Failure {
    /// The exit status of the process (78 and 69 are EX_CONFIG and EX_UNAVAILABLE of sysexits.h).
    pub fn status(&self) -> u8 {
        match self {
            Failure::Config(_) => 78,
            Failure::Unavailable(_) => 69,
            Failure::Runtime(_) => 1,
            Failure::Usage(_) => 2,
        }
    }

    /// Its text for standard error; if that is the journal, as errors.
    pub fn last_words(&self) -> String {
        host::log::as_errors(&self.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(errors) => errors.fmt(f),
            Failure::Unavailable(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| format!("ipcd: {line}")).collect();
                f.write_str(&lines.join("\n"))
            }
            Failure::Runtime(line) | Failure::Usage(line) => write!(f, "ipcd: {line}"),
        }
    }
}

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

/// What `systemctl status` shows, and what it was made from.
#[derive(Debug, Default)]
struct Status {
    line: String,
    at: Moment,
    connections: usize,
    messages: u64,
    rate: u64,
    reload: Option<bool>,
}

/// How often the status line changes at most.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// One socket to listen on, and why.
struct Wanted<'a> {
    place: Place,
    listen: &'a Listen,
    options: Options,
}

impl Wanted<'_> {
    fn door(&self) -> Door {
        Door {
            endpoint: self.place.to_string(),
            service: self.listen.service,
            medium: self.listen.medium(),
            allowed: self.listen.allowed.clone(),
        }
    }
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
            status: Status { at: reactor.now(), ..Status::default() },
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

    // ---- the service manager

    /// When the manager has to hear of us next.
    fn next_report(&self) -> Option<Moment> {
        if !self.manager.is_there() {
            return None;
        }
        let news = (self.status.connections, self.status.messages) != self.state() || self.status.rate > 0;
        let status = news.then(|| self.status.at + STATUS_INTERVAL);
        let watchdog = self.manager.watchdog.map(|interval| self.fed + interval / 3);
        [status, watchdog].into_iter().flatten().min()
    }

    /// Connections now, and messages since the start.
    fn state(&self) -> (usize, u64) {
        let engine = &self.reactor.engine;
        let messages = Service::ALL.iter().map(|service| engine.counters().of(*service).messages);
        (engine.len(), messages.sum())
    }

    /// Says that the loop turns, and how it goes.
    fn report_to_manager(&mut self) {
        if !self.manager.is_there() {
            return;
        }
        let now = self.reactor.now();
        if self.manager.watchdog.is_some_and(|interval| now >= self.fed + interval / 3) {
            self.manager.feed_watchdog();
            self.fed = now;
        }
        let since = now.since(self.status.at);
        if since >= STATUS_INTERVAL {
            let (connections, messages) = self.state();
            let rate = (messages - self.status.messages) as f64 / since.as_secs_f64();
            self.status = Status {
                at: now,
                connections,
                messages,
                rate: rate.round() as u64,
                line: self.status.line.clone(),
                reload: self.status.reload,
            };
            self.tell_status();
        }
    }

    fn tell_status(&mut self) {
        let Status { connections, rate, reload, .. } = &self.status;
        let reload = match reload {
            None => "",
            Some(true) => "; the last reload succeeded",
            Some(false) => "; the last reload failed, see the log",
        };
        let line = format!("{connections} connections, {rate} requests a second{reload}");
        if line != self.status.line {
            self.manager.status(&line);
            self.status.line = line;
        }
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

    // ---- endpoints

    /// Opens every wanted place that is not open yet; where one of ours that is no longer wanted is in the way, that one
    /// is closed first.
    ///
    /// # Errors
    /// A line for each that could not be opened. Then everything is as it was.
    fn open(&mut self, wanted: &[Wanted]) -> Result<(), Vec<String>> {
        let mut opened: Vec<Place> = Vec::new();
        let mut moved: Vec<(Place, Door)> = Vec::new();
        let mut errors = Vec::new();
        let mut missing: Vec<(&Wanted, String)> = Vec::new();
        for want in wanted {
            if matches!(want.place, Place::Fifo(_)) {
                match self.open_fifo(want) {
                    Ok(true) => opened.push(want.place.clone()),
                    Ok(false) => {}
                    Err(error) => errors.push(error),
                }
                continue;
            }
            if self.reactor.listener(&want.place).is_some_and(Listener::is_cut_off) {
                log::warn!("{}: the socket file is gone or another; making it anew", want.place);
                self.reactor.remove(&want.place, self.config.listen_backlog as usize);
            }
            if self.reactor.listener(&want.place).is_some() || self.take_handed(want) {
                continue;
            }
            match self.open_one(want, wanted, &mut moved) {
                Ok(()) => opened.push(want.place.clone()),
                Err((error, true)) if is_localhost(want.listen) => missing.push((want, error)),
                Err((error, _)) => errors.push(error),
            }
        }
        for (want, error) in missing {
            // One half of localhost is enough, if the other one is there.
            let mut halves = wanted.iter().filter(|half| std::ptr::eq(half.listen, want.listen));
            if let Some(other) = halves.find(|half| self.reactor.listener(&half.place).is_some()) {
                log::warn!(
                    "{}: this machine has no such address; {} is {} alone",
                    want.place,
                    want.listen.endpoint,
                    other.place
                );
            } else {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            opened.iter().filter_map(|place| self.reactor.fifo(place)).for_each(Fifo::keep);
            return Ok(());
        }
        for place in opened {
            self.reactor.remove(&place, 0);
        }
        for (place, door) in moved {
            self.put_back(&place, door);
        }
        Err(errors)
    }

    /// Listens on a socket that was handed over, if there is one for this place.
    fn take_handed(&mut self, want: &Wanted) -> bool {
        let Some(index) = self.handed.iter().position(|(place, _)| *place == want.place) else {
            return false;
        };
        let (place, listener) = self.handed.swap_remove(index);
        match self.reactor.add(listener, want.door()) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("{place}: the socket that was handed over cannot be watched: {error}");
                false
            }
        }
    }

    /// Opens a FIFO, unless it is open; whether that was to be done.
    fn open_fifo(&mut self, want: &Wanted) -> Result<bool, String> {
        if self.reactor.fifo(&want.place).is_some_and(Fifo::is_cut_off) {
            log::warn!("{}: a file of it is gone or another; making it anew", want.place);
            self.reactor.remove(&want.place, 0);
        }
        if self.reactor.fifo(&want.place).is_some() {
            return Ok(false);
        }
        let opened = fifo::open(&want.place, &want.options);
        let (fifo, warnings) =
            opened.map_err(|error| located(&error.to_string(), want.listen, &self.config))?;
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        self.reactor.add_fifo(fifo, want.door());
        Ok(true)
    }

    /// Opens one place. The error says whether it is for want of that kind of address.
    fn open_one(
        &mut self,
        want: &Wanted,
        wanted: &[Wanted],
        moved: &mut Vec<(Place, Door)>,
    ) -> Result<(), (String, bool)> {
        let mut outcome = open(&want.place, &want.options);
        if outcome.as_ref().is_err_and(|error| error.is_in_use()) {
            let in_the_way = self.in_the_way_of(&want.place, wanted);
            if !in_the_way.is_empty() {
                for (place, door) in in_the_way {
                    self.reactor.remove(&place, self.config.listen_backlog as usize);
                    moved.push((place, door));
                }
                outcome = open(&want.place, &want.options);
            }
        }
        let opened = outcome.map_err(|error| {
            (located(&error.to_string(), want.listen, &self.config), error.is_address_missing())
        })?;
        for warning in &opened.warnings {
            log::warn!("{warning}");
        }
        let added = self.reactor.add(opened.listener, want.door());
        added.map_err(|error| (format!("{}: cannot be watched: {error}", want.place), false))
    }

    /// Our own listeners that keep `place` from being opened and are not wanted any more.
    fn in_the_way_of(&self, place: &Place, wanted: &[Wanted]) -> Vec<(Place, Door)> {
        let is_wanted = |place: &Place| wanted.iter().any(|want| want.place == *place);
        let conflicts = |other: &Place| match (place, other) {
            (Place::Tcp(new), Place::Tcp(old)) | (Place::Udp(new), Place::Udp(old)) => {
                new.port() == old.port()
                    && new.is_ipv4() == old.is_ipv4()
                    && (new.ip().is_unspecified() || old.ip().is_unspecified())
            }
            _ => false,
        };
        let ours = self.reactor.places().filter(|(other, _)| conflicts(other) && !is_wanted(other));
        ours.map(|(place, door)| (place.clone(), door.clone())).collect()
    }

    /// Opens again what was closed for something that could not be opened then.
    fn put_back(&mut self, place: &Place, door: Door) {
        // What is moved is on the network, and has neither mode nor group.
        let options = Options {
            backlog: self.config.listen_backlog,
            mode: 0,
            group: String::new(),
            make_directory: None,
        };
        let outcome = open(place, &options).map_err(|error| error.to_string());
        let added = outcome.and_then(|opened| {
            self.reactor.add(opened.listener, door).map_err(|error| format!("{place}: {error}"))
        });
        if let Err(error) = added {
            log::error!("{error}; it was open before the reload");
        }
    }

    // ---- reload

    /// Reads the configuration again. The errors are in the log as well.
    fn reload(&mut self) -> Result<(), Vec<String>> {
        self.manager.reloading();
        let outcome = self.try_reload();
        match &outcome {
            Ok(()) => log::info!("reloaded: {}", self.places()),
            Err(lines) => {
                lines.iter().for_each(|line| log::error!("{line}"));
                log::error!("reload failed, nothing has changed");
            }
        }
        self.status.reload = Some(outcome.is_ok());
        self.tell_status();
        self.manager.ready(&self.status.line);
        outcome
    }

    fn try_reload(&mut self) -> Result<(), Vec<String>> {
        let config = configuration(self.named.as_deref())
            .map_err(|failure| failure.to_string().lines().map(str::to_owned).collect::<Vec<String>>())?;
        let wanted = wanted(&config).map_err(|line| vec![line])?;
        self.open(&wanted)?;
        let superfluous: Vec<Place> = self
            .reactor
            .places()
            .map(|(place, _)| place.clone())
            .filter(|place| !wanted.iter().any(|want| want.place == *place))
            .collect();
        for place in &superfluous {
            if let Some(fifo) = self.reactor.fifo(place) {
                fifo.discard();
            }
            self.reactor.remove(place, self.config.listen_backlog as usize);
        }
        for want in &wanted {
            self.adjust(want);
        }
        host::log::set_level(config.log_level);
        let settings = settings(&config, &wanted);
        self.reactor.engine.handle(self.reactor.now(), Input::Reconfigure(Box::new(settings)));
        self.reactor.begin_fifos();
        self.config = config.clone();
        Ok(())
    }

    /// Gives a listener that stays what the new configuration says.
    fn adjust(&mut self, want: &Wanted) {
        let relabelled = if let Some(fifo) = self.reactor.fifo(&want.place) {
            fifo.relabel(want.options.mode, &want.options.group)
        } else if let Some(listener) = self.reactor.listener(&want.place) {
            if let Err(error) = listener.set_backlog(want.options.backlog) {
                log::warn!("{}: the backlog stays as it is: {error}", want.place);
            }
            listener.relabel(want.options.mode, &want.options.group)
        } else {
            return;
        };
        match relabelled {
            Ok(warnings) => warnings.iter().for_each(|warning| log::warn!("{warning}")),
            Err(error) => log::warn!("{}: mode and group stay as they are: {error}", want.place),
        }
        self.reactor.redirect(&want.place, want.door());
    }

    // ---- status

    fn log_status(&self) {
        let engine = &self.reactor.engine;
        let up = self.reactor.now().since(Default::default()).as_secs();
        log::info!(
            "status: up {up} s, {} connections, {} in the room, {} bytes queued, {} bytes received, {} bytes sent",
            engine.len(),
            engine.members(),
            engine.queued_bytes(),
            engine.counters().bytes_in(),
            engine.counters().bytes_out(),
        );
        for service in Service::ALL {
            let counters = engine.counters().of(service);
            log::info!(
                "status: {service}: {} connections now, {} in all, {} refused, {} messages, {} errors, {} too slow, {} dropped",
                engine.connections_of(service),
                counters.connections,
                counters.refused,
                counters.messages,
                counters.errors(),
                counters.too_slow,
                counters.dropped,
            );
        }
    }
}

fn is_localhost(listen: &Listen) -> bool {
    listen.endpoint.is_localhost()
}

/// An error on opening, and where to change what was asked for.
fn located(error: &str, listen: &Listen, config: &Config) -> String {
    let file = config.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    format!("{error} under [{}] in {}", listen.service, file.display())
}

/// Every socket that a configuration asks for.
fn wanted(config: &Config) -> Result<Vec<Wanted<'_>>, String> {
    let mut all = Vec::new();
    for listen in &config.listens {
        let relative = listen.endpoint.path().and_then(|path| path.strip_prefix("%t").ok());
        let runtime = match relative {
            Some(_) => runtime_directory()?,
            None => PathBuf::new(),
        };
        // The one directory that ipcd makes by itself.
        let make_directory =
            relative.filter(|path| path.parent() == Some(Path::new("ipcd"))).map(|_| runtime.join("ipcd"));
        for place in listen.endpoint.places(&runtime) {
            let options = Options {
                backlog: config.listen_backlog,
                mode: listen.mode,
                group: listen.group.clone(),
                make_directory: make_directory.clone(),
            };
            all.push(Wanted { place, listen, options });
        }
    }
    Ok(all)
}

/// What the engine is told: the configuration's settings, within what the limit on open files allows.
fn settings(config: &Config, wanted: &[Wanted]) -> Settings {
    let mut settings = config.settings.clone();
    settings.owner = rustix::process::geteuid().as_raw();
    settings.report_messages = log::max_level() >= LevelFilter::Debug;
    settings.pid = Some(std::process::id());
    settings.endpoints = wanted.iter().map(|want| (want.place.to_string(), want.listen.service)).collect();
    let files = raise_open_files();
    settings.refused_lingering_max = settings.refused_lingering_max.min(files / 8);
    // A listener has a descriptor, and on a Unix socket one for its lock.
    // A FIFO has two at each of its ends, and one for its lock.
    settings.fifos = wanted.iter().filter(|want| matches!(want.place, Place::Fifo(_))).count();
    let others =
        DESCRIPTORS_OF_OUR_OWN + settings.refused_lingering_max + 2 * wanted.len() + 3 * settings.fifos;
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
