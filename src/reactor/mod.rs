//! The only loop. It owns every descriptor and the clock, moves bytes between the kernel and the engine, and executes the engine's
//! requests. Knows no service.

mod accept;
mod budget;
mod bytes;
mod calls;
mod clock;
mod connect;
mod datagrams;
mod handshakes;
#[cfg(feature = "nats")]
mod link;
#[cfg(feature = "nats")]
mod links;
mod listeners;
mod names;
mod pair_endpoint;
mod pairs;
mod readiness;
mod report;
#[cfg(feature = "nats")]
mod resolve;
mod restart;
mod rings;
mod signals;
mod slots;
mod stop;
mod watched;
mod wires;

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Poll};
use rustix::io::Errno;

use crate::engine::figures::Figures;
use crate::engine::limits::Settings;
use crate::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Request, Timestamp};
use crate::engine::transport::PACKET_BYTES_MAX;
use crate::engine::{Engine, SLICES_MAX};
use crate::transport::connection::{Connection, PIECES_MAX};

use crate::os_error::describe;
use clock::Clock;
use connect::Attempts;
use handshakes::Handshakes;
use pair_endpoint::PairEndpoint;
use readiness::{Ready, ReserveFd};
use report::EventLog;
pub use signals::Signal;
use signals::Signals;
pub use slots::Attempt;
use slots::{Closing, Slots, Source, Writing};
use watched::Watched;

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 1024;

/// Connections accepted from one listener in one turn. An estimate; measure before you change it.
const ACCEPTS_PER_TURN: usize = 64;

/// What a packet takes from its peer's budget, in addition to its bytes.
const PACKET_COST: usize = 128;

/// The pause of a listener after a lack of descriptors or memory, and of a pair after a failure. No event may end it.
const STARVED: Duration = Duration::from_millis(100);

/// How long a closing connection has to write the bytes that its wire holds. An estimate.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most consecutive failures of epoll_wait(2). No peer can cause one.
const POLL_FAILURES_MAX: u32 = 16;

// After a partial write, more may be written at once only if the kernel was offered everything.
const _: () = assert!(SLICES_MAX <= PIECES_MAX);

/// The loop's memory for this many connections, in addition to what they hold themselves.
pub fn memory_bytes_max(connections: usize) -> usize {
    // An event takes 12 bytes (epoll_event, epoll_wait(2)) or 16.
    connections * (slots::CONNECTION_BYTES + names::NAME_BYTES_MAX) + PACKET_BYTES_MAX + EVENTS_PER_TURN * 16
}

/// What a turn leaves for the daemon.
#[derive(Debug, Default)]
pub struct Turn {
    /// Received signals.
    pub signals: Vec<Signal>,
    /// Requests on the control service, to be [answered](Reactor::reply).
    pub requests: Vec<(ConnectionId, Request)>,
    /// The outcomes of attempts to [connect](Reactor::connect).
    pub connected: Vec<(Attempt, io::Result<Connection>)>,
}

/// The loop and everything that it owns.
pub struct Reactor {
    poll: Poll,
    events: Events,
    /// The daemon without its sockets.
    engine: Engine,
    slots: Slots,
    ready: Ready,
    signals: Signals,
    /// The number of consecutive failures of epoll_wait(2).
    poll_failures: u32,
    clock: Clock,
    buffer: Box<[u8]>,
    spare: ReserveFd,
    /// When paused listeners and failed pairs are tried again.
    accept_paused: Option<Timestamp>,
    /// The certificates for encrypted endpoints.
    #[cfg(feature = "tls")]
    acceptor: Option<crate::wire::tls::Acceptor>,
    handshakes: Handshakes,
    /// Peers that can be written to again, and whose wire holds bytes.
    holding: Vec<ConnectionId>,
    /// Closing connections whose wires still hold bytes.
    closing: VecDeque<(Timestamp, ConnectionId)>,
    /// Whether the daemon stops, so that the engine must be told when a peer's input is drained.
    stopping: bool,
    /// Peers whose input counts as drained if nothing comes until this time.
    quiescing: VecDeque<(Timestamp, ConnectionId)>,
    /// While the daemon stops: when the input of a peer was last read to the end.
    drained: HashMap<ConnectionId, Timestamp>,
    watched: Watched,
    attempts: Attempts,
    /// Whether connections are made from here: attempts, or those of a shared room. If not, they cost a turn nothing.
    is_calling: bool,
    /// The connections that the engine asks for.
    #[cfg(feature = "nats")]
    links: links::Links,
    report: EventLog,
    pairs: Vec<PairEndpoint>,
    /// Why a pair of descriptors failed.
    failure: Option<io::Error>,
    /// The requests to the daemon in this turn.
    requests: Vec<(ConnectionId, Request)>,
}

/// Whether the kernel refused to watch a file because it never blocks (epoll_ctl(2), EPERM).
fn is_always_ready(registered: io::Result<()>) -> io::Result<bool> {
    match registered {
        Ok(()) => Ok(false),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => Ok(true),
        Err(error) => Err(error),
    }
}

impl Reactor {
    /// A reactor that waits only for signals, with its clock at `now`.
    ///
    /// # Errors
    /// If epoll or the signals are not available (EMFILE, ENFILE, ENOMEM); the text says which.
    pub fn new(engine: Engine, now: Timestamp) -> io::Result<Reactor> {
        let named = |what: &str, error: io::Error| {
            io::Error::new(error.kind(), format!("{what}: {}", describe(&error)))
        };
        let poll = Poll::new().map_err(|error| named("epoll", error))?;
        let signals = Signals::new(poll.registry()).map_err(|error| named("signals", error))?;
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            engine,
            slots: Slots::default(),
            ready: Ready::default(),
            signals,
            poll_failures: 0,
            clock: Clock::start(now),
            buffer: vec![0; PACKET_BYTES_MAX].into(),
            spare: ReserveFd::new(),
            accept_paused: None,
            #[cfg(feature = "tls")]
            acceptor: None,
            handshakes: Handshakes::default(),
            holding: Vec::new(),
            closing: VecDeque::new(),
            stopping: false,
            quiescing: VecDeque::new(),
            drained: HashMap::new(),
            watched: Watched::default(),
            attempts: Attempts::default(),
            is_calling: false,
            #[cfg(feature = "nats")]
            links: links::Links::default(),
            report: EventLog::default(),
            pairs: Vec::new(),
            failure: None,
            requests: Vec::new(),
        })
    }

    /// The time that the engine gets.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// One turn: waits, at most until `latest`, receives input, handles what is due, and sends what is ready.
    ///
    /// # Errors
    /// If epoll_wait(2) fails again and again, which no peer can cause.
    pub fn turn(&mut self, latest: Option<Timestamp>) -> io::Result<Turn> {
        let timeout = self.timeout(latest);
        match self.poll_rings(timeout) {
            Some(timeout) => self.wait(timeout)?,
            None => self.events.clear(),
        }
        let now = self.clock.advance(timeout);
        let signalled = self.note_readiness() || self.signals.have_come();
        self.feed_starved(now);
        self.resume_quiescing(now);
        if self.is_calling {
            self.attempts.retry(self.poll.registry(), now);
        }
        if !self.holding.is_empty() {
            for peer in std::mem::take(&mut self.holding) {
                self.flush_held(now, peer);
            }
        }
        self.close_overdue(now);
        self.end_late_handshakes(now);
        // This comes before deadlines, so that timely input counts even if this turn is late.
        self.dispatch(now);
        self.engine.handle(now, Input::Tick);
        #[cfg(feature = "nats")]
        if self.is_calling {
            self.handle_links(now);
        }
        self.report.take(now, &mut self.engine);
        self.finish(now);
        self.report.settle(now);
        if self.slots.reap() > 0 {
            self.spare.restore();
            self.ready.retry_starved();
        }
        self.engine.handle(now, Input::Turned(self.clock.since_reading()));
        let signals = if signalled { self.signals.pending() } else { Vec::new() };
        let requests = std::mem::take(&mut self.requests);
        let connected = if self.is_calling { self.take_connected() } else { Vec::new() };
        Ok(Turn { signals, requests, connected })
    }

    /// Waits for events.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let outcome = self.poll.poll(&mut self.events, timeout);
        let Err(error) = outcome else {
            self.poll_failures = 0;
            return Ok(());
        };
        self.events.clear();
        if error.kind() == ErrorKind::Interrupted {
            return Ok(());
        }
        // It loses no edge, so the loop may continue.
        self.poll_failures += 1;
        if self.poll_failures < POLL_FAILURES_MAX { Ok(()) } else { Err(error) }
    }

    /// How long to wait for events: not at all while work is left.
    fn timeout(&self, latest: Option<Timestamp>) -> Option<Duration> {
        let has_work = !self.ready.is_empty() || self.engine.has_work() || self.attempts.has_settled();
        if has_work || self.signals.have_come() {
            return Some(Duration::ZERO);
        }
        let quiescing = self.quiescing.front().map(|(at, _)| *at);
        let closing = self.closing.front().map(|(at, _)| *at);
        let deadlines = [
            self.engine.poll_deadline(),
            self.accept_paused,
            if self.is_calling { self.call_deadline() } else { None },
            self.handshakes.deadline(),
            self.report.deadline(),
            quiescing,
            closing,
            latest,
        ];
        deadlines.into_iter().flatten().min().map(|deadline| self.clock.until(deadline))
    }

    /// Remembers the kernel's events, because an edge is reported only once. Returns whether a signal came.
    fn note_readiness(&mut self) -> bool {
        let mut signalled = false;
        for event in self.events.iter() {
            match Source::of(event.token()) {
                Source::Signals => signalled = true,
                source @ (Source::ListenerSlot(_) | Source::Attempt(_)) => self.ready.push(source),
                #[cfg(feature = "nats")]
                source @ Source::Link(link) => {
                    if event.is_read_closed() || event.is_error() {
                        self.links.note_end(link);
                    }
                    self.ready.push(source);
                }
                #[cfg(feature = "nats")]
                Source::Resolver => {} // with a shared room, every turn looks for its answers
                Source::ConnectionId(peer) => {
                    let Some(slot) = self.slots.get_mut(peer) else { continue }; // the event was for an earlier connection
                    let failed = event.is_error();
                    slot.ended |= event.is_read_closed() || failed;
                    if event.is_readable() || slot.ended {
                        slot.readable = true;
                        self.ready.push_peer(peer, slot);
                    }
                    if (event.is_writable() || failed) && slot.writing == Writing::Blocked {
                        if !slot.wire.is_handshaking() {
                            slot.writing = Writing::Free;
                            self.engine.handle(self.clock.now(), Input::Writable { peer });
                        }
                        if slot.wire.is_holding() {
                            self.holding.push(peer);
                        }
                    }
                }
            }
        }
        signalled
    }

    /// Puts paused listeners that are due back on the ready list.
    fn feed_starved(&mut self, now: Timestamp) {
        if self.accept_paused.is_some_and(|at| at <= now) {
            self.accept_paused = None;
            self.spare.restore();
            self.ready.retry_starved();
            if !self.stopping {
                self.begin_pairs();
            }
        }
    }

    // ---- input

    /// Accepts and reads, once for each entry of the ready list. Each peer is answered before the next one, while the data about it
    /// is in the processor's caches.
    fn dispatch(&mut self, now: Timestamp) {
        self.answer(now); // after this, a peer may be read from again
        for _ in 0..self.ready.len() {
            match self.ready.pop() {
                Some(Source::ListenerSlot(listener_slot)) => {
                    self.accept(now, listener_slot, ACCEPTS_PER_TURN)
                }
                Some(Source::ConnectionId(peer)) => self.read(now, peer),
                Some(Source::Attempt(attempt)) => self.attempts.settle(self.poll.registry(), attempt),
                #[cfg(feature = "nats")]
                Some(Source::Link(link)) => self.drive_link(now, link),
                #[cfg(feature = "nats")]
                Some(Source::Resolver) => {}
                Some(Source::Signals) | None => {}
            }
            self.report.take(now, &mut self.engine);
            self.answer(now);
        }
    }

    // ---- output

    /// Executes the engine's requests for the peers that were just read; returns whether there were any.
    pub(super) fn answer(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some(output) = self.engine.poll_urgent() {
            any = true;
            self.execute(now, output);
        }
        any
    }

    /// Executes the engine's requests until none is left in this turn.
    fn finish(&mut self, now: Timestamp) {
        loop {
            self.deliver_room(now);
            let Some(output) = self.engine.poll_output() else { return };
            self.execute(now, output);
        }
    }

    fn execute(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Flush(peer) => self.flush(now, peer),
            Output::Retry(peer) => self.retry(now, peer),
            Output::ShutdownWrite(peer) => {
                self.end_wire(now, peer, Closing::ShutdownWrite);
            }
            Output::Reading(peer, reading) => self.set_reading(peer, reading),
            Output::Acknowledge(peer) => {
                if let Some(slot) = self.slots.get_mut(peer) {
                    slot.acknowledge();
                }
            }
            Output::Ask(peer, request) => self.requests.push((peer, request)),
            Output::Close(peer) => self.end_wire(now, peer, Closing::Close),
            Output::Reset(peer) => self.reset(peer),
        }
        self.report.take(now, &mut self.engine);
    }

    // ---- for the daemon

    /// The engine, for queries.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Answers a request on the control service.
    pub fn reply(&mut self, peer: ConnectionId, lines: &[String]) {
        self.engine.handle(self.clock.now(), Input::Answer { peer, lines });
    }

    /// Gives a status report the figures that it waits for.
    pub fn tell_figures(&mut self, figures: Figures) {
        self.engine.handle(self.clock.now(), Input::Figures(figures));
    }

    /// The next line of the room for the transcript; call it after each turn until it returns `None`.
    pub fn poll_transcript(&mut self) -> Option<Box<str>> {
        self.engine.poll_transcript()
    }

    /// Applies new settings, also to open connections.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.watched.sharing_max = settings.sharing_max;
        self.engine.handle(self.clock.now(), Input::Reconfigure(Box::new(settings)));
    }

    /// Serves a connection that was not accepted from a listener.
    ///
    /// # Errors
    /// If it cannot be registered (epoll_ctl(2): ENOMEM or ENOSPC).
    pub fn serve(
        &mut self,
        connection: Connection,
        remote: RemoteAddress,
        binding: Binding,
    ) -> io::Result<()> {
        let peer = self.watch(connection)?;
        self.engine.handle(self.now(), Input::Opened { peer, binding: &Rc::new(binding), remote });
        Ok(())
    }

    /// Why a pair of descriptors failed, unless because its reader left: for example a full disk, or a directory as input.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Gives a connection a slot, and registers its descriptors.
    fn watch(&mut self, connection: Connection) -> io::Result<ConnectionId> {
        let peer = self.slots.insert(connection);
        let Some(slot) = self.slots.get_mut(peer) else { return Err(ErrorKind::NotFound.into()) };
        let token = Source::ConnectionId(peer).token();
        let mut always_writable = false;
        let registered = slot.sources().try_for_each(|source| {
            let registered =
                self.poll.registry().register(&mut SourceFd(&source.fd.as_raw_fd()), token, source.interest);
            // An input that is always ready is read until its end, without an event.
            always_writable |= is_always_ready(registered)? && source.interest.is_writable();
            Ok(())
        });
        if always_writable {
            slot.writing = Writing::Always;
        }
        if let Err(error) = registered {
            self.close(peer);
            return Err(error);
        }
        if !slot.is_socket() {
            slot.readable = true; // epoll reports nothing about a regular file
            self.ready.push_peer(peer, slot);
        }
        Ok(peer)
    }

    fn close(&mut self, peer: ConnectionId) {
        if let Some(slot) = self.slots.get_mut(peer) {
            for source in slot.sources().filter(|source| source.is_shared) {
                // A regular file is not registered.
                let _ = self.poll.registry().deregister(&mut SourceFd(&source.fd.as_raw_fd()));
            }
        }
        self.slots.close(peer);
    }
}
