//! A session on stats: reports go into the table. The list of all machines is sent piece by piece, a piece of it in a turn, as
//! fast as the peer reads, so that neither its length nor a slow reader affects other clients.

use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis;
use crate::engine::limits::OUTBOX_BYTES_HIGH;
use crate::engine::machines;
use crate::engine::machines::ListCursor;
use crate::engine::message::{RemoteAddress, Timestamp};
use crate::engine::service::Service;
use crate::engine::service::stats::{self, Message};
use crate::engine::text::quote;
use crate::engine::words;

impl Dialogue {
    /// Whether it is receiving a list; meanwhile its further requests wait.
    pub(super) fn is_telling(&self) -> bool {
        matches!(self.state, State::Stats(Some(_)))
    }

    pub(super) fn stats(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) {
        let unknown =
            |host: &str| format!("no machine is called '{}' (latest lists them)", quote(host.as_bytes()));
        let said = match stats::read(message) {
            Ok(Message::Report(mut report)) => {
                let host = report.host.take().unwrap_or_else(|| self.address());
                shared.roster.set_host(now, self.client(), &host);
                let (source, max) = (self.remote.into(), shared.settings.machines_max);
                #[cfg(feature = "nats")]
                if let Some(uplink) = shared.room.uplink_mut(now) {
                    uplink.share(&host, &report.text);
                }
                shared.machines.handle_report(now, source, host, report, max);
                Ok(words::DATA_RECEIVED.to_owned())
            }
            Ok(Message::Latest(None)) => {
                self.state = State::Stats(Some(Box::default()));
                return self.go_on_telling(shared, now);
            }
            Ok(Message::Latest(Some(host))) => {
                shared.machines.latest(now, &host).ok_or_else(|| unknown(&host))
            }
            Ok(Message::History(host)) => shared.machines.history(now, &host).ok_or_else(|| unknown(&host)),
            Ok(Message::Help) => Ok(stats::help()),
            Err(error) => Err(error),
        };
        match said {
            Ok(line) => self.say(&line),
            Err(error) => {
                self.err_about(shared, ErrorKind::Request, message, error);
                self.hint(shared, |shared| diagnosis::of_stats_request(message, self.context(shared)));
            }
        }
    }

    /// The name for a machine that gives none.
    fn address(&self) -> String {
        match self.remote {
            RemoteAddress::Address(address) => address.ip().to_canonical().to_string(),
            RemoteAddress::Process { .. }
            | RemoteAddress::Unknown { .. }
            | RemoteAddress::Input
            | RemoteAddress::Writers => "localhost".to_owned(),
        }
    }

    /// Whether more of the list waits for another turn.
    pub(super) fn tells_later(&self, shared: &EngineState) -> bool {
        self.is_telling()
            && self.is_serving()
            && !self.is_blocked()
            && self.outbox.len() < list_bytes_high(shared)
    }

    /// Queues more of the list, as much as may wait to be sent and fits into the turn.
    pub(super) fn go_on_telling(&mut self, shared: &mut EngineState, now: Timestamp) {
        let encoding = self.encoding();
        let high = list_bytes_high(shared);
        let State::Stats(list) = &mut self.state else { return };
        let Some(mut telling) = list.take() else { return };
        while self.outbox.len() < high && !shared.effort.is_over() {
            let Some((host, line)) = shared.machines.next(now, telling.after.as_deref()) else {
                return self.outbox.say(encoding, machines::last_line(telling.told));
            };
            *telling = ListCursor { after: Some(host.to_owned()), told: telling.told + 1 };
            self.outbox.say(encoding, line);
            shared.effort.count_machine();
        }
        *list = Some(telling);
    }
}

/// Bytes of the list that may wait to be sent.
fn list_bytes_high(shared: &EngineState) -> usize {
    OUTBOX_BYTES_HIGH.min(shared.settings.of(Service::Stats).backlog_bytes_max)
}
