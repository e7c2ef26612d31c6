//! The engine behind wires with records, driven as the reactor drives it: output is impossible before a handshake of several turns,
//! output is accepted before it is written, records are cut anywhere, and peers refuse, leave in the middle, send no end, or send
//! plain text. Correct peers receive exactly the expected input, and no peer receives any of it unencrypted.

mod codec;
mod end;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::encryption::EncryptionEvent;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{
    Binding, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use super::random::Random;
use super::totals::Totals;
use codec::{Heard, Phase};
use end::{After, End};

/// As in the reactor.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The turns in which a peer completes its handshake.
const TURNS_OF_CALM: usize = 20;

/// The turns after which all peers must be gone.
const TURNS_TO_END: usize = 20_000;

const PEERS_MAX: usize = 12;

struct World {
    random: Random,
    engine: Engine,
    now: Timestamp,
    ends: Vec<End>,
    serial: usize,
    totals: Totals,
}

pub fn run(seed: u64, steps: u64, step: &Cell<u64>) -> Totals {
    let mut world = World {
        random: Random::new(seed),
        engine: Engine::new(Settings::default()),
        now: Timestamp::at(0),
        ends: Vec::new(),
        serial: 0,
        totals: Totals::default(),
    };
    for at in 0..steps {
        step.set(at);
        if world.ends.len() < PEERS_MAX && world.random.percent(20) {
            world.open();
        }
        world.turn();
    }
    world.finish(seed);
    world.totals.add("steps", steps);
    world.totals
}

impl World {
    fn open(&mut self) {
        self.serial += 1;
        let peer = ConnectionId { index: self.serial as u32, generation: 1 };
        let service =
            self.random.pick(&[Service::Multiply, Service::Multiply, Service::Chat, Service::Greeting]);
        let end = End::any(&mut self.random, peer, service, self.now, self.serial);
        let binding = Binding { endpoint: "tls:x".into(), service, transport: Transport::TLS, allowed: None };
        let remote = RemoteAddress::Address(([127, 0, 0, 1], 1024 + (self.serial % 60_000) as u16).into());
        self.ends.push(end);
        self.tell(Input::Opened { peer, binding: &Rc::new(binding), remote });
    }

    fn at(&mut self, peer: ConnectionId) -> Option<&mut End> {
        self.ends.iter_mut().find(|end| end.peer == peer && end.is_open)
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while let Some(event) = self.engine.poll_event() {
            let Some(end) = event.peer.and_then(|peer| self.at(peer)) else { continue };
            match event.what {
                EventKind::Secured(_) => end.told.secured += 1,
                EventKind::Unsecured(_) => end.told.failed += 1,
                EventKind::Truncated => end.told.truncated += 1,
                EventKind::Said(_) => {
                    assert!(end.server.phase != Phase::Silent, "{end}: a message before the handshake");
                }
                EventKind::Closed(reason) => end.told.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// Every peer may act, and then the engine has its turn.
    fn turn(&mut self) {
        let hurry = self.random.percent(10);
        for end in &mut self.ends {
            if hurry || self.random.percent(60) {
                end.act(&mut self.random);
            }
        }
        let micros = match self.random.below(1000) {
            0 => 4_000_000,
            1..400 => self.random.below(3000) as u64,
            _ => 0,
        };
        self.now = self.now + Duration::from_micros(micros);
        let peers: Vec<ConnectionId> = self.ends.iter().map(|end| end.peer).collect();
        for peer in &peers {
            self.write_again(*peer);
            self.give_up(*peer);
            self.read(*peer);
            while let Some(output) = self.engine.poll_urgent() {
                self.obey(output);
            }
        }
        self.tell(Input::Tick);
        while let Some(output) = self.engine.poll_output() {
            self.obey(output);
        }
        self.engine.check();
        let (gone, there) = std::mem::take(&mut self.ends).into_iter().partition(End::is_over);
        self.ends = there;
        for mut end in gone {
            end.judge(&mut self.totals);
        }
    }

    fn read(&mut self, peer: ConnectionId) {
        let max = self.random.pick(&[1, 3, 20, 100_000]);
        let Some(end) = self.at(peer) else { return };
        let is_handshaking = end.server.is_handshaking();
        if end.is_reset {
            return self.tell(Input::Lost { peer });
        }
        if end.has_read_end || !end.is_wanted && !is_handshaking {
            return;
        }
        let count = end.inbound.len().min(max);
        if count == 0 {
            if end.fin {
                self.read_end(peer);
            }
            return;
        }
        let bytes: Vec<u8> = end.inbound.drain(..count).collect();
        let more = !end.inbound.is_empty();
        if end.is_plain {
            return self.tell(Input::Bytes { peer, bytes: &bytes, more });
        }
        let mut goes_on = false;
        for heard in end.server.receive(&bytes) {
            goes_on = matches!(&heard, Heard::Bytes(_, another) if *another || more);
            self.hear(peer, heard, more);
        }
        if goes_on && !more {
            // The following bytes are not part of the conversation.
            self.tell(Input::Bytes { peer, bytes: &[], more: false });
        }
        self.flush_held(peer);
        if is_handshaking {
            self.continue_handshake(peer);
        }
    }

    fn hear(&mut self, peer: ConnectionId, heard: Heard, more: bool) {
        let event = match heard {
            Heard::Bytes(bytes, another) => {
                let more = another || more;
                return self.tell(Input::Bytes { peer, bytes: &bytes, more });
            }
            Heard::End => {
                if let Some(end) = self.at(peer) {
                    end.has_read_end = true;
                }
                return self.tell(Input::EndOfFile { peer });
            }
            Heard::Opened => EncryptionEvent::Begun { how: "no cipher", name: None },
            Heard::Failed => EncryptionEvent::Failed("a strange record"),
            Heard::PlainText => {
                if let Some(end) = self.at(peer) {
                    (end.is_plain, end.server.phase) = (true, Phase::Failed);
                }
                EncryptionEvent::Missing
            }
        };
        self.tell(Input::Encryption { peer, event });
    }

    fn read_end(&mut self, peer: ConnectionId) {
        let Some(end) = self.at(peer) else { return };
        end.has_read_end = true;
        let phase = end.server.phase;
        if !end.is_plain {
            match phase {
                Phase::Silent | Phase::Handshake => {
                    end.server.phase = Phase::Failed;
                    self.hear(peer, Heard::Failed, false);
                }
                Phase::Open | Phase::Ended => {
                    self.tell(Input::Encryption { peer, event: EncryptionEvent::Truncated });
                }
                Phase::Failed => {}
            }
        }
        self.tell(Input::EndOfFile { peer });
    }

    fn give_up(&mut self, peer: ConnectionId) {
        let now = self.now;
        let Some(end) = self.at(peer).filter(|end| end.server.is_handshaking()) else { return };
        if end.since + HANDSHAKE > now {
            return;
        }
        if end.server.phase == Phase::Silent {
            self.hear(peer, Heard::PlainText, false);
        } else {
            end.server.phase = Phase::Failed;
            self.hear(peer, Heard::Failed, false);
        }
        self.continue_handshake(peer);
    }

    fn continue_handshake(&mut self, peer: ConnectionId) {
        let Some(end) = self.at(peer) else { return };
        if !end.server.is_handshaking() && end.blocked {
            end.blocked = false;
            self.tell(Input::Writable { peer });
            self.flush_held(peer);
            self.flush(peer);
        }
    }

    /// There is room again.
    fn write_again(&mut self, peer: ConnectionId) {
        let Some(end) = self.at(peer) else { return };
        if end.blocked && end.outbound.len() < end.room {
            if !end.server.is_handshaking() {
                end.blocked = false;
                self.tell(Input::Writable { peer });
            }
            self.flush_held(peer);
        }
    }

    fn flush_held(&mut self, peer: ConnectionId) {
        let Some(end) = self.at(peer) else { return };
        if !end.write_held() {
            if end.server.is_handshaking() {
                return;
            }
            end.blocked = true;
            return self.tell(Input::Blocked { peer });
        }
        match end.after {
            After::Conversation => {}
            After::Shutdown => end.shut = true,
            After::Close => end.is_open = false,
        }
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let Some(end) = self.ends.iter_mut().find(|end| end.peer == peer && end.is_open) else { return };
            if end.blocked {
                return;
            }
            let outgoing = self.engine.outgoing(peer);
            let wanted = outgoing.len();
            if wanted == 0 {
                return;
            }
            let sent = end.send(&outgoing.slices().concat());
            let is_stuck = sent.is_some_and(|count| end.is_stuck(count == wanted));
            match sent {
                Some(count) => {
                    end.blocked = is_stuck;
                    self.tell(Input::Sent { peer, bytes: count });
                    if is_stuck {
                        self.totals.count("wires: blocked");
                        return self.tell(Input::Blocked { peer });
                    }
                }
                None if end.server.phase == Phase::Failed && !end.is_plain => {
                    return self.tell(Input::Lost { peer });
                }
                None => {
                    end.blocked = true;
                    return self.tell(Input::Blocked { peer });
                }
            }
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Flush(peer) => self.flush(peer),
            Output::Retry(peer) => {
                self.write_again(peer);
                if self.at(peer).is_some_and(|end| end.blocked) {
                    self.tell(Input::Blocked { peer });
                }
            }
            Output::ShutdownWrite(peer) => self.end_wire(peer, After::Shutdown),
            Output::Close(peer) => self.end_wire(peer, After::Close),
            Output::Reading(peer, is_wanted) => {
                if let Some(end) = self.at(peer) {
                    end.is_wanted = is_wanted;
                }
            }
            Output::Acknowledge(_) => {}
            Output::Ask(peer, _) => panic!("{peer:?} has not asked for anything"),
            Output::Reset(peer) => {
                if let Some(end) = self.at(peer) {
                    end.server.end();
                    end.write_held();
                    end.is_open = false;
                }
            }
        }
    }

    fn end_wire(&mut self, peer: ConnectionId, after: After) {
        let Some(end) = self.at(peer) else { return };
        if end.after == After::Conversation {
            end.server.end();
        }
        end.after = after;
        self.flush_held(peer);
    }

    /// All peers leave, or are closed, or another process continues.
    fn finish(&mut self, seed: u64) {
        if seed.is_multiple_of(3) {
            // A late client, when most of the others are blocked or closing.
            self.open();
            (0..TURNS_OF_CALM).for_each(|_| self.turn());
            let peers: Vec<ConnectionId> = self.ends.iter().map(|end| end.peer).collect();
            for peer in peers {
                self.tell(Input::Restarting { peer });
                self.flush(peer);
                if let Some(end) = self.at(peer) {
                    end.has_restarted = true;
                    end.server.end();
                    end.write_held();
                    end.is_open = false;
                }
            }
            for end in &mut self.ends {
                end.drain();
                end.judge(&mut self.totals);
            }
            return;
        }
        if seed.is_multiple_of(2) {
            self.tell(Input::Stop { by: self.now + Duration::from_secs(5) });
        }
        let mut turns = 0;
        while !self.ends.is_empty() {
            turns += 1;
            assert!(turns < TURNS_TO_END, "{} never leaves", self.ends[0]);
            if turns % 50 == 0 {
                self.now = self.now + Duration::from_secs(1);
            }
            self.ends.iter_mut().for_each(End::hurry);
            self.turn();
        }
        assert!(self.engine.is_empty());
    }
}
