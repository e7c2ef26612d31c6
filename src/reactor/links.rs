//! The connections to servers that the engine asks for: their state. Knows no protocol.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::Registry;

use super::connect::Attempts;
use super::resolve::Resolver;
use super::slots::Attempt;
use crate::endpoint::ResolvedEndpoint;
use crate::engine::Engine;
use crate::engine::linking::LinkInput;
use crate::engine::message::Timestamp;
use crate::engine::uplink::{LinkId, LogEvent};
use crate::transport::connection::Connection;
#[cfg(feature = "tls")]
use crate::wire::tls::{Client, Connector};

/// How long to wait for one address before the next one is tried.
const CONNECT: Duration = Duration::from_secs(4);

/// Whether the bytes are encrypted.
#[derive(Debug)]
pub(super) enum Wire {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<Client>),
}

/// Limits the log lines about servers: one line for a server that is away, not one for each attempt; and a number of lines a
/// second, whatever others write into the room's log.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The last failures.
    told: Vec<String>,
    begun: Timestamp,
    lines: u32,
    suppressed: u64,
}

/// The most failures that are remembered, one for each server.
const TROUBLES_MAX: usize = 32;

/// Lines in a second: enough for a room of many instances that all join at once.
const LINES_PER_SECOND: u32 = 200;

impl Trouble {
    /// Whether one more line is written, and how many were suppressed in the second before.
    fn takes(&mut self, now: Timestamp) -> (bool, u64) {
        let mut missing = 0;
        if now.since(self.begun) >= Duration::from_secs(1) {
            missing = std::mem::take(&mut self.suppressed);
            (self.begun, self.lines) = (now, 0);
        }
        self.lines += 1;
        let takes = self.lines <= LINES_PER_SECOND;
        self.suppressed += u64::from(!takes);
        (takes, missing)
    }

    /// Logs each change of state once.
    pub(super) fn log(&mut self, now: Timestamp, event: &LogEvent) {
        let line = event.to_string();
        if matches!(event, LogEvent::Disconnected { .. }) {
            if self.told.contains(&line) {
                return;
            }
            self.told.truncate(TROUBLES_MAX - 1);
            self.told.insert(0, line.clone());
        } else if matches!(event, LogEvent::Up { .. }) {
            self.told.clear();
        }
        let (takes, missing) = self.takes(now);
        if missing > 0 {
            log::warn!("nats: {missing} more lines suppressed");
        }
        if takes {
            log::log!(level(event), "nats: {line}");
        }
    }
}

fn level(event: &LogEvent) -> log::Level {
    match event {
        LogEvent::Disconnected { .. }
        | LogEvent::Down(_)
        | LogEvent::Missed(_)
        | LogEvent::HistoryLost
        | LogEvent::Refused { .. }
        | LogEvent::StreamDiffers { .. }
        | LogEvent::Renamed { .. }
        | LogEvent::Foreign { .. } => log::Level::Warn,
        LogEvent::Up { .. }
        | LogEvent::Connected { .. }
        | LogEvent::LameDuck { .. }
        | LogEvent::StreamCreated { .. }
        | LogEvent::InstanceCame(_)
        | LogEvent::InstanceGone(_) => log::Level::Info,
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// The name that its certificate must have.
    #[cfg(feature = "tls")]
    pub(super) name: String,
    pub(super) progress: Progress,
}

#[derive(Debug)]
pub(super) enum Progress {
    /// Its server's name is being looked up.
    LookedUp,
    /// An address is being tried; the others are left.
    Tried(Attempt, VecDeque<SocketAddr>),
    /// It is open.
    Open(Open),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) wire: Wire,
    /// Set if the kernel has accepted less than it was offered, and no edge was seen since.
    pub(super) is_blocked: bool,
    /// Set if the kernel has reported the end of the input, or an error, which a read returns at last.
    pub(super) has_ended: bool,
}

/// All connections: one, and a second one while the engine changes servers.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) links: Vec<Link>,
    pub(super) resolver: Resolver<LinkId>,
    pub(super) trouble: Trouble,
    #[cfg(feature = "tls")]
    pub(super) connector: Option<Connector>,
}

impl Links {
    /// Whether there are any.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    pub(super) fn open_mut(&mut self, id: LinkId) -> Option<&mut Open> {
        match &mut self.get_mut(id)?.progress {
            Progress::Open(open) => Some(open),
            Progress::LookedUp | Progress::Tried(..) => None,
        }
    }

    /// Notes that reading from it ends with an end of file or an error.
    #[cold]
    pub(super) fn note_end(&mut self, number: u32) {
        if let Some(open) = self.open_mut(LinkId(number)) {
            open.has_ended = true;
        }
    }

    pub(super) fn remove(&mut self, id: LinkId) {
        // Closing its socket ends the registration.
        self.links.retain(|link| link.id != id);
    }

    #[cfg(feature = "tls")]
    pub(super) fn encrypt(&mut self, id: LinkId) -> Result<(), String> {
        let connector = self.connector.clone().ok_or("there is no authority for its certificate")?;
        let Some(link) = self.get_mut(id) else { return Ok(()) };
        let client = connector.connect(&link.name)?;
        match &mut link.progress {
            Progress::Open(open) if matches!(open.wire, Wire::Plain) => {
                open.wire = Wire::Tls(Box::new(client))
            }
            Progress::Open(_) | Progress::LookedUp | Progress::Tried(..) => {}
        }
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    pub(super) fn encrypt(&mut self, _: LinkId) -> Result<(), String> {
        Err("it wants TLS, and this ipcd was built without TLS".to_owned())
    }

    /// Tries the next address; `false`: there is none.
    pub(super) fn try_next(
        &mut self,
        id: LinkId,
        attempts: &mut Attempts,
        registry: &Registry,
        now: Timestamp,
    ) -> bool {
        let Some(link) = self.get_mut(id) else { return true };
        let Progress::Tried(attempt, rest) = &mut link.progress else { return true };
        let Some(address) = rest.pop_front() else { return false };
        *attempt = attempts.begin(registry, now, ResolvedEndpoint::Tcp(address), now + CONNECT);
        true
    }
}

impl Open {
    /// Writes what the wire holds and what the engine has.
    pub(super) fn write(&mut self, engine: &mut Engine, now: Timestamp, id: LinkId) -> io::Result<()> {
        let connection = &self.connection;
        loop {
            let said = engine.sharing().map_or(&[][..], |sharing| sharing.output(id));
            if said.is_empty() && !self.is_holding() {
                self.is_blocked = false;
                return Ok(());
            }
            let length = said.len();
            let sent = match &mut self.wire {
                Wire::Plain => connection.write(&[said]),
                #[cfg(feature = "tls")]
                Wire::Tls(tls) => tls.send(said, |bytes| connection.write(&[bytes])),
            };
            match sent {
                Ok(count) => {
                    engine.sharing_mut(now).handle(id, LinkInput::Sent(count));
                    if count < length || self.is_holding() {
                        self.is_blocked = true;
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn is_holding(&self) -> bool {
        match &self.wire {
            Wire::Plain => false,
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.is_holding(),
        }
    }

    /// Passes received bytes to the engine. Returns whether the other side has ended.
    pub(super) fn hear(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        id: LinkId,
        bytes: &[u8],
    ) -> Result<bool, String> {
        match &mut self.wire {
            Wire::Plain => {
                engine.sharing_mut(now).handle(id, LinkInput::Bytes(bytes));
                Ok(false)
            }
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => {
                let was_handshaking = tls.is_handshaking();
                let mut early = Vec::new();
                let ended = tls.receive(bytes, |plain| early.extend_from_slice(plain))?;
                if was_handshaking && !tls.is_handshaking() {
                    engine.sharing_mut(now).handle(id, LinkInput::Secured);
                }
                if !early.is_empty() {
                    engine.sharing_mut(now).handle(id, LinkInput::Bytes(&early));
                }
                Ok(ended)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_each_second_and_the_rest_is_counted() {
        let mut trouble = Trouble::default();
        let second = |second: u64| Timestamp::at(second * 1_000_000);
        let taken = (0..500).filter(|_| trouble.takes(second(5)).0).count();
        assert_eq!(taken, LINES_PER_SECOND as usize);
        assert_eq!(trouble.takes(second(6)), (true, 300));
        assert_eq!(trouble.takes(second(8)), (true, 0));
    }
}
