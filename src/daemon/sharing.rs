//! The room that this daemon shares with others: begun at a start, changed by a reload, left at a stop.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

use super::nats::Shared;
use super::{Daemon, Failure};
use crate::engine::linking::Beginning;
use crate::engine::record::Record;
use crate::engine::uplink::InstanceId;

/// How long a stop waits until a server has taken what the others must know.
const PARTING: Duration = Duration::from_secs(1);

/// Bytes that no other process has.
fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    // The kernel has them from the first moments of the machine on.
    let _ = getrandom(&mut bytes[..], GetRandomFlags::empty());
    bytes
}

impl Daemon {
    /// Shares the room from the start on, as the configuration says; what the process before knew of it is taken out of its
    /// record.
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

    /// Shares the room, or does so no more, as a new configuration says.
    pub(super) fn change_sharing(&mut self, shared: Option<Shared>) {
        match shared {
            Some(shared) if self.likeness.as_ref() == Some(&shared.likeness) => {}
            Some(shared) => {
                let beginning = Beginning::New(InstanceId(random()), u64::from_ne_bytes(random()));
                self.share(shared, beginning);
            }
            None if self.likeness.is_none() => {}
            None => {
                self.likeness = None;
                self.reactor.leave_servers();
            }
        }
    }

    fn share(&mut self, shared: Shared, beginning: Beginning) {
        self.likeness = Some(shared.likeness);
        #[cfg(feature = "tls")]
        self.reactor.connect_with(Some(shared.connector));
        let now = self.reactor.now();
        self.reactor.engine.share(now, shared.settings, beginning);
    }

    /// The daemon ends: the others learn at once that nobody is left here.
    pub(super) fn part_from_others(&mut self) -> Result<(), Failure> {
        let until = self.reactor.now() + PARTING;
        self.reactor.engine.part_from_others(self.reactor.now());
        while !self.reactor.engine.is_parted() && self.reactor.now() < until {
            let turn = self.reactor.turn(Some(until));
            turn.map_err(|error| Failure::Runtime(format!("epoll: {error}")))?;
        }
        Ok(())
    }
}
