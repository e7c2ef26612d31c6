//! The reactor's work for the engine's own connections: names are looked up; connections are made, encrypted, read and written.
//! There are none unless the engine asks for them. Knows no protocol.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mio::Interest;
use mio::unix::SourceFd;

use super::Reactor;
use super::links::{Link, Open, Progress, Wire};
use super::slots::{Attempt, Source};
use crate::engine::limits::READ_BYTES_MAX;
use crate::engine::linking::{Beginning, LinkInput, LinkRequest};
use crate::engine::message::Timestamp;
use crate::engine::uplink::{LinkId, Server, Settings};
use crate::os_error::describe;
use crate::transport::connection::Connection;
#[cfg(feature = "tls")]
use crate::wire::tls::Connector;

/// Reads of one connection in a turn, so that a fast server does not hold up the clients.
const READS_PER_TURN: usize = 16; // an estimate; measure before you change it

impl Reactor {
    /// What encrypted servers must present.
    #[cfg(feature = "tls")]
    pub fn connect_with(&mut self, connector: Option<Connector>) {
        self.links.connector = connector;
    }

    /// Shares the room with other daemons from now on, or applies changed settings.
    pub fn share(&mut self, settings: Settings, beginning: Beginning) {
        self.is_calling = true;
        self.engine.sharing_mut(self.now()).begin(settings, beginning);
    }

    /// Whether there is a shared room, or still a connection of an earlier one.
    pub(super) fn has_links(&self) -> bool {
        self.engine.sharing().is_some() || !self.links.is_empty()
    }

    /// Tells the other daemons that all members here leave. The next turns send it.
    pub fn leave_others(&mut self) {
        self.engine.sharing_mut(self.now()).leave();
    }

    /// Ends the sharing of the room. The last messages for the others are sent, if the server accepts them at once.
    pub fn leave_servers(&mut self) {
        let now = self.now();
        self.leave_others();
        for id in self.links.links.iter().map(|link| link.id).collect::<Vec<_>>() {
            self.close_link(now, id);
        }
        self.engine.sharing_mut(now).end();
    }

    /// Executes the engine's requests, and writes its output. Called once in a turn, if there is a shared room. It is no part of the
    /// turn's own code, which costs nothing more without such a room.
    #[inline(never)]
    pub(super) fn handle_links(&mut self, now: Timestamp) {
        self.take_link_answers(now);
        self.engine.sharing_mut(now).tick();
        // Each request ends with an input, which may cause another request; before it tries again, the engine pauses.
        while let Some(request) = self.engine.sharing_mut(now).poll() {
            match request {
                LinkRequest::Connect(link, server) => self.look_up(now, link, server),
                LinkRequest::Close(link) => self.close_link(now, link),
            }
        }
        let ids: Vec<LinkId> = self.links.links.iter().map(|link| link.id).collect();
        for id in ids {
            self.write_link(now, id, false);
        }
        while let Some(event) = self.engine.sharing_mut(now).poll_event() {
            self.links.trouble.log(now, &event);
        }
    }

    fn look_up(&mut self, now: Timestamp, id: LinkId, server: Server) {
        let asked = self.links.resolver.ask(self.poll.registry(), id, &server.host, server.port);
        self.links.links.push(Link {
            id,
            #[cfg(feature = "tls")]
            name: server.name,
            progress: Progress::LookedUp,
        });
        match asked {
            Ok(None) => {}
            Ok(Some((id, found))) => self.try_addresses(now, id, found),
            Err(error) => self.lose_link(now, id, &describe(&error)),
        }
    }

    fn try_addresses(&mut self, now: Timestamp, id: LinkId, found: io::Result<Vec<SocketAddr>>) {
        let Some(link) = self.links.get_mut(id).filter(|link| matches!(link.progress, Progress::LookedUp))
        else {
            return; // the engine has closed this link
        };
        match found {
            Ok(addresses) => {
                link.progress = Progress::Tried(Attempt::NONE, addresses.into());
                if !self.links.try_next(id, &mut self.attempts, self.poll.registry(), now) {
                    self.lose_link(now, id, "its host name has no address");
                }
            }
            Err(error) => {
                self.lose_link(now, id, &format!("its host name cannot be looked up: {}", describe(&error)))
            }
        }
    }

    /// Takes answers about names, and outcomes of attempts.
    fn take_link_answers(&mut self, now: Timestamp) {
        while let Some((id, found)) = self.links.resolver.poll() {
            self.try_addresses(now, id, found);
        }
        let links = &self.links.links;
        let of = |attempt: Attempt| {
            let is_of = |link: &&Link| matches!(link.progress, Progress::Tried(own, _) if own == attempt);
            links.iter().find(is_of).map(|link| link.id)
        };
        let settled = self.attempts.take_settled_if(|attempt| of(attempt).is_some());
        let settled: Vec<_> = settled.into_iter().map(|(attempt, outcome)| (of(attempt), outcome)).collect();
        for (id, outcome) in settled {
            let Some(id) = id else { continue };
            match outcome {
                Ok(connection) => self.open_link(now, id, connection),
                Err(error) => {
                    if !self.links.try_next(id, &mut self.attempts, self.poll.registry(), now) {
                        self.lose_link(now, id, &describe(&error));
                    }
                }
            }
        }
    }

    fn open_link(&mut self, now: Timestamp, id: LinkId, connection: Connection) {
        let registry = self.poll.registry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = connection.sources().into_iter().flatten().try_for_each(|source| {
            registry.register(&mut SourceFd(&source.fd.as_raw_fd()), Source::Link(id.0).token(), interest)
        });
        if let Err(error) = registered {
            return self.lose_link(now, id, &describe(&error));
        }
        if let Some(link) = self.links.get_mut(id) {
            link.progress =
                Progress::Open(Open { connection, wire: Wire::Plain, is_blocked: false, has_ended: false });
        }
        self.engine.sharing_mut(now).handle(id, LinkInput::Opened);
        self.encrypt_if_wanted(now, id);
    }

    /// Begins to encrypt the connection, if the engine wants that now.
    fn encrypt_if_wanted(&mut self, now: Timestamp, id: LinkId) {
        if !self.engine.sharing().is_some_and(|sharing| sharing.is_to_be_encrypted(id)) {
            return;
        }
        match self.links.encrypt(id) {
            Ok(()) => self.write_link(now, id, true),
            Err(reason) => self.lose_link(now, id, &reason),
        }
    }

    /// Closes a connection that the engine no longer needs. Its last output is sent if the kernel accepts it.
    fn close_link(&mut self, now: Timestamp, id: LinkId) {
        if let Some(open) = self.links.open_mut(id) {
            let _ = open.write(&mut self.engine, now, id);
        }
        self.links.remove(id);
        self.engine.sharing_mut(now).forget(id);
    }

    /// Reads from a connection, and writes to it again.
    #[inline(never)]
    pub(super) fn drive_link(&mut self, now: Timestamp, number: u32) {
        let id = LinkId(number);
        for _ in 0..READS_PER_TURN {
            if self.engine.sharing().is_some_and(|sharing| sharing.is_busy()) {
                break; // first the members are offered everything
            }
            let Some(open) = self.links.open_mut(id) else { return };
            match open.connection.read(&mut self.buffer[..READ_BYTES_MAX]) {
                Ok(0) => return self.lose_link(now, id, ""),
                Ok(count) => {
                    // A short read has drained the socket (epoll(7)), unless its end follows.
                    let is_drained = count < READ_BYTES_MAX && !open.has_ended;
                    match open.hear(&mut self.engine, now, id, &self.buffer[..count]) {
                        Ok(false) => self.encrypt_if_wanted(now, id),
                        Ok(true) => return self.lose_link(now, id, ""),
                        Err(reason) => {
                            // The alert tells the server the reason.
                            let _ = open.write(&mut self.engine, now, id);
                            return self.lose_link(now, id, &reason);
                        }
                    }
                    if is_drained {
                        return self.write_link(now, id, true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.write_link(now, id, true);
                }
                Err(error) => return self.lose_link(now, id, &describe(&error)),
            }
        }
        self.ready.push(Source::Link(number));
        self.write_link(now, id, true);
    }

    /// `again`: an event has reported that the kernel may accept more.
    fn write_link(&mut self, now: Timestamp, id: LinkId, again: bool) {
        let Some(open) = self.links.open_mut(id).filter(|open| again || !open.is_blocked) else { return };
        if let Err(error) = open.write(&mut self.engine, now, id) {
            self.lose_link(now, id, &describe(&error));
        }
    }

    /// `reason`: empty if the other side has closed without an error.
    fn lose_link(&mut self, now: Timestamp, id: LinkId, reason: &str) {
        self.links.remove(id);
        self.engine.sharing_mut(now).handle(id, LinkInput::Lost(reason));
    }
}
