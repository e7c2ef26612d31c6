//! Messages to the service manager: signs of life and the status line.

use std::time::Duration;

use super::Daemon;
use super::status::Status;
use crate::engine::message::Timestamp;
use crate::engine::service::Service;

/// The shortest time between two changes of the status line.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

impl Daemon {
    /// When the next message to the manager is due.
    pub(super) fn next_report(&self) -> Option<Timestamp> {
        let dates = [self.dates_due(), self.signals_due()].into_iter().flatten().min();
        if !self.manager.is_there() {
            return dates;
        }
        let news = (self.status.connections, self.status.messages) != self.state() || self.status.rate > 0;
        let status = news.then(|| self.status.at + STATUS_INTERVAL);
        let watchdog = self.manager.watchdog.map(|interval| self.fed + interval / 3);
        [status, watchdog, dates].into_iter().flatten().min()
    }

    #[cfg(feature = "tls")]
    fn dates_due(&self) -> Option<Timestamp> {
        self.dates_due
    }

    #[cfg(not(feature = "tls"))]
    fn dates_due(&self) -> Option<Timestamp> {
        None
    }

    /// Connections now, and messages since the start.
    fn state(&self) -> (usize, u64) {
        let engine = self.reactor.engine();
        let messages = Service::ALL.iter().map(|service| engine.counters().of(*service).messages);
        (engine.len(), messages.sum())
    }

    /// Sends a sign of life and the status line.
    pub(super) fn report_to_manager(&mut self) {
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

    pub(super) fn tell_status(&mut self) {
        let Status { connections, rate, reload, .. } = &self.status;
        let reload = match reload {
            None => "",
            Some((true, _)) => "; the last reload succeeded",
            Some((false, _)) => "; the last reload failed, see the log",
        };
        let line = format!("{connections} connections, {rate} requests a second{reload}");
        if line != self.status.line {
            self.manager.status(&line);
            self.status.line = line;
        }
    }
}
