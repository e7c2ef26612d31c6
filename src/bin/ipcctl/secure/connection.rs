//! A connection with TLS over a socket that does not block. Knows no message and no file.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;
use socket2::Socket;

use super::words::sentence;

/// The most plaintext that one read returns before it lets others have their turn, in bytes.
const READ_BYTES_MAX: usize = 256 << 10;

/// An encrypted connection. Nothing here blocks.
pub(crate) struct SecureConnection {
    socket: Socket,
    tls: ClientConnection,
    /// The authority's file, for errors.
    ca: Option<String>,
    /// Whether the server has said anything.
    has_heard: bool,
    /// Whether it has declared its end.
    is_ended: bool,
}

impl SecureConnection {
    /// The handshake begins with the first read or write.
    pub(super) fn new(socket: Socket, tls: ClientConnection, ca: Option<String>) -> SecureConnection {
        SecureConnection { socket, tls, ca, has_heard: false, is_ended: false }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the handshake is done, so that plaintext can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// Whether something encrypted waits to be sent.
    pub(crate) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Whether the server has declared its end: nothing more comes.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Encrypts as much of `bytes` as is accepted, and sends what the kernel takes.
    ///
    /// # Errors
    /// Those of the socket. `WouldBlock`: nothing was accepted.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        if !self.is_open() {
            return Err(ErrorKind::WouldBlock.into());
        }
        match self.tls.writer().write(bytes)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => self.flush().map(|()| count),
        }
    }

    /// Sends the encrypted data that are still unsent, as far as the kernel accepts them.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut &self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Appends the plaintext that has arrived, and returns its length; 0 is the end that the server has declared. Also
    /// drives the handshake.
    ///
    /// # Errors
    /// Those of the socket; what TLS does not allow, as a sentence; an end that was not declared. `WouldBlock`: nothing yet.
    pub(crate) fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        // The peer may have said why it closed: read that before reporting an error of sending.
        let sent = self.flush();
        let begin = into.len();
        loop {
            let count = match self.tls.read_tls(&mut &self.socket) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if into.len() == begin => return Err(sent.err().unwrap_or(error)),
                Err(_) => return Ok(into.len() - begin),
                Ok(count) => count,
            };
            if count == 0 && self.tls.is_handshaking() {
                return Err(self.ended_in_the_handshake());
            }
            let processed = self.tls.process_new_packets();
            // The answer of the handshake, or the alert with the reason for its failure.
            let flushed = self.flush();
            if let Err(error) = processed {
                let text = sentence(&error, !self.has_heard, self.ca.as_deref());
                return Err(io::Error::new(ErrorKind::InvalidData, text));
            }
            self.has_heard = true;
            match self.tls.reader().read_to_end(into) {
                Ok(_) => {
                    self.is_ended = true;
                    return Ok(into.len() - begin);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && into.len() == begin => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the connection was cut off: the end message of TLS (close_notify) is missing",
                    ));
                }
                Err(_) => return Ok(into.len() - begin),
            }
            if into.len() - begin >= READ_BYTES_MAX {
                return Ok(into.len() - begin);
            }
            flushed?;
        }
    }

    fn ended_in_the_handshake(&self) -> io::Error {
        let text = match self.has_heard {
            true => "the server closed the connection during the TLS handshake; its log says why",
            false => {
                "closed without an answer to the TLS handshake; if this port does not speak TLS, try tcp:// instead of tls://"
            }
        };
        io::Error::new(ErrorKind::UnexpectedEof, text)
    }

    /// Declares that nothing more will be sent.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.flush()
    }
}

impl Drop for SecureConnection {
    /// So that the server knows that nothing was cut off.
    fn drop(&mut self) {
        if self.is_open() {
            let _ = self.end();
        }
    }
}
