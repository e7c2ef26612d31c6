//! The only loop. Owns every descriptor and the clock; moves bytes between the kernel and the engine, and does what the
//! engine asks. Knows no service: it could not spell "chat".

mod budget;
mod clock;
mod datagrams;
mod fifos;
mod names;
mod readiness;
mod report;
mod signals;
mod slots;

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use rustix::io::Errno;

use crate::endpoint::Place;
use crate::engine::datagram::Ledger;
use crate::engine::limits::READ_BYTES_MAX;
use crate::engine::message::{Door, Input, Moment, Origin, Output, Peer, Request};
use crate::engine::record::piece::Piece;
use crate::engine::record::{Record, SavedSession};
use crate::engine::{Engine, SLICES_MAX};
use crate::transport::link::{Link, PIECES_MAX, Received};
use crate::transport::listener::Listener;

use clock::Clock;
use fifos::Standing;
use readiness::{Ready, Spare};
use report::{Report, Trouble};
pub use signals::Signal;
use signals::Signals;
use slots::{Gate, Slots, Source};

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 1024;

/// Connections accepted from one listener in one turn. Guessed; measure before trusting.
const ACCEPTS_PER_TURN: usize = 64;

/// The largest packet or datagram that is taken whole: more than a sender's buffer holds at its default size. Pages of the
/// buffer that nobody fills cost nothing.
const PACKET_BYTES_MAX: usize = 256 * 1024;

/// What a packet counts for in its peer's budget beside its bytes.
const PACKET_COST: usize = 128;

/// How long a listener waits that could accept nothing for want of a descriptor or memory, and a FIFO that failed: nothing
/// else may wake them.
const STARVED: Duration = Duration::from_millis(100);

/// How long nothing more may come, while the daemon stops, from a peer that has just sent as much as the kernel takes:
/// the rest of what it has written waits in its own kernel, until ours has room.
const DRYING: Duration = Duration::from_millis(100);

/// How often in a row epoll_wait(2) may fail: with what never comes from outside, and each time without having waited.
const POLL_FAILURES_MAX: u32 = 16;

// What is written in part may go on at once only if the kernel was given all of it.
const _: () = assert!(SLICES_MAX <= PIECES_MAX);

/// Said through the spare descriptor when there is no other.
const NO_DESCRIPTOR: &[u8] = b"Error: too many connections, try again later\n";

/// The most memory that the loop takes for so many connections, beside what they themselves hold.
pub fn memory_bytes_max(connections: usize) -> usize {
    // An event is 12 bytes (epoll_event, epoll_wait(2)), or 16.
    connections * (slots::CONNECTION_BYTES + names::NAME_BYTES_MAX) + PACKET_BYTES_MAX + EVENTS_PER_TURN * 16
}

/// What became of an attempt to refuse a connection for want of a descriptor.
enum Refusal {
    Told,
    NobodyWaits,
    /// It waits in the queue, until something is freed.
    Impossible,
}

/// What a turn leaves to the daemon.
#[derive(Debug, Default)]
pub struct Turn {
    /// Signals that came.
    pub signals: Vec<Signal>,
    /// What was asked for on the control service, to be answered with [`Input::Answer`].
    pub requests: Vec<(Peer, Request)>,
}

/// The loop and all that it owns.
pub struct Reactor {
    poll: Poll,
    events: Events,
    /// The daemon without its sockets.
    pub engine: Engine,
    slots: Slots,
    ready: Ready,
    signals: Signals,
    /// How often in a row epoll_wait(2) has failed.
    poll_failures: u32,
    clock: Clock,
    buffer: Box<[u8]>,
    spare: Spare,
    /// When listeners that starved, and FIFOs that failed, are tried again.
    starved: Option<Moment>,
    /// Peers are told to be dry once nothing more comes from them.
    stopping: bool,
    /// Peers that are dry if nothing comes from them until the moment.
    drying: VecDeque<(Moment, Peer)>,
    report: Report,
    fifos: Vec<Standing>,
    /// Why a pair of descriptors failed.
    failure: Option<io::Error>,
    /// What was asked of the daemon in this turn.
    requests: Vec<(Peer, Request)>,
}

/// Whether the kernel refused to watch a file because it never makes one wait (epoll_ctl(2), EPERM).
fn is_always_ready(registered: io::Result<()>) -> io::Result<bool> {
    match registered {
        Ok(()) => Ok(false),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => Ok(true),
        Err(error) => Err(error),
    }
}

impl Reactor {
    /// A reactor with nothing to wait for but signals, its clock at `now`.
    ///
    /// # Errors
    /// epoll or the signals are not to be had (EMFILE, ENFILE, ENOMEM); the text says which.
    pub fn new(engine: Engine, now: Moment) -> io::Result<Reactor> {
        let named = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
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
            spare: Spare::new(),
            starved: None,
            stopping: false,
            drying: VecDeque::new(),
            report: Report::default(),
            fifos: Vec::new(),
            failure: None,
            requests: Vec::new(),
        })
    }

    /// The time, as the engine is told it.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// One turn: wait, until `latest` at most, take in what came, see to what is due, send what is to be sent.
    ///
    /// # Errors
    /// epoll_wait(2) fails again and again, which no peer can bring about.
    pub fn turn(&mut self, latest: Option<Moment>) -> io::Result<Turn> {
        let timeout = self.timeout(latest);
        self.wait(timeout)?;
        let now = self.clock.advance(timeout);
        let signalled = self.note_readiness() || self.signals.have_come();
        self.feed_starved(now);
        self.look_at_drying(now);
        // Before deadlines, so that what came in time counts even if we were late.
        self.take_in(now);
        self.engine.handle(now, Input::Tick);
        self.report.take(now, &mut self.engine);
        self.finish(now);
        self.report.settle(now);
        if self.slots.reap() > 0 {
            self.spare.restore();
            self.ready.retry_starved();
        }
        self.engine.handle(now, Input::Turned(self.clock.since_reading()));
        let signals = if signalled { self.signals.pending() } else { Vec::new() };
        Ok(Turn { signals, requests: std::mem::take(&mut self.requests) })
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
        // No edge is lost by it, so that it costs nobody anything if it passes.
        self.poll_failures += 1;
        if self.poll_failures < POLL_FAILURES_MAX { Ok(()) } else { Err(error) }
    }

    /// How long to wait for events: not at all while work is left over.
    fn timeout(&self, latest: Option<Moment>) -> Option<Duration> {
        if !self.ready.is_empty() || self.engine.has_work() || self.signals.have_come() {
            return Some(Duration::ZERO);
        }
        let drying = self.drying.front().map(|(at, _)| *at);
        let deadlines = [self.engine.poll_deadline(), self.starved, self.report.deadline(), drying, latest];
        deadlines.into_iter().flatten().min().map(|deadline| self.clock.until(deadline))
    }

    /// Remembers what the kernel says: an edge is told once. Whether a signal came.
    fn note_readiness(&mut self) -> bool {
        let mut signalled = false;
        for event in self.events.iter() {
            match Source::of(event.token()) {
                Source::Signals => signalled = true,
                Source::Gate(gate) => self.ready.push(Source::Gate(gate)),
                Source::Peer(peer) => {
                    let Some(slot) = self.slots.get_mut(peer) else { continue }; // it was for a former tenant
                    let failed = event.is_error();
                    slot.ended |= event.is_read_closed() || failed;
                    if event.is_readable() || slot.ended {
                        slot.readable = true;
                        self.ready.push_peer(peer, slot);
                    }
                    if (event.is_writable() || failed) && std::mem::take(&mut slot.blocked) {
                        self.engine.handle(self.clock.now(), Input::Writable { peer });
                    }
                }
            }
        }
        signalled
    }

    /// Puts starved listeners back on the ready list when it is time to try again.
    fn feed_starved(&mut self, now: Moment) {
        if self.starved.is_some_and(|at| at <= now) {
            self.starved = None;
            self.spare.restore();
            self.ready.retry_starved();
            if !self.stopping {
                self.begin_fifos();
            }
        }
    }

    /// Reads once more from those from whom nothing has come for a while.
    fn look_at_drying(&mut self, now: Moment) {
        while self.drying.front().is_some_and(|(at, _)| *at <= now) {
            let Some((at, peer)) = self.drying.pop_front() else { return };
            if let Some(slot) = self.slots.get_mut(peer)
                && slot.drained == Some(at)
            {
                slot.readable = true;
                self.ready.push_peer(peer, slot);
            }
        }
    }

    // ---- in

    /// Accepts and reads, once for each on the ready list, and answers each before the next: what the kernel and the
    /// engine know of it is still in the processor's caches.
    fn take_in(&mut self, now: Moment) {
        for _ in 0..self.ready.len() {
            match self.ready.pop() {
                Some(Source::Gate(gate)) => self.accept(now, gate, ACCEPTS_PER_TURN),
                Some(Source::Peer(peer)) => self.read(now, peer),
                Some(Source::Signals) | None => {}
            }
            self.report.take(now, &mut self.engine);
            self.answer(now);
        }
    }

    fn accept(&mut self, now: Moment, gate: usize, budget: usize) {
        for _ in 0..budget {
            let Some(Gate { listener, door, .. }) = self.slots.gate(gate) else { return };
            let door = Rc::clone(door);
            if listener.is_for_datagrams() {
                match self.take_datagram(now, gate, &door) {
                    Ok(()) => continue,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    // An error of an earlier datagram's (ip(7)), or memory is short for this one: the next.
                    Err(error) => {
                        self.report.trouble(now, Trouble::Accept, &door, &error);
                        continue;
                    }
                }
            }
            match listener.accept() {
                Ok((link, origin)) => {
                    self.admit(now, link, origin, &door);
                    self.report.take(now, &mut self.engine);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match Errno::from_io_error(&error) {
                    // Said of an empty queue as well: the kernel looks for a descriptor first.
                    Some(Errno::MFILE | Errno::NFILE) => match self.refuse(now, gate, &door) {
                        Refusal::Told => {}
                        Refusal::NobodyWaits => return,
                        Refusal::Impossible => return self.starve(now, gate, &door, &error),
                    },
                    // The connection was gone before it was accepted, or its network failed (accept(2)): the next one.
                    Some(
                        Errno::CONNABORTED
                        | Errno::INTR
                        | Errno::PERM
                        | Errno::PROTO
                        | Errno::NOPROTOOPT
                        | Errno::NETDOWN
                        | Errno::NETUNREACH
                        | Errno::HOSTDOWN
                        | Errno::HOSTUNREACH
                        | Errno::NONET
                        | Errno::TIMEDOUT,
                    ) => {}
                    _ => return self.starve(now, gate, &door, &error),
                },
            }
        }
        self.ready.push(Source::Gate(gate));
    }

    fn admit(&mut self, now: Moment, link: Link, origin: Origin, door: &Rc<Door>) {
        let peer = match self.watch(link) {
            Ok(peer) => peer,
            Err(error) => return self.report.trouble(now, Trouble::Register, door, &error),
        };
        self.engine.handle(now, Input::Opened { peer, door, origin });
        // Who connects has often sent something already. Not to a service that speaks first: an event tells if it has. What
        // somebody has sent who is refused is read first, so that its last words are not lost with it.
        if self.engine.is_admitted(peer) && self.answer(now) {
            return;
        }
        if let Some(slot) = self.slots.get_mut(peer) {
            slot.readable = true;
        }
        self.read(now, peer);
        self.answer(now);
    }

    /// Takes one connection through the spare descriptor, tells it that there is no place, and closes it.
    fn refuse(&mut self, now: Moment, gate: usize, door: &Door) -> Refusal {
        let Some(Gate { listener, .. }) = self.slots.gate(gate) else { return Refusal::NobodyWaits };
        if !self.spare.lend() {
            return Refusal::Impossible;
        }
        let refusal = match listener.accept() {
            Ok((link, origin)) => {
                let _ = link.write(&[NO_DESCRIPTOR]);
                self.report.refused(now, door, origin);
                Refusal::Told
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Refusal::NobodyWaits,
            Err(_) => Refusal::Impossible,
        };
        self.spare.restore();
        refusal
    }

    /// An edge-triggered listener is not told when descriptors are free again: it is tried when one is closed here, and
    /// after a while.
    fn starve(&mut self, now: Moment, gate: usize, door: &Door, error: &io::Error) {
        self.report.trouble(now, Trouble::Accept, door, error);
        self.ready.starve(gate);
        self.starved.get_or_insert(now + STARVED);
    }

    fn read(&mut self, now: Moment, peer: Peer) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        slot.queued = false;
        if !slot.readable {
            return;
        }
        // Without a reader it does not matter what a pair's writer still says.
        if !self.engine.wants_input(peer) || slot.is_pair() && slot.failed() {
            if slot.failed() {
                self.lose(now, peer);
            }
            return; // `Output::Listen` will bring us back
        }
        if slot.is_packets() {
            return self.receive(now, peer);
        }
        match slot.read(&mut self.buffer[..READ_BYTES_MAX]) {
            Ok(0) => {
                slot.readable = false;
                self.engine.handle(now, Input::EndOfFile { peer });
            }
            Ok(count) => {
                let more = count == READ_BYTES_MAX;
                slot.torrent |= more;
                // A short read has drained the socket (epoll(7)), unless its end is waiting behind the bytes. Of a
                // terminal one read is one line.
                slot.readable = more || slot.ended || slot.is_pair();
                slot.more = more;
                if slot.readable {
                    self.ready.push_peer(peer, slot);
                }
                let drained = !slot.readable;
                self.engine.handle(now, Input::Bytes { peer, bytes: &self.buffer[..count], more });
                if drained {
                    self.dry(now, peer);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                slot.readable = false;
                if std::mem::take(&mut slot.more) {
                    // The burst ended exactly where our buffer did.
                    self.engine.handle(now, Input::Bytes { peer, bytes: &[], more: false });
                }
                self.dry(now, peer);
            }
            Err(error) => self.fail(now, peer, error),
        }
    }

    /// Takes packets, as many as one read takes bytes.
    fn receive(&mut self, now: Moment, peer: Peer) {
        let mut budget = READ_BYTES_MAX;
        loop {
            let Some(slot) = self.slots.get_mut(peer) else { return };
            if !self.engine.wants_input(peer) {
                return; // `Output::Listen` will bring us back
            }
            if budget == 0 {
                return self.ready.push_peer(peer, slot);
            }
            match slot.receive(&mut self.buffer) {
                Ok(Received::Packet { count, truncated }) => {
                    budget = budget.saturating_sub(count + PACKET_COST);
                    let bytes = &self.buffer[..count];
                    self.engine.handle(now, Input::Bytes { peer, bytes, more: truncated });
                }
                Ok(Received::End) => {
                    slot.readable = false;
                    return self.engine.handle(now, Input::EndOfFile { peer });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    slot.readable = false;
                    return self.dry(now, peer);
                }
                Err(error) => return self.fail(now, peer, error),
            }
        }
    }

    fn dry(&mut self, now: Moment, peer: Peer) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        let was_torrent = std::mem::take(&mut slot.torrent);
        if !self.stopping {
            return;
        }
        if was_torrent {
            let at = now + DRYING;
            slot.drained = Some(at);
            self.drying.push_back((at, peer));
        } else if slot.drained.is_none_or(|at| at <= now) {
            self.engine.handle(now, Input::Dry { peer });
        }
    }

    /// A descriptor failed. Of a socket that is its peer's doing, and of a pair that its reader has gone.
    fn fail(&mut self, now: Moment, peer: Peer, error: io::Error) {
        self.note_failed_fifo(now, peer, &error);
        if self.slots.get_mut(peer).is_some_and(|slot| slot.is_pair())
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.failure = Some(error);
        }
        self.lose(now, peer);
    }

    fn lose(&mut self, now: Moment, peer: Peer) {
        self.engine.handle(now, Input::Lost { peer });
    }

    // ---- out

    /// Does what the engine asks for those who were just listened to; whether that was anything.
    fn answer(&mut self, now: Moment) -> bool {
        let mut any = false;
        while let Some(output) = self.engine.poll_urgent() {
            any = true;
            self.carry_out(now, output);
        }
        any
    }

    /// Does what the engine asks, until it asks for nothing more in this turn.
    fn finish(&mut self, now: Moment) {
        while let Some(output) = self.engine.poll_output() {
            self.carry_out(now, output);
        }
    }

    fn carry_out(&mut self, now: Moment, output: Output) {
        match output {
            Output::Flush(peer) => self.flush(now, peer),
            Output::Retry(peer) => self.retry(now, peer),
            Output::ShutdownWrite(peer) => {
                match self.slots.get_mut(peer) {
                    // The reader has it in its pipe or file: there is nobody whose end of file could be waited for.
                    Some(slot) if slot.is_pair() => self.engine.handle(now, Input::EndOfFile { peer }),
                    Some(slot) => slot.shutdown_write(),
                    None => {}
                }
            }
            Output::Listen(peer) => {
                if let Some(slot) = self.slots.get_mut(peer)
                    && slot.readable
                {
                    self.ready.push_peer(peer, slot);
                }
            }
            Output::Acknowledge(peer) => {
                if let Some(slot) = self.slots.get_mut(peer) {
                    slot.acknowledge();
                }
            }
            Output::Ask(peer, request) => self.requests.push((peer, request)),
            Output::Close(peer) => self.close(peer),
            Output::Reset(peer) => self.slots.reset(peer),
        }
        self.report.take(now, &mut self.engine);
    }

    /// Writes until nothing is left or the kernel takes no more.
    fn flush(&mut self, now: Moment, peer: Peer) {
        loop {
            let Some(slot) = self.slots.get_mut(peer) else { return };
            if slot.blocked {
                return;
            }
            let outgoing = self.engine.outgoing(peer);
            let (wanted, is_part) = (outgoing.len(), outgoing.is_part());
            if wanted == 0 {
                return;
            }
            match slot.write(outgoing.slices()) {
                Ok(count) => {
                    slot.blocked = count < wanted && !slot.always_writable;
                    let blocked = slot.blocked;
                    self.engine.handle(now, Input::Sent { peer, bytes: count });
                    if blocked {
                        return self.engine.handle(now, Input::Blocked { peer });
                    }
                    if count == wanted && !is_part {
                        return; // what comes of it asks for another flush
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    slot.blocked = true;
                    return self.engine.handle(now, Input::Blocked { peer });
                }
                Err(error) => return self.fail(now, peer, error),
            }
        }
    }

    /// Writes to a peer for which the kernel takes nothing, as far as we know.
    fn retry(&mut self, now: Moment, peer: Peer) {
        let Some(slot) = self.slots.get_mut(peer).filter(|slot| slot.blocked) else { return };
        let outgoing = self.engine.outgoing(peer);
        if outgoing.is_empty() {
            slot.blocked = false;
            return self.engine.handle(now, Input::Writable { peer });
        }
        match slot.write(outgoing.slices()) {
            Ok(count) => {
                slot.blocked = false;
                self.engine.handle(now, Input::Sent { peer, bytes: count });
                self.engine.handle(now, Input::Writable { peer });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.engine.handle(now, Input::Blocked { peer });
            }
            Err(error) => self.fail(now, peer, error),
        }
    }

    // ---- what the daemon asks for

    /// Begins to accept from a listener.
    ///
    /// # Errors
    /// The listener cannot be watched (epoll_ctl(2): ENOMEM or ENOSPC).
    pub fn add(&mut self, listener: Listener, door: Door) -> io::Result<()> {
        let gate = self.slots.insert_gate(Gate { listener, door: Rc::new(door), ledger: Ledger::default() });
        let Some(Gate { listener, .. }) = self.slots.gate(gate) else { return Ok(()) };
        let fd = std::os::fd::AsRawFd::as_raw_fd(listener);
        let token = Source::Gate(gate).token();
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE) {
            self.slots.remove_gate(gate);
            return Err(error);
        }
        self.ready.push(Source::Gate(gate)); // somebody may wait there already
        Ok(())
    }

    /// The places that are listened on, and the door each is.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &Door)> {
        let gates = self.slots.gates().map(|(_, gate)| (gate.listener.place(), &*gate.door));
        gates.chain(self.fifos.iter().map(Standing::place_and_door))
    }

    /// The listener at a place.
    pub fn listener(&self, place: &Place) -> Option<&Listener> {
        self.slots.gates().map(|(_, gate)| &gate.listener).find(|listener| listener.place() == place)
    }

    /// Connections that come in at `place` from now on come in through another door.
    pub fn redirect(&mut self, place: &Place, door: Door) {
        self.redirect_fifo(place, &door);
        if let Some(gate) = self.gate_at(place) {
            self.slots.set_door(gate, Rc::new(door));
        }
    }

    /// Stops listening at a place, after what waits there, as much as its `backlog` lets wait, has been accepted.
    pub fn remove(&mut self, place: &Place, backlog: usize) {
        self.remove_fifo(place);
        self.accept_waiting(place, backlog);
        if let Some(gate) = self.gate_at(place) {
            self.slots.remove_gate(gate);
        }
    }

    fn gate_at(&self, place: &Place) -> Option<usize> {
        self.slots.gates().find(|(_, gate)| gate.listener.place() == place).map(|(index, _)| index)
    }

    // ---- a restart

    /// Every connection that can go on in another process; the record of them goes to `write`, piece by piece. Nothing
    /// changes here.
    ///
    /// # Errors
    /// What `write` says.
    pub fn save(&self, mut write: impl FnMut(&Piece<'_>) -> io::Result<()>) -> io::Result<Vec<&Link>> {
        let mut links = Vec::new();
        let mut handing = self.engine.hand_over(self.now());
        write(&handing.head())?;
        handing.machines().try_for_each(|piece| write(&piece))?;
        for peer in handing.peers() {
            let link = self.slots.link(peer);
            let Some(piece) = handing.session(peer, link.map_or(0, Link::number)) else { continue };
            write(&piece)?;
            // A FIFO's descriptors go their own way: see `fifos`.
            links.extend(link.filter(|link| link.output().is_none()));
        }
        write(&handing.end())?;
        Ok(links)
    }

    /// The listeners that nobody else keeps open, as far as another process can go on with them: a Unix socket's file and
    /// lock are this process's.
    pub fn own_listeners(&self) -> impl Iterator<Item = &Listener> {
        let listeners = self.slots.gates().map(|(_, gate)| &gate.listener);
        listeners.filter(|listener| {
            !listener.is_kept() && matches!(listener.place(), Place::Tcp(_) | Place::Udp(_))
        })
    }

    /// The listeners on Unix sockets that nobody else keeps open.
    pub fn own_unix_listeners(&self) -> impl Iterator<Item = &Listener> {
        let listeners = self.slots.gates().map(|(_, gate)| &gate.listener);
        listeners.filter(|listener| !listener.is_kept() && listener.place().path().is_some())
    }

    /// Accepts what waits at a place, as much as its `backlog` lets wait.
    pub fn accept_waiting(&mut self, place: &Place, backlog: usize) {
        if let Some(gate) = self.gate_at(place) {
            // The kernel lets one more wait than it was asked for.
            self.accept(self.clock.now(), gate, backlog + 1);
        }
    }

    /// Writes what waits for one peer, as far as the kernel takes it.
    pub fn deliver(&mut self, peer: Peer) {
        self.flush(self.clock.now(), peer);
    }

    /// Goes on with the connections of the process before, as far as they are there.
    pub fn restore(&mut self, record: Record, links: Vec<Link>) {
        let now = self.now();
        let mut links: HashMap<u64, Link> = links.into_iter().map(|link| (link.number(), link)).collect();
        let mut present: Vec<(Peer, SavedSession)> = Vec::new();
        let mut missing = Vec::new();
        for (number, saved) in record.sessions {
            let found = match saved.is_on_fifo() {
                true => self.restore_fifo(number),
                false => links.remove(&number).and_then(|link| self.watch(link).ok()),
            };
            match found {
                Some(peer) => present.push((peer, saved)),
                None => missing.push(saved),
            }
        }
        self.engine.restore_machines(now, record.machines);
        self.engine.restore(now, (record.history, record.log), present, missing);
        self.report.restore(&self.engine);
        self.begin_fifos();
    }

    /// Serves a connection that nobody had to accept.
    ///
    /// # Errors
    /// It cannot be watched (epoll_ctl(2): ENOMEM or ENOSPC).
    pub fn serve(&mut self, link: Link, origin: Origin, door: Door) -> io::Result<()> {
        let peer = self.watch(link)?;
        self.engine.handle(self.now(), Input::Opened { peer, door: &Rc::new(door), origin });
        Ok(())
    }

    /// Why a pair of descriptors failed, if that was nobody's leaving: a full disk, a directory to read from.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Gives a connection a place, and watches it.
    fn watch(&mut self, link: Link) -> io::Result<Peer> {
        let peer = self.slots.insert(link);
        let Some(slot) = self.slots.get_mut(peer) else { return Err(ErrorKind::NotFound.into()) };
        let token = Source::Peer(peer).token();
        let register =
            |fd: RawFd, interest| self.poll.registry().register(&mut SourceFd(&fd), token, interest);
        let registered = match slot.raw_fds() {
            (socket, None) => register(socket, Interest::READABLE | Interest::WRITABLE),
            // An input that is always ready is read from until its end: no event is missed.
            (input, Some(output)) => is_always_ready(register(input, Interest::READABLE)).and_then(|_| {
                slot.always_writable = is_always_ready(register(output, Interest::WRITABLE))?;
                Ok(())
            }),
        };
        if let Err(error) = registered {
            self.close(peer);
            return Err(error);
        }
        if slot.is_pair() {
            slot.readable = true; // epoll tells nothing of a regular file
            self.ready.push_peer(peer, slot);
        }
        Ok(peer)
    }

    fn close(&mut self, peer: Peer) {
        if let Some(slot) = self.slots.get_mut(peer)
            && let (input, Some(output)) = slot.raw_fds()
        {
            // Closing does not end the watch where somebody else has the same open file (epoll(7)), as with a FIFO.
            for fd in [input, output] {
                let _ = self.poll.registry().deregister(&mut SourceFd(&fd)); // a regular file is not watched
            }
        }
        self.slots.close(peer);
    }

    // ---- the end

    /// Begins to stop: takes what waits to be accepted, closes the listeners, and lets the engine finish within `grace`.
    pub fn stop(&mut self, grace: Duration, backlog: usize) {
        self.stopping = true;
        // FIFOs stay open: there is nobody to be sent away, and what is in them is to be answered.
        let places: Vec<Place> = self.slots.gates().map(|(_, gate)| gate.listener.place().clone()).collect();
        for place in &places {
            self.remove(place, backlog);
        }
        let now = self.clock.now();
        self.engine.handle(now, Input::Stop { by: now + grace });
        // What the kernel holds for us was received, whether we were told of it or not.
        let peers: Vec<Peer> = self.slots.peers().collect();
        for peer in peers {
            if let Some(slot) = self.slots.get_mut(peer) {
                slot.readable = true;
                self.ready.push_peer(peer, slot);
            }
        }
    }
}
