//! A client that sends and receives packets, on a sequenced-packet socket or as datagrams.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::interrupted::uninterrupted;
use super::{TIMEOUT, show};

/// One socket; each message in either direction is a packet.
#[derive(Debug)]
pub struct Packets {
    pub socket: Socket,
}

impl Packets {
    pub fn of(socket: Socket) -> Packets {
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        Packets { socket }
    }

    /// On a `unixseq` endpoint.
    pub fn seq(path: &Path) -> Packets {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
        Packets::of(socket)
    }

    /// On a `udp` endpoint.
    pub fn udp(address: SocketAddr) -> Packets {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
        socket.connect(&address.into()).unwrap();
        Packets::of(socket)
    }

    /// On a `unixgram` endpoint, with an address of its own.
    pub fn gram(path: &Path, own: &Path) -> Packets {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
        socket.bind(&SockAddr::unix(own).unwrap()).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
        Packets::of(socket)
    }

    #[track_caller]
    pub fn say(&self, packet: impl AsRef<[u8]>) {
        assert_eq!((&self.socket).write(packet.as_ref()).unwrap(), packet.as_ref().len());
    }

    /// Sends a packet, and returns whether the other end accepted it.
    pub fn try_say(&self, packet: &[u8]) -> bool {
        (&self.socket).write(packet).is_ok()
    }

    /// The next packet; on a connection, an empty one is the end.
    #[track_caller]
    pub fn recv(&self) -> Vec<u8> {
        let mut buffer = vec![0; 70_000];
        let count = uninterrupted(|| (&self.socket).read(&mut buffer)).unwrap();
        buffer.truncate(count);
        buffer
    }

    #[track_caller]
    pub fn hear(&self, packet: impl AsRef<[u8]>) {
        assert_eq!(show(&self.recv()), show(packet.as_ref()));
    }

    #[track_caller]
    pub fn hear_end(&self) {
        self.hear("");
    }

    /// Every packet up to the end, each with an LF after it.
    #[track_caller]
    pub fn hear_rest(&self) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            let mut packet = match self.socket.take_error() {
                Ok(None) => self.recv(),
                other => panic!("{other:?}"),
            };
            if packet.is_empty() {
                return heard;
            }
            packet.push(b'\n');
            heard.append(&mut packet);
        }
    }

    /// Expects that nothing has come. Only for what must have arrived by now if it comes at all.
    #[track_caller]
    pub fn hear_nothing(&self) {
        self.socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 100];
        let error = (&self.socket).read(&mut buffer).map(|count| show(&buffer[..count])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        self.socket.set_nonblocking(false).unwrap();
    }

    pub fn half_close(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
