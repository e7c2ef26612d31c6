//! Replaces TLS in a program that was built without it.

use std::io;
use std::os::fd::BorrowedFd;

use socket2::Socket;

/// Never there: this program was built without TLS.
#[derive(Clone)]
pub(crate) enum Secure {}

/// Never there: this program was built without TLS.
pub(crate) enum SecureConnection {}

impl Secure {
    pub(crate) fn over(&self, _: Socket) -> io::Result<SecureConnection> {
        match *self {}
    }
}

impl SecureConnection {
    pub(crate) fn socket(&self) -> &Socket {
        match *self {}
    }
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        match *self {}
    }
    pub(crate) fn is_open(&self) -> bool {
        match *self {}
    }
    pub(crate) fn is_ended(&self) -> bool {
        match *self {}
    }
    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }
    pub(crate) fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }
    pub(crate) fn read(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
        match *self {}
    }
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match *self {}
    }
}
