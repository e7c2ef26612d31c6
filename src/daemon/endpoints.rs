//! Opens the endpoints of the configuration, all or none, at the start and at a reload.

use std::time::Duration;

use super::listens::ListenSpec;
use super::retry::Retries;
use super::{Daemon, handover, unit};
use crate::config::{Config, Listen};
use crate::endpoint::ResolvedEndpoint;
use crate::engine::limits::Settings;
use crate::engine::message::Binding;
use crate::os_error::describe;
use crate::transport::error::OpenError;
use crate::transport::listener::Listener;
use crate::transport::open::{Options, open};
use crate::transport::owner::PortOwner;
use crate::transport::pair::{self, Pair};
use crate::transport::sockopt::RECEIVE_BYTES_MIN;

/// A place that could not be opened.
struct Unopened {
    /// The obstacle, and what to do about it.
    line: String,
    /// Whether this machine just has no addresses of this kind.
    is_address_missing: bool,
    place: ResolvedEndpoint,
    /// The holder.
    owner: Option<PortOwner>,
}

impl Unopened {
    fn new(error: &OpenError, listen: &Listen, config: &Config) -> Unopened {
        let holder = error.owner().filter(|owner| config.share_ports && owner.name == "ipcd");
        let text = match holder.filter(|owner| error.place.network().is_some() && !owner.is_this_process()) {
            Some(owner) => format!(
                "{}: address already in use (by {owner}, which does not share it); set share_ports = true there too, and let both run as one user, or choose another port",
                error.place
            ),
            None => error.to_string(),
        };
        Unopened {
            line: located(&text, listen, config),
            is_address_missing: error.is_address_missing(),
            place: error.place.clone(),
            owner: error.owner().cloned(),
        }
    }
}

impl Daemon {
    /// Opens every configured place that is not open yet. If one of our listeners that is no longer configured is in the way, it
    /// is closed first.
    ///
    /// # Errors
    /// One line for each place that could not be opened. Then nothing has changed.
    pub(super) fn open(&mut self, wanted: &[ListenSpec], mut retries: Retries) -> Result<(), Vec<String>> {
        let mut opened: Vec<ResolvedEndpoint> = Vec::new();
        let mut moved: Vec<(ResolvedEndpoint, Binding)> = Vec::new();
        let mut errors: Vec<Unopened> = Vec::new();
        let mut missing: Vec<(&ListenSpec, Unopened)> = Vec::new();
        for want in wanted {
            if want.place.scheme().transport.is_standing() {
                match self.open_pair(want) {
                    Ok(true) => opened.push(want.place.clone()),
                    Ok(false) => {}
                    Err(error) => errors.push(error),
                }
                continue;
            }
            if self.reactor.listener(&want.place).is_some_and(Listener::is_orphaned) {
                log::warn!("{}: socket file missing or replaced; recreating it", want.place);
                self.reactor.remove(&want.place, self.config.listen_backlog as usize);
            }
            if self.reactor.listener(&want.place).is_some() || self.take_handed(want) {
                continue;
            }
            match self.open_one(want, wanted, &mut moved, &mut retries) {
                Ok(()) => opened.push(want.place.clone()),
                Err(error) if error.is_address_missing && want.listen.endpoint.is_localhost() => {
                    missing.push((want, error));
                }
                Err(error) => errors.push(error),
            }
        }
        for (want, error) in missing {
            // One of the two addresses of localhost is enough.
            let mut halves = wanted.iter().filter(|half| std::ptr::eq(half.listen, want.listen));
            if let Some(other) = halves.find(|half| self.reactor.listener(&half.place).is_some()) {
                log::warn!(
                    "{}: this machine has no such address; {} means only {}",
                    want.place,
                    want.listen.endpoint,
                    other.place
                );
            } else {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            opened.iter().filter_map(|place| self.reactor.pair(place)).for_each(Pair::keep);
            return Ok(());
        }
        for place in opened {
            self.reactor.remove(&place, 0);
        }
        for (place, binding) in moved {
            self.put_back(&place, binding);
        }
        Err(told(&errors, &self.config))
    }

    /// Limits the data that the kernel accepts from a peer that is not read from: twice the longest message, so that a message
    /// in one send arrives in one piece.
    pub(super) fn bound_receiving(&self, settings: &Settings, wanted: &[ListenSpec]) {
        let longest = settings.services.iter().map(|service| service.message_bytes_max).max().unwrap_or(0);
        let bytes = RECEIVE_BYTES_MIN.max(2 * longest);
        for listener in wanted.iter().filter_map(|want| self.reactor.listener(&want.place)) {
            if let Err(error) = listener.set_receive_bytes(bytes) {
                log::warn!(
                    "{}: the receive buffer size is unchanged: {}",
                    listener.place(),
                    describe(&error)
                );
            }
        }
    }

    /// Listens on the socket that was handed over for this place, if there is one.
    fn take_handed(&mut self, want: &ListenSpec) -> bool {
        let bare = want.place.bare();
        let Some(index) = self.handed.iter().position(|(place, _)| *place == bare) else {
            return false;
        };
        let (place, listener) = self.handed.swap_remove(index);
        if let Err(error) = listener.share_port(want.options.share_port) {
            log::warn!("{place}: share_ports has no effect here: {}", describe(&error));
        }
        match self.reactor.add(listener.at(want.place.clone()), want.binding()) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("{place}: cannot register the socket that was handed over: {}", describe(&error));
                false
            }
        }
    }

    /// Opens a pair of FIFOs or message queues if it is not open yet; returns whether it was opened.
    fn open_pair(&mut self, want: &ListenSpec) -> Result<bool, Unopened> {
        if self.reactor.pair(&want.place).is_some_and(Pair::is_orphaned) {
            log::warn!("{}: missing or replaced; recreating it", want.place);
            self.reactor.remove(&want.place, 0);
        }
        if self.reactor.pair(&want.place).is_some() {
            return Ok(false);
        }
        let opened = pair::open(&want.place, &want.options);
        let (pair, warnings) = opened.map_err(|error| Unopened::new(&error, want.listen, &self.config))?;
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        if let Some(bytes) = pair.message_bytes_max().filter(|bytes| *bytes < want.options.message_bytes) {
            log::warn!(
                "{}: no message of more than {bytes} bytes fits into this queue, though max_message is {}; remove it while ipcd is stopped (rm in /dev/mqueue), or raise fs.mqueue.msgsize_max, if it is longer than that",
                want.place,
                want.options.message_bytes
            );
        }
        self.reactor.add_pair(pair, want.binding());
        Ok(true)
    }

    /// Opens one place.
    fn open_one(
        &mut self,
        want: &ListenSpec,
        wanted: &[ListenSpec],
        moved: &mut Vec<(ResolvedEndpoint, Binding)>,
        retries: &mut Retries,
    ) -> Result<(), Unopened> {
        let mut outcome = open(&want.place, &want.options);
        if outcome.as_ref().is_err_and(|error| error.is_in_use()) {
            let in_the_way = self.in_the_way_of(&want.place, wanted);
            if !in_the_way.is_empty() {
                for (place, binding) in in_the_way {
                    self.reactor.remove(&place, self.config.listen_backlog as usize);
                    moved.push((place, binding));
                }
                outcome = open(&want.place, &want.options);
            }
        }
        let is_given_up =
            outcome.as_ref().is_err_and(|error| error.is_in_use()) && self.give_up_handed(&want.place);
        if is_given_up {
            outcome = open(&want.place, &want.options);
        }
        while let Err(error) = &outcome
            && (is_given_up || error.owner().is_none())
            && unit::explain(error, &self.units).is_none()
            && retries.wait_for(error)
        {
            outcome = open(&want.place, &want.options);
        }
        let opened = outcome.map_err(|error| match unit::explain(&error, &self.units) {
            Some(text) => Unopened {
                line: located(&text, want.listen, &self.config),
                is_address_missing: false,
                place: error.place,
                owner: None,
            },
            None => Unopened::new(&error, want.listen, &self.config),
        })?;
        for warning in &opened.warnings {
            log::warn!("{warning}");
        }
        let added = self.reactor.add(opened.listener, want.binding());
        added.map_err(|error| Unopened {
            line: format!("{}: cannot register it: {}", want.place, describe(&error)),
            is_address_missing: false,
            place: want.place.clone(),
            owner: None,
        })
    }

    /// Closes listeners of the previous process that block `place`, here and in the service manager's store; returns whether
    /// there were any. Configured ones are not among them: they are already in use, or would conflict in the configuration.
    fn give_up_handed(&mut self, place: &ResolvedEndpoint) -> bool {
        let (given_up, handed) = std::mem::take(&mut self.handed)
            .into_iter()
            .partition::<Vec<_>, _>(|(old, listener)| !listener.is_kept() && unit::meet(place, old, false));
        self.handed = handed;
        if given_up.is_empty() {
            return false;
        }
        drop(given_up);
        if let Err(error) = handover::forget_listeners(&self.manager) {
            log::warn!(
                "the service manager still has listeners from before the restart: {}",
                describe(&error)
            );
        }
        true
    }

    /// Our own listeners that block `place` and are no longer configured. One that the service manager holds
    /// stays, because closing it would not free its address.
    fn in_the_way_of(
        &self,
        place: &ResolvedEndpoint,
        wanted: &[ListenSpec],
    ) -> Vec<(ResolvedEndpoint, Binding)> {
        let is_wanted = |place: &ResolvedEndpoint| wanted.iter().any(|want| want.place == *place);
        let conflicts = |other: &ResolvedEndpoint| place.path().is_none() && unit::meet(place, other, false);
        let is_kept = |place: &ResolvedEndpoint| self.reactor.listener(place).is_some_and(Listener::is_kept);
        let ours = self.reactor.places();
        let ours = ours.filter(|(other, _)| conflicts(other) && !is_wanted(other) && !is_kept(other));
        ours.map(|(place, binding)| (place.clone(), binding.clone())).collect()
    }

    /// Reopens listeners that were closed for a place that then could not be opened.
    fn put_back(&mut self, place: &ResolvedEndpoint, binding: Binding) {
        // Moved listeners are on the network, and have no mode, group or queue.
        let options = Options {
            backlog: self.config.listen_backlog,
            share_port: self.config.share_ports,
            mode: 0,
            group: String::new(),
            message_bytes: 0,
            message_timeout: Duration::ZERO,
            make_directory: None,
        };
        let outcome = open(place, &options).map_err(|error| error.to_string());
        let added = outcome.and_then(|opened| {
            self.reactor
                .add(opened.listener, binding)
                .map_err(|error| format!("{place}: {}", describe(&error)))
        });
        if let Err(error) = added {
            log::error!("{error}; it was open before the reload");
        }
    }
}

/// An error on opening, and where to change the configuration.
fn located(error: &str, listen: &Listen, config: &Config) -> String {
    format!("{error} under [{}] in {}", listen.service, config.file_to_change())
}

/// The errors as lines; a single line if another ipcd holds everything.
fn told(errors: &[Unopened], config: &Config) -> Vec<String> {
    let other = errors.first().and_then(|first| first.owner.as_ref());
    let other = other.filter(|owner| owner.name == "ipcd" && !owner.is_this_process());
    match other {
        Some(ipcd)
            if !config.share_ports
                && errors.len() > 1
                && errors.iter().all(|error| error.owner.as_ref() == Some(ipcd)) =>
        {
            vec![format!(
                "ipcd is already running (pid {}) and holds {} and {} more; stop it, or choose other ports and paths in {}",
                ipcd.pid,
                errors[0].place,
                errors.len() - 1,
                config.file_to_change(),
            )]
        }
        _ => errors.iter().map(|error| error.line.clone()).collect(),
    }
}
