//! The life of the process: read the configuration, open what it names, serve, reload, stop.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use log::LevelFilter;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Errors, Listen};
use crate::endpoint::{Endpoint, Host, Place};
use crate::engine::Engine;
use crate::engine::limits::{REFUSED_LINGERING_MAX, Settings};
use crate::engine::message::{Door, Input};
use crate::engine::service::Service;
use crate::host;
use crate::reactor::{Reactor, Signal};
use crate::transport::directory::runtime_directory;
use crate::transport::open::{Options, open};

/// The configuration that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/ipcd/ipcd.toml";

/// Descriptors beside those of connections and listeners: standard ones, epoll, signals, the log, the spare one, and
/// some for a moment (a file being read, /proc).
const DESCRIPTORS_OF_OUR_OWN: usize = 24;

/// Why the daemon ended other than as asked. As text: a line for each thing that is wrong.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong or missing.
    Config(Errors),
    /// Endpoints could not be opened.
    Unavailable(Vec<String>),
    /// Something failed while running.
    Runtime(String),
}

impl Failure {
    /// The exit status of the process (78 and 69 are EX_CONFIG and EX_UNAVAILABLE of sysexits.h).
    pub fn status(&self) -> u8 {
        match self {
            Failure::Config(_) => 78,
            Failure::Unavailable(_) => 69,
            Failure::Runtime(_) => 1,
        }
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
            Failure::Runtime(line) => write!(f, "ipcd: {line}"),
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

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// See [`Failure`].
pub fn run(named: Option<PathBuf>, log_level: Option<LevelFilter>) -> Result<(), Failure> {
    let config = configuration(named.as_deref())?;
    host::log::init(config.log_level, log_level);
    let mut daemon = Daemon::start(named, config)?;
    daemon.serve()
}

/// A running daemon.
struct Daemon {
    /// What `--config` named.
    named: Option<PathBuf>,
    config: Config,
    reactor: Reactor,
}

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
            can_reset: matches!(self.place, Place::Tcp(_)),
        }
    }
}

impl Daemon {
    fn start(named: Option<PathBuf>, config: Config) -> Result<Daemon, Failure> {
        let runtime = |error: io::Error| Failure::Runtime(format!("cannot start: {error}"));
        let reactor = Reactor::new(Engine::new(Settings::default())).map_err(runtime)?;
        let mut daemon = Daemon { named, config, reactor };
        let config = daemon.config.clone();
        let wanted = wanted(&config).map_err(|line| Failure::Unavailable(vec![line]))?;
        daemon.open(&wanted).map_err(Failure::Unavailable)?;
        daemon
            .reactor
            .engine
            .handle(daemon.reactor.now(), Input::Reconfigure(Box::new(settings(&config, &wanted))));
        log::info!("ipcd {} is ready: {}", env!("CARGO_PKG_VERSION"), daemon.places());
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
            let signals = self.reactor.turn().map_err(|error| Failure::Runtime(format!("epoll: {error}")))?;
            for signal in signals {
                match signal {
                    Signal::Stop if stopping => {
                        log::warn!("asked to stop once more: stopping at once");
                        return Ok(());
                    }
                    Signal::Stop => {
                        log::info!("stopping: {} connections are open", self.reactor.engine.len());
                        stopping = true;
                        self.reactor.stop(self.config.shutdown_grace, self.config.listen_backlog as usize);
                    }
                    Signal::Reload if stopping => log::warn!("not reloading: the daemon is stopping"),
                    Signal::Reload => self.reload(),
                    Signal::Status => self.log_status(),
                }
            }
        }
        log::info!("stopped");
        Ok(())
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
            if self.reactor.listener(&want.place).is_some() {
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
            if halves.any(|half| self.reactor.listener(&half.place).is_some()) {
                log::warn!("{error}");
            } else {
                errors.push(error);
            }
        }
        if errors.is_empty() {
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
            (Place::Tcp(new), Place::Tcp(old)) => {
                new.port() == old.port()
                    && new.is_ipv4() == old.is_ipv4()
                    && (new.ip().is_unspecified() || old.ip().is_unspecified())
            }
            _ => false,
        };
        let ours = self.reactor.places().filter(|(other, _)| conflicts(other) && !is_wanted(other));
        ours.map(|(place, door)| (place.clone(), copy(door))).collect()
    }

    /// Opens again what was closed for something that could not be opened then.
    fn put_back(&mut self, place: &Place, door: Door) {
        // What is moved is TCP alone, which has neither mode nor group.
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

    fn reload(&mut self) {
        match self.try_reload() {
            Ok(()) => log::info!("reloaded: {}", self.places()),
            Err(lines) => {
                lines.iter().for_each(|line| log::error!("{line}"));
                log::error!("reload failed, nothing has changed");
            }
        }
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
            self.reactor.remove(place, self.config.listen_backlog as usize);
        }
        for want in &wanted {
            self.adjust(want);
        }
        host::log::set_level(config.log_level);
        let settings = settings(&config, &wanted);
        self.reactor.engine.handle(self.reactor.now(), Input::Reconfigure(Box::new(settings)));
        self.config = config.clone();
        Ok(())
    }

    /// Gives a listener that stays what the new configuration says.
    fn adjust(&mut self, want: &Wanted) {
        let Some(listener) = self.reactor.listener(&want.place) else { return };
        if let Err(error) = listener.set_backlog(want.options.backlog) {
            log::warn!("{}: the backlog stays as it is: {error}", want.place);
        }
        match listener.relabel(want.options.mode, &want.options.group) {
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
            engine.counters().bytes_in,
            engine.counters().bytes_out,
        );
        for service in Service::ALL {
            let counters = engine.counters().of(service);
            log::info!(
                "status: {service}: {} connections now, {} in all, {} refused, {} messages, {} errors, {} too slow",
                engine.connections_of(service),
                counters.connections,
                counters.refused,
                counters.messages,
                counters.errors,
                counters.too_slow,
            );
        }
    }
}

fn copy(door: &Door) -> Door {
    Door { endpoint: door.endpoint.clone(), service: door.service, can_reset: door.can_reset }
}

fn is_localhost(listen: &Listen) -> bool {
    matches!(listen.endpoint, Endpoint::Tcp(Host::Localhost, _))
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
        let relative = match &listen.endpoint {
            Endpoint::Unix(path) => path.strip_prefix("%t").ok(),
            Endpoint::Tcp(..) => None,
        };
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
    settings.report_messages = log::max_level() >= LevelFilter::Debug;
    // A listener has a descriptor, and on a Unix socket one for its lock.
    let others = DESCRIPTORS_OF_OUR_OWN + REFUSED_LINGERING_MAX + 2 * wanted.len();
    let files = raise_open_files();
    let max = files.saturating_sub(others).max(1);
    if max < settings.connections_max {
        log::warn!(
            "max_connections is {max}, not {}: the limit on open files is {files}; raise it (LimitNOFILE, ulimit -Hn) or lower max_connections",
            settings.connections_max
        );
        settings.connections_max = max;
    }
    settings
}

/// Raises the limit on open files to the hard limit; the limit then in force.
fn raise_open_files() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let in_force = getrlimit(Resource::Nofile).current.or(current);
    in_force.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}
