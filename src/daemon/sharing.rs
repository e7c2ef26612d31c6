//! The room that this daemon shares with others: joined at a start, changed by a reload, left at a stop.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

use super::nats::Shared;
use super::{Daemon, Failure};
use crate::engine::linking::Beginning;
use crate::engine::record::Record;
use crate::engine::uplink::InstanceId;
use crate::reactor::Reactor;

/// How long a stop waits for a server to acknowledge that this daemon leaves.
const LEAVING: Duration = Duration::from_secs(1);

/// Random bytes, different in each process.
fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    // So few bytes never fail; after boot it waits for the first ones (getrandom(2)).
    let _ = getrandom(&mut bytes[..], GetRandomFlags::empty());
    bytes
}

impl Daemon {
    /// Shares the room from the start, if the configuration says so, with the state in the record of the previous process if
    /// there is one.
    pub(super) fn begin_sharing(&mut self, shared: Option<Shared>, mut record: Record) -> Record {
        if let Some(shared) = shared {
            let (instance, seed) = (InstanceId(random()), u64::from_ne_bytes(random()));
            let beginning = match record.shared.take() {
                Some(saved) => Beginning::Restored(saved, instance, seed),
                None => Beginning::New(instance, seed),
            };
            self.share(shared, beginning);
        }
        record
    }

    /// Starts or stops sharing the room, as a new configuration says.
    pub(super) fn change_sharing(&mut self, shared: Option<Shared>) {
        match shared {
            Some(shared) if self.shared.as_ref() == Some(&shared.config) => {}
            Some(shared) => {
                let beginning = Beginning::New(InstanceId(random()), u64::from_ne_bytes(random()));
                self.share(shared, beginning);
            }
            None if self.shared.is_none() => {}
            None => {
                self.shared = None;
                self.reactor.leave_servers();
            }
        }
    }

    fn share(&mut self, shared: Shared, beginning: Beginning) {
        self.shared = Some(shared.config);
        #[cfg(feature = "tls")]
        self.reactor.connect_with(Some(shared.connector));
        self.reactor.share(shared.settings, beginning);
    }

    /// Tells the other daemons that all members here leave, because this daemon stops.
    pub(super) fn leave_others(&mut self) -> Result<(), Failure> {
        let until = self.reactor.now() + LEAVING;
        self.reactor.leave_others();
        let has_left =
            |reactor: &Reactor| reactor.engine().sharing().is_none_or(|sharing| sharing.has_left());
        while !has_left(&self.reactor) && self.reactor.now() < until {
            let turn = self.reactor.turn(Some(until));
            turn.map_err(|error| Failure::Runtime(format!("epoll: {error}")))?;
        }
        Ok(())
    }
}
