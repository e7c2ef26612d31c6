//! The endpoints that the configuration asks for: opened all or none, at the start and at a reload.

use std::path::{Path, PathBuf};

use super::{DEFAULT_FILE, Daemon};
use crate::config::{Config, Listen};
use crate::endpoint::Place;
use crate::engine::message::Door;
use crate::transport::directory::runtime_directory;
use crate::transport::fifo::{self, Fifo};
use crate::transport::listener::Listener;
use crate::transport::open::{Options, open};

/// One socket to listen on, and why.
pub(super) struct Wanted<'a> {
    pub(super) place: Place,
    pub(super) listen: &'a Listen,
    pub(super) options: Options,
}

impl Wanted<'_> {
    pub(super) fn door(&self) -> Door {
        Door {
            endpoint: self.place.to_string(),
            service: self.listen.service,
            medium: self.listen.medium(),
            allowed: self.listen.allowed.clone(),
        }
    }
}

impl Daemon {
    /// Opens every wanted place that is not open yet; where one of ours that is no longer wanted is in the way, that one
    /// is closed first.
    ///
    /// # Errors
    /// A line for each that could not be opened. Then everything is as it was.
    pub(super) fn open(&mut self, wanted: &[Wanted]) -> Result<(), Vec<String>> {
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
pub(super) fn wanted(config: &Config) -> Result<Vec<Wanted<'_>>, String> {
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
