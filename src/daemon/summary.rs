//! The summary that SIGUSR1 writes to the log.

use super::Daemon;
use crate::engine::service::Service;

impl Daemon {
    pub(super) fn log_status(&self) {
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
                counters.dropped(),
            );
        }
    }
}
