//! Bytes from and to one peer: read within its budget, and written once for a burst.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;

use crate::engine::delivery::Delivery;
use crate::engine::limits::READ_BYTES_MAX;
use crate::engine::message::{ConnectionId, Input, Timestamp};

use crate::transport::connection::Received;

use super::slots::{Closing, Reading, Source, Writing};
use super::wires::hear;
use super::{CLOSE_TIMEOUT, PACKET_COST, Reactor};

impl Reactor {
    pub(super) fn read(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        slot.queued = false;
        if !slot.readable {
            return;
        }
        // If nobody reads the replies, other writers may still be read from.
        let is_handshaking = slot.wire.is_handshaking();
        if is_handshaking && !self.handshakes.take_step() {
            return self.ready.push_peer(peer, slot);
        }
        if slot.reading != Reading::On && !is_handshaking || !slot.is_socket() && slot.failed() {
            if slot.failed() {
                self.lose(now, peer);
            }
            return; // `Output::Reading` continues this
        }
        if slot.is_packets() {
            return self.receive(now, peer);
        }
        match slot.read(&mut self.buffer[..READ_BYTES_MAX]) {
            Ok(0) => {
                slot.readable = false;
                let engine = &mut self.engine;
                slot.reading = Reading::Ended;
                let reading = &mut slot.reading;
                slot.wire.receive_end(|heard| hear(engine, now, peer, reading, heard));
            }
            Ok(count) => {
                let more = count == READ_BYTES_MAX;
                slot.bulk_sender |= more;
                // A short read has drained the socket (epoll(7)), unless its end of file follows. A terminal returns one line for
                // each read.
                slot.readable = more || slot.ended || !slot.is_socket();
                slot.more = more;
                if slot.readable {
                    self.ready.push_peer(peer, slot);
                }
                let drained = !slot.readable;
                let (engine, reading) = (&mut self.engine, &mut slot.reading);
                slot.wire.receive(&mut self.buffer[..count], more, |heard| {
                    hear(engine, now, peer, reading, heard);
                });
                if is_handshaking {
                    self.continue_handshake(now, peer);
                } else if slot.wire.is_holding() {
                    self.flush_held(now, peer);
                }
                if drained {
                    self.note_drained(now, peer);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                slot.readable = false;
                if std::mem::take(&mut slot.more) {
                    // The burst ended exactly where our buffer did.
                    self.engine.handle(now, Input::Bytes { peer, bytes: &[], more: false });
                }
                self.note_drained(now, peer);
            }
            Err(error) => self.fail(now, peer, error),
        }
    }

    /// Handles the end of a peer's input.
    pub(super) fn end_of_file(&mut self, now: Timestamp, peer: ConnectionId) {
        if let Some(slot) = self.slots.get_mut(peer) {
            slot.reading = Reading::Ended;
        }
        self.engine.handle(now, Input::EndOfFile { peer });
    }

    /// Starts or stops reading from a peer, as the engine wants.
    pub(super) fn set_reading(&mut self, peer: ConnectionId, reading: bool) {
        let Some(slot) = self.slots.get_mut(peer).filter(|slot| slot.reading != Reading::Ended) else {
            return;
        };
        slot.reading = if reading { Reading::On } else { Reading::Off };
        if reading && slot.readable {
            self.ready.push_peer(peer, slot);
        }
    }

    /// Receives packets, as many as one read takes bytes. Each is answered before the next, because the answer may stop the
    /// reading.
    pub(super) fn receive(&mut self, now: Timestamp, peer: ConnectionId) {
        let mut budget = READ_BYTES_MAX;
        loop {
            let Some(slot) = self.slots.get_mut(peer) else { return };
            if slot.reading != Reading::On {
                return; // `Output::Reading` continues this
            }
            if budget == 0 {
                return self.ready.push_peer(peer, slot);
            }
            match slot.receive(&mut self.buffer) {
                Ok(Received::Packet { count, truncated }) => {
                    budget = budget.saturating_sub(count + PACKET_COST);
                    let bytes = &self.buffer[..count];
                    self.engine.handle(now, Input::Bytes { peer, bytes, more: truncated });
                    self.report.take(now, &mut self.engine);
                    self.answer(now);
                }
                Ok(Received::End) => {
                    slot.readable = false;
                    return self.end_of_file(now, peer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    slot.readable = false;
                    self.note_empty(peer);
                    return self.note_drained(now, peer);
                }
                Err(error) => return self.fail(now, peer, error),
            }
        }
    }

    /// Handles an error of a descriptor. For a socket, the peer caused it; for a pair, its reader is gone.
    pub(super) fn fail(&mut self, now: Timestamp, peer: ConnectionId, error: io::Error) {
        if error.kind() == ErrorKind::InvalidData {
            return self.break_off(now, peer, &error);
        }
        self.note_failed_pair(now, peer, &error);
        if self.slots.get_mut(peer).is_some_and(|slot| !slot.is_socket())
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.failure = Some(error);
        }
        self.lose(now, peer);
    }

    pub(super) fn lose(&mut self, now: Timestamp, peer: ConnectionId) {
        self.engine.handle(now, Input::Lost { peer });
    }

    /// Writes until nothing is left or the kernel accepts no more.
    pub(super) fn flush(&mut self, now: Timestamp, peer: ConnectionId) {
        loop {
            let Some(slot) = self.slots.get_mut(peer) else { return };
            if slot.writing == Writing::Blocked {
                return;
            }
            let outgoing = self.engine.outgoing(peer);
            let (wanted, is_part) = (outgoing.len(), outgoing.is_part());
            if wanted == 0 {
                return;
            }
            match slot.send(outgoing.slices()) {
                Ok(count) if !slot.wire.is_stuck(count == wanted) => {
                    self.engine.handle(now, Input::Sent { peer, bytes: count });
                    if count == wanted && !is_part {
                        return; // handling this requests another flush
                    }
                }
                written => {
                    if !self.note_part(now, peer, written) {
                        return;
                    }
                }
            }
        }
    }

    /// Writes the room's messages to one member after the other, as long as nothing else comes first.
    pub(super) fn deliver_room(&mut self, now: Timestamp) {
        while let Some(Delivery { peer, bytes, receipt }) = self.engine.poll_delivery() {
            let Some(slot) = self.slots.get_mut(peer) else { continue };
            if slot.writing == Writing::Blocked {
                continue;
            }
            match slot.send(&[bytes]) {
                Ok(count) if count == bytes.len() && !slot.wire.is_stuck(true) => {
                    self.engine.delivered(receipt);
                }
                written => {
                    if self.note_part(now, peer, written) {
                        self.flush(now, peer);
                    }
                    self.report.take(now, &mut self.engine);
                }
            }
        }
    }

    /// Handles a write of which the kernel has not taken everything. Returns whether it may take more.
    #[cold]
    fn note_part(&mut self, now: Timestamp, peer: ConnectionId, written: io::Result<usize>) -> bool {
        let Some(slot) = self.slots.get_mut(peer) else { return false };
        let is_blocked = match &written {
            // A wire may take less than it is offered though the kernel has taken all of that.
            Ok(_) => slot.wire.is_stuck(false) && slot.writing != Writing::Always,
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(_) => false,
        };
        match written {
            Ok(bytes) => self.engine.handle(now, Input::Sent { peer, bytes }),
            Err(error) if !is_blocked => {
                self.fail(now, peer, error);
                return false;
            }
            Err(_) => {}
        }
        if is_blocked {
            self.set_blocked(now, peer);
            self.engine.handle(now, Input::Blocked { peer });
        }
        !is_blocked
    }

    /// Waits for the kernel to report room for a peer.
    #[cold]
    fn set_blocked(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        slot.writing = Writing::Blocked;
        if std::mem::replace(&mut slot.asks_for_room, true) {
            return;
        }
        let Some(source) = slot.room_source() else { return };
        let (fd, token) = (source.fd.as_raw_fd(), Source::ConnectionId(peer).token());
        if let Err(error) = self.poll.registry().reregister(&mut SourceFd(&fd), token, source.interest) {
            self.fail(now, peer, error);
        }
    }

    /// Ends the wire, and then our side of the connection or all of it, once the wire's bytes are written.
    pub(super) fn end_wire(&mut self, now: Timestamp, peer: ConnectionId, closing: Closing) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        if slot.closing == Closing::None {
            slot.wire.end();
        }
        slot.closing = closing;
        self.flush_held(now, peer);
        if let Some(slot) = self.slots.get_mut(peer)
            && slot.closing == Closing::Close
        {
            self.closing.push_back((now + CLOSE_TIMEOUT, peer));
        }
    }

    /// Writes the bytes that the wire holds, and then does what must follow them.
    #[cold]
    pub(super) fn flush_held(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        if slot.wire.is_holding() {
            match slot.send_held() {
                Ok(_) if !slot.wire.is_holding() => {}
                Err(error) if error.kind() != ErrorKind::WouldBlock => match slot.closing {
                    Closing::Close => return self.close(peer),
                    Closing::None | Closing::ShutdownWrite => return self.fail(now, peer, error),
                },
                Ok(_) | Err(_) => {
                    let is_handshaking = slot.wire.is_handshaking();
                    self.set_blocked(now, peer);
                    if !is_handshaking {
                        self.engine.handle(now, Input::Blocked { peer });
                    }
                    return;
                }
            }
        }
        match slot.closing {
            Closing::None => {}
            Closing::ShutdownWrite => slot.shutdown_write(),
            Closing::Close => self.close(peer),
        }
    }

    /// Closes connections whose time for the wire's last bytes is over.
    pub(super) fn close_overdue(&mut self, now: Timestamp) {
        while let Some((until, peer)) = self.closing.front().copied()
            && until <= now
        {
            self.closing.pop_front();
            self.close(peer);
        }
    }

    /// Tries to write to a peer for which the kernel, as far as we know, accepts nothing.
    pub(super) fn retry(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer).filter(|slot| slot.writing == Writing::Blocked) else {
            return;
        };
        let outgoing = self.engine.outgoing(peer);
        if outgoing.is_empty() && !slot.wire.is_holding() {
            slot.writing = Writing::Free;
            return self.engine.handle(now, Input::Writable { peer });
        }
        match slot.send(outgoing.slices()) {
            // The wire took it, but the kernel did not.
            Ok(bytes) if slot.wire.is_holding() => {
                self.engine.handle(now, Input::Sent { peer, bytes });
                self.engine.handle(now, Input::Blocked { peer });
            }
            Ok(bytes) => {
                slot.writing = Writing::Free;
                self.engine.handle(now, Input::Sent { peer, bytes });
                self.engine.handle(now, Input::Writable { peer });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.engine.handle(now, Input::Blocked { peer });
            }
            Err(error) => self.fail(now, peer, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::engine::Engine;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, RemoteAddress, Transport};
    use crate::engine::service::Service;
    use crate::transport::connection::Connection;
    use crate::wire::Wire;
    use crate::wire::masked::{QUESTION, mask, unmask};

    /// A client of `multiply` on a wire of records.
    struct Client {
        reactor: Reactor,
        socket: UnixStream,
        peer: ConnectionId,
        heard: Vec<u8>,
        has_ended: bool,
    }

    /// Connects to a service.
    fn join(reactor: &mut Reactor, service: Service, wire: Wire) -> (UnixStream, ConnectionId) {
        let (ours, socket) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&ours, 4096).unwrap();
        let peer = reactor.watch(Connection::new(ours.into())).unwrap();
        reactor.slots.get_mut(peer).unwrap().wire = wire;
        let transport = Transport::UNIX;
        let binding = Rc::new(Binding { endpoint: "unix:///s".into(), service, transport, allowed: None });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        reactor.engine.handle(reactor.now(), Input::Opened { peer, binding: &binding, remote });
        (socket, peer)
    }

    impl Client {
        fn connect() -> Client {
            Client::connect_to(Service::Multiply)
        }

        fn connect_to(service: Service) -> Client {
            let mut reactor = Reactor::new(Engine::new(Settings::default()), Timestamp::at(0)).unwrap();
            let (socket, peer) = join(&mut reactor, service, Wire::Masked(Box::default()));
            Client { reactor, socket, peer, heard: Vec::new(), has_ended: false }
        }

        fn turn(&mut self) {
            let now = self.reactor.now();
            self.reactor.turn(Some(now)).unwrap();
        }

        /// Receives all bytes that are there.
        fn listen(&mut self) {
            let mut buffer = [0; 1000];
            match self.socket.read(&mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.heard.extend(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }

        fn say(&mut self, mut bytes: &[u8]) {
            while !bytes.is_empty() {
                match self.socket.write(bytes) {
                    Ok(count) => bytes = &bytes[count..],
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        self.listen();
                    }
                }
                self.turn();
            }
        }

        fn wait_for(&mut self, what: &str, is_there: impl Fn(&Client) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !is_there(self) {
                assert!(Instant::now() < deadline, "{what}; heard {:?}", self.heard);
                self.turn();
                self.listen();
            }
        }
    }

    #[test]
    fn records_cut_at_every_byte_are_answered() {
        let mut client = Client::connect();
        for byte in mask(b"5 10\n6 7\n") {
            client.say(&[byte]);
        }
        let expected = b"Data received\n50.0\nData received\n42.0\n";
        client.wait_for("both replies", |client| unmask(&client.heard).0.len() == expected.len());
        assert_eq!(unmask(&client.heard), (expected.to_vec(), false));
    }

    #[test]
    fn question_of_the_wire_is_answered_without_a_request() {
        let mut client = Client::connect();
        client.say(&[QUESTION]);
        client.wait_for("the answer", |client| client.heard == [QUESTION]);
    }

    #[test]
    fn wire_that_holds_what_the_kernel_did_not_take_waits_for_room() {
        let mut client = Client::connect();
        let (peer, now) = (client.peer, client.reactor.now());
        let connection = client.reactor.slots.connection(peer).unwrap();
        while connection.write(&[&[0; 100]]).is_ok() {}
        client.reactor.set_blocked(now, peer);
        client.say(&mask(b"5 10\n"));
        client.reactor.retry(now, peer);
        let slot = client.reactor.slots.get_mut(peer).unwrap();
        assert!(slot.wire.is_holding() && slot.writing == Writing::Blocked);
        let reply = mask(b"Data received\n50.0\n");
        client.wait_for("the reply", |client| client.heard.ends_with(&reply));
    }

    #[test]
    fn wire_that_holds_nothing_is_not_blocked_by_a_long_message() {
        let mut client = Client::connect_to(Service::Chat);
        let (mut said, speaker) = join(&mut client.reactor, Service::Chat, Wire::Plain);
        client.say(&mask(b"Ann\n"));
        said.write_all(b"Bob\n").unwrap();
        let text = "m".repeat(200);
        for number in 0..3 {
            said.write_all(format!("{number} {text}\n").as_bytes()).unwrap();
            let delivered = format!("{number} {text}\n");
            client.wait_for("the message", |client| unmask(&client.heard).0.ends_with(delivered.as_bytes()));
            let slot = client.reactor.slots.get_mut(client.peer).unwrap();
            assert_eq!(slot.writing, Writing::Free, "all of message {number} was written");
            assert!(!slot.asks_for_room);
        }
        assert!(client.reactor.slots.get_mut(speaker).is_some());
    }

    #[test]
    fn late_reader_gets_everything_and_the_wire_ends_before_the_socket() {
        const REQUESTS: usize = 3000;
        let mut client = Client::connect();
        // Nothing is read until the kernel accepts the replies.
        let requests = "5 10\n".repeat(REQUESTS);
        client.say(&mask(requests.as_bytes()));
        client.say(&[0]);
        client.wait_for("the end", |client| client.has_ended);
        let expected = "Data received\n50.0\n".repeat(REQUESTS);
        let (said, is_whole) = unmask(&client.heard);
        assert!(is_whole, "the end was sent");
        assert_eq!((said.len(), said == expected.as_bytes()), (expected.len(), true));
        assert!(client.reactor.slots.get_mut(client.peer).is_none(), "it is closed after the end");
    }

    #[test]
    fn peer_that_stops_reading_is_closed_though_the_wire_holds_bytes() {
        let mut client = Client::connect();
        let requests = mask("5 10\n".repeat(3000).as_bytes());
        let (mut rest, deadline) = (&requests[..], Instant::now() + Duration::from_secs(20));
        while !client.reactor.slots.get_mut(client.peer).is_some_and(|slot| slot.wire.is_holding()) {
            assert!(Instant::now() < deadline && !rest.is_empty(), "the kernel takes no more");
            let count = client.socket.write(rest).unwrap_or_default();
            rest = &rest[count..];
            client.turn();
        }
        let (peer, now) = (client.peer, client.reactor.now());
        client.reactor.end_wire(now, peer, Closing::Close);
        client.reactor.close_overdue(now);
        assert!(client.reactor.slots.get_mut(peer).is_some(), "it has time");
        client.reactor.close_overdue(now + CLOSE_TIMEOUT);
        assert!(client.reactor.slots.get_mut(peer).is_none());
    }
}
