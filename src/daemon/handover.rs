//! The handover from one process to the next at a restart, through the service manager: descriptors with these names, and
//! a record that describes them.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use std::{fmt, io};

use rustix::net::sockopt;

use super::record;
use super::unit::UnitSocket;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::record::Record;
use crate::host::fd_bundle;
use crate::host::manager::Manager;
use crate::host::raw::inherit::Inherited;
use crate::os_error::describe;
use crate::reactor::Reactor;
use crate::transport::connection::Connection;
use crate::transport::listener::{Listener, listening_place};
use crate::transport::pair::Pair;

/// Bundles of connections.
const CONNECTIONS: &str = "ipcd-connections";

/// Listeners that ipcd itself opened.
const LISTENER: &str = "ipcd-listener";

/// The ends of FIFOs: their contents survive while a process has them open.
const FIFO: &str = "ipcd-fifo";

/// The record of the connections.
const RECORD: &str = "ipcd-record";

/// What this process received at its start.
#[derive(Debug, Default)]
pub(super) struct TakenOver {
    /// Listening sockets.
    pub(super) listeners: Vec<(ResolvedEndpoint, Listener)>,
    /// Those that the manager also keeps.
    pub(super) units: Vec<UnitSocket>,
    /// The previous process's record of its connections.
    pub(super) record: Record,
    /// The connections, still bundled: a failed start takes none of them from the next attempt.
    pub(super) fd_bundles: Vec<OwnedFd>,
    /// Descriptors to hold until the FIFOs are open again.
    pub(super) fifos: Vec<OwnedFd>,
    /// What could not be used, one log line each.
    pub(super) warnings: Vec<String>,
}

impl TakenOver {
    /// Sorts the descriptors that were handed over.
    pub(super) fn of(inherited: Vec<Inherited>) -> TakenOver {
        let mut taken_over = TakenOver::default();
        let mut record = None;
        for Inherited { fd, name } in inherited {
            match name.as_str() {
                CONNECTIONS => taken_over.fd_bundles.push(fd),
                RECORD => record = Some(fd),
                FIFO => taken_over.fifos.push(fd),
                name => taken_over.take_listener(fd, name),
            }
        }
        match record.map(record::read) {
            Some(Ok(record)) => taken_over.record = record,
            Some(Err(error)) => taken_over.warnings.push(format!(
                "the record of connections before the restart cannot be read: {error}; they are closed"
            )),
            None if taken_over.fd_bundles.is_empty() => {}
            None => taken_over.warnings.push(
                "connections were kept over a restart, but without a record; they are closed".to_owned(),
            ),
        }
        taken_over
    }

    fn take_listener(&mut self, fd: OwnedFd, name: &str) {
        let kept = name != LISTENER;
        let is_dual = sockopt::ipv6_v6only(&fd) == Ok(false);
        let listener = listening_place(&fd).and_then(|place| {
            Ok((place.clone(), Listener::inherited(fd, place, kept).map_err(|error| describe(&error))?))
        });
        match listener {
            Ok(listener) => {
                if kept {
                    let (place, name) = (listener.0.clone(), name.to_owned());
                    self.units.push(UnitSocket { place, name, is_dual });
                }
                self.listeners.push(listener);
            }
            Err(what) => self.warnings.push(format!(
                "the descriptor {} that was handed over is {what}; it is closed; correct ipcd.socket",
                name.escape_default()
            )),
        }
    }
}

/// Unpacks the bundles. Connections that cannot be restored are closed, with a line in the log.
pub(super) fn unpack(fd_bundles: Vec<OwnedFd>) -> Vec<Connection> {
    let mut descriptors = Vec::new();
    for fd_bundle in fd_bundles {
        match fd_bundle::unpack(fd_bundle) {
            Ok(some) => descriptors.extend(some),
            Err(error) => {
                log::warn!(
                    "connections from before the restart cannot be restored: {}; they are closed",
                    describe(&error)
                );
            }
        }
    }
    Connection::all_of(descriptors)
}

/// Makes the manager forget what it kept: a copy of a connection held elsewhere would hide its end from the peer.
pub(super) fn forget(manager: &Manager) {
    [CONNECTIONS, LISTENER, FIFO, RECORD].iter().for_each(|name| manager.forget(name));
}

/// Makes the manager forget only the listeners, and waits for that: until then their addresses are in use.
///
/// # Errors
/// The manager did not do so within a few seconds.
pub(super) fn forget_listeners(manager: &Manager) -> io::Result<()> {
    manager.forget(LISTENER);
    manager.wait_until_seen()
}

/// What the manager received.
#[derive(Debug)]
pub(super) struct HandedOver {
    connections: usize,
    record_bytes: u64,
    /// The time to write the record; no client was served during this time.
    record_took: Duration,
}

impl fmt::Display for HandedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HandedOver { connections, record_bytes, record_took } = self;
        write!(
            f,
            "handed over {connections} connections to the service manager, with a record of {record_bytes} bytes, written in {:.1} ms",
            1e3 * record_took.as_secs_f64()
        )
    }
}

/// Gives everything to the manager. Afterwards this process must exit without sending anything to a peer.
///
/// # Errors
/// The manager did not accept it. It is told to forget what it has accepted.
pub(super) fn hand_over(reactor: &Reactor, manager: &Manager) -> io::Result<HandedOver> {
    let outcome = try_hand_over(reactor, manager);
    if outcome.is_err() {
        forget(manager);
    }
    outcome
}

fn try_hand_over(reactor: &Reactor, manager: &Manager) -> io::Result<HandedOver> {
    let begun = Instant::now();
    let (memory, connections) = record::write(|write| reactor.save(write))?;
    let record_took = begun.elapsed();
    let record_bytes = memory.metadata()?.len();
    let descriptors: Vec<_> = connections
        .iter()
        .copied()
        .flat_map(|connection| std::iter::once(connection.as_fd()).chain(connection.others()))
        .collect();
    let fd_bundles = fd_bundle::pack(&descriptors)?;
    let fd_bundles: Vec<_> = fd_bundles.iter().map(AsFd::as_fd).collect();
    let listeners: Vec<_> = reactor.own_listeners().map(AsFd::as_fd).collect();
    manager.store(RECORD, &[memory.as_fd()])?;
    manager.store(LISTENER, &listeners)?;
    let fifos: Vec<_> = reactor.pairs().flat_map(Pair::descriptors).collect();
    manager.store(FIFO, &fifos)?;
    manager.store(CONNECTIONS, &fd_bundles)?;
    manager.wait_until_seen()?;
    reactor.pairs().for_each(Pair::hand_over);
    Ok(HandedOver { connections: connections.len(), record_bytes, record_took })
}
