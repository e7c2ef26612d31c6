//! The reactor and the kernel below it: reads, writes, and executes the engine's requests.

use ipcd::engine::delivery::Delivery;
use ipcd::engine::message::{ConnectionId, Input, Output, Transport};
use memchr::memchr;

use super::World;
use crate::link::{Read, Written};

impl World {
    pub(super) fn read(&mut self, peer: ConnectionId) {
        let (chunk, stopping) = (self.chunk, self.stop.is_some());
        let wanted = self.is_reading(peer);
        let Some(actor) = self.actors.get_mut(peer) else { return };
        let is_on_packets = actor.is_on_packets();
        let link = &mut actor.link;
        link.queued = false;
        if !link.readable {
            return;
        }
        if !wanted {
            if link.ended && link.failed {
                self.tell(Input::Lost { peer });
            }
            return self.totals.count("not read from");
        }
        if is_on_packets {
            // At most as many as the reactor takes in one read.
            for _ in 0..50 {
                if !self.is_reading(peer) || !self.receive(peer) {
                    break;
                }
                self.answer();
            }
            return;
        }
        let mut drained = false;
        match link.read(chunk, &mut self.buffer) {
            Read::EndOfFile => {
                link.readable = false;
                assert!(!std::mem::replace(&mut link.end_read, true), "read on after the end of file");
                self.tell(Input::EndOfFile { peer });
            }
            Read::Bytes => {
                let bytes = std::mem::take(&mut self.buffer);
                let more = bytes.len() == chunk;
                link.readable = more || link.ended;
                drained = !link.readable;
                actor.taken += bytes.len() as u64;
                if !drained {
                    self.push(peer);
                }
                self.tell(Input::Bytes { peer, bytes: &bytes, more });
                self.buffer = bytes;
            }
            Read::Blocked => {
                link.readable = false;
                drained = true;
            }
            Read::Broken => self.tell(Input::Lost { peer }),
        }
        if drained && stopping {
            self.tell(Input::Drained { peer });
        }
    }

    /// Whether to read from a peer: the engine's last output and the engine itself must agree.
    fn is_reading(&mut self, peer: ConnectionId) -> bool {
        let (reading, is_prompt) = (self.engine.is_reading(peer), self.is_prompt);
        if let Some(actor) = self.actors.get_mut(peer).filter(|_| is_prompt) {
            let told = !actor.link.held && !actor.link.end_read;
            assert_eq!(
                told, reading,
                "{}: the reactor was not told whether it is to be read from",
                actor.who
            );
        }
        reading
    }

    /// Takes one packet, which is a line of a line client here; returns whether there may be another one.
    pub(super) fn receive(&mut self, peer: ConnectionId) -> bool {
        let stopping = self.stop.is_some();
        let actor = self.actors.get_mut(peer).filter(|actor| actor.link.readable);
        let Some(actor) = actor else { return false };
        let link = &mut actor.link;
        let line = memchr(b'\n', link.inbound.all()).map(|lf| lf + 1);
        let rest = (link.fin && !link.inbound.is_empty()).then_some(link.inbound.len());
        let packet = line.or(rest).unwrap_or(0);
        if packet == 0 && !link.inbound.is_empty() && !link.failed {
            link.readable = false; // its packet is not complete yet
            if stopping {
                self.tell(Input::Drained { peer });
            }
            return false;
        }
        match link.read(packet, &mut self.buffer) {
            Read::EndOfFile => {
                link.readable = false;
                assert!(!std::mem::replace(&mut link.end_read, true), "read on after the end of file");
                self.tell(Input::EndOfFile { peer });
            }
            Read::Bytes => {
                let bytes = std::mem::take(&mut self.buffer);
                actor.taken += bytes.len() as u64 + u64::from(line.is_none()); // its end counts as an LF
                self.push(peer);
                self.totals.count("packets");
                self.tell(Input::Bytes { peer, bytes: &bytes, more: false });
                self.buffer = bytes;
            }
            Read::Blocked => {
                link.readable = false;
                if stopping {
                    self.tell(Input::Drained { peer });
                }
            }
            Read::Broken => self.tell(Input::Lost { peer }),
        }
        true
    }

    pub(super) fn obey(&mut self, output: Output) {
        match output {
            Output::Flush(peer) => self.flush(peer),
            Output::Retry(peer) => self.retry(peer),
            Output::ShutdownWrite(peer) => {
                let actor = self.actors.get_mut(peer).expect("nobody's sending side is shut down");
                assert!(!std::mem::replace(&mut actor.link.shut, true), "{}: shut down twice", actor.who);
                actor.words_lost |= actor.link.was_blocked || actor.link.blocked;
            }
            Output::Reading(peer, reading) => {
                let is_prompt = self.is_prompt;
                let link = &mut self.actors.get_mut(peer).expect("nobody is read from").link;
                assert!(!is_prompt && link.end_read || link.held == reading, "what was so is said again");
                link.held = !reading;
                if reading && link.readable {
                    self.push(peer);
                }
                self.totals.count(if reading { "read from again" } else { "held back" });
            }
            Output::Acknowledge(peer) => {
                self.totals.count("acknowledged within a message");
                let actor = self.actors.get_mut(peer).expect("nobody is waited for");
                assert_eq!(
                    actor.who.binding.transport,
                    Transport::TCP,
                    "{}: nothing there waits for that",
                    actor.who
                );
            }
            Output::Ask(peer, _) => panic!("{peer:?} has not asked for anything"),
            Output::Close(peer) | Output::Reset(peer) => {
                let mut actor = self.actors.remove(peer).expect("nobody is closed");
                assert!(actor.closed.is_some(), "{}: closed, and nothing was said of it", actor.who);
                if matches!(output, Output::Reset(_)) {
                    self.totals.count("reset by the engine");
                }
                if actor.may_be_window() {
                    // Its last message may have been dropped some time ago, which is not reported.
                    actor.words_lost |= actor.link.ever_blocked;
                } else if !actor.link.shut {
                    actor.words_lost |= actor.link.was_blocked || actor.link.blocked;
                }
                self.end(actor);
            }
        }
    }

    pub(super) fn flush(&mut self, peer: ConnectionId) {
        loop {
            let Some(actor) = self.actors.get_mut(peer) else {
                return assert!(self.engine.outgoing(peer).is_empty(), "something for somebody who is gone");
            };
            if actor.link.blocked {
                return;
            }
            let outgoing = self.engine.outgoing(peer);
            let wanted = outgoing.len();
            if wanted == 0 {
                return;
            }
            if actor.is_on_packets() {
                let line = actor.line_of(&outgoing.slices().concat());
                match actor.link.write_packet(&line) {
                    Written::Bytes(_) => self.tell(Input::Sent { peer, bytes: wanted }),
                    Written::Blocked => {
                        actor.link.blocked = true;
                        self.totals.count("blocked");
                        return self.tell(Input::Blocked { peer });
                    }
                    Written::Broken => return self.tell(Input::Lost { peer }),
                }
                continue;
            }
            match actor.link.write(outgoing.slices()) {
                Written::Bytes(count) => {
                    let gap = Some(self.gap_min).filter(|_| self.stop.is_none());
                    let bytes = outgoing.slices()[0];
                    let whole = count == wanted && outgoing.slices().len() == 1;
                    actor.note_written(self.now, bytes, whole, gap, &mut self.totals);
                    actor.link.blocked = count < wanted;
                    let blocked = actor.link.blocked;
                    self.tell(Input::Sent { peer, bytes: count });
                    if blocked {
                        self.totals.count("blocked");
                        return self.tell(Input::Blocked { peer });
                    }
                }
                Written::Blocked => {
                    actor.link.blocked = true;
                    self.totals.count("blocked");
                    return self.tell(Input::Blocked { peer });
                }
                Written::Broken => return self.tell(Input::Lost { peer }),
            }
        }
    }

    /// Takes what goes to members of the room as it lies in the log, if this world asks for it.
    pub(super) fn deliver(&mut self) {
        while self.delivers
            && let Some(Delivery { peer, bytes, receipt }) = self.engine.poll_delivery()
        {
            let actor = self.actors.get_mut(peer).expect("a delivery for somebody who is gone");
            assert!(!actor.is_on_packets() && !actor.link.blocked, "{}: it gets its words", actor.who);
            let wanted = bytes.len();
            match actor.link.write(&[bytes]) {
                Written::Bytes(count) => {
                    let gap = Some(self.gap_min).filter(|_| self.stop.is_none());
                    actor.note_written(self.now, bytes, count == wanted, gap, &mut self.totals);
                    if count == wanted {
                        self.totals.count("delivered");
                        self.engine.delivered(receipt);
                        continue;
                    }
                    self.tell(Input::Sent { peer, bytes: count });
                }
                Written::Blocked => {}
                Written::Broken => {
                    self.tell(Input::Lost { peer });
                    continue;
                }
            }
            self.totals.count("blocked");
            if let Some(actor) = self.actors.get_mut(peer) {
                actor.link.blocked = true;
            }
            self.tell(Input::Blocked { peer });
        }
    }

    /// Writes to a peer whose kernel, as far as the engine knows, accepts nothing.
    pub(super) fn retry(&mut self, peer: ConnectionId) {
        let actor = self.actors.get_mut(peer);
        let actor = actor.expect("nobody is written to once more");
        assert!(actor.link.blocked, "{}: written to once more without need", actor.who);
        if actor.closed.is_some() {
            return; // its time has run out since the request, and it is closed next
        }
        let outgoing = self.engine.outgoing(peer);
        assert!(!outgoing.is_empty(), "{}: blocked, and nothing waits for it", actor.who);
        let (wanted, written) = if actor.is_on_packets() {
            (outgoing.len(), actor.link.write_packet(&actor.line_of(&outgoing.slices().concat())))
        } else {
            (0, actor.link.write(outgoing.slices()))
        };
        self.totals.count("written to once more");
        match written {
            Written::Bytes(count) => {
                actor.link.blocked = false;
                self.totals.count("written to once more, and it took something");
                self.tell(Input::Sent { peer, bytes: if wanted > 0 { wanted } else { count } });
                self.tell(Input::Writable { peer });
            }
            Written::Blocked => self.tell(Input::Blocked { peer }),
            Written::Broken => self.tell(Input::Lost { peer }),
        }
    }
}
