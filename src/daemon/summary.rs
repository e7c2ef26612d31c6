//! The summary that SIGUSR1 writes to the log.

use super::Daemon;
use crate::engine::service::Service;

impl Daemon {
    pub(super) fn log_status(&self) {
        let engine = self.reactor.engine();
        let up = self.reactor.now().since(Default::default()).as_secs();
        log::info!(
            "status: up {up} s, {} connections, {} in the room, {} bytes in queues and tables ({} of them for {} clients), {} bytes received, {} bytes sent",
            engine.len(),
            engine.members(),
            engine.queued_bytes(),
            engine.roster_bytes(),
            engine.clients(),
            engine.counters().bytes_in(),
            engine.counters().bytes_out(),
        );
        for service in Service::ALL {
            let counters = engine.counters().of(service);
            let figures = [
                engine.connections_of(service) as u64,
                counters.connections,
                counters.refused,
                counters.messages,
                counters.errors(),
                counters.too_slow,
                counters.dropped(),
            ];
            if figures == [0; 7] {
                continue; // most services of most daemons
            }
            let [now, connections, refused, messages, errors, too_slow, dropped] = figures;
            log::info!(
                "status: {service}: {now} connections now, {connections} in all, {refused} refused, {messages} messages, {errors} errors, {too_slow} too slow, {dropped} dropped"
            );
        }
    }
}
