//! Messages between two processes, over each kind of mechanism. Both sides are the same. Every call blocks.

use super::protocol::MESSAGE_BYTES_MAX;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use memchr::memchr;
use rustix::buffer::spare_capacity;
use rustix::io::{ioctl_fionbio, read, retry_on_intr, write};

use super::super::connection::Connection;
use super::super::queues;
use super::super::shared::Shared;
use super::memory::Memory;
use ipcd::host::raw::queue;
use ipcd::host::raw::sysv;

/// The size of a read from a stream, in bytes.
const READ_BYTES: usize = 64 << 10;

pub(crate) enum Channel {
    /// Bytes, in which each message ends with LF.
    Lines { to: OwnedFd, from: OwnedFd, heard: Vec<u8> },
    /// A socket that keeps messages apart.
    Packets { socket: OwnedFd, has_end: bool },
    /// A queue for each direction.
    Queues { to: OwnedFd, from: OwnedFd },
    /// A System V queue for each direction.
    SystemV { to: i32, from: i32 },
    /// A ring in shared memory for each direction.
    Memory(Memory),
    /// The same, with the daemon.
    Shared(Box<Shared>),
}

impl Channel {
    pub(crate) fn lines(to: OwnedFd, from: OwnedFd) -> Channel {
        Channel::Lines { to, from, heard: Vec::new() }
    }

    /// Over a connection to an endpoint.
    pub(crate) fn over(connection: Connection) -> io::Result<Channel> {
        let (from, to) = connection.descriptors();
        ioctl_fionbio(from, false)?;
        ioctl_fionbio(to, false)?;
        Ok(match connection {
            Connection::Stream(socket) => Channel::lines(socket.try_clone()?.into(), socket.into()),
            Connection::Packets(socket) => Channel::Packets { socket: socket.into(), has_end: true },
            Connection::Datagrams(socket) => Channel::Packets { socket: socket.into(), has_end: false },
            Connection::Secure(_) | Connection::Web(_) => return Err(io::ErrorKind::Unsupported.into()),
            Connection::Fifo { to, from } => Channel::lines(to, from),
            Connection::Queues { to, from } => Channel::Queues { to, from },
            Connection::Shared(shared) => Channel::Shared(shared),
        })
    }

    /// Sends messages that belong together, in one call if the mechanism can.
    pub(crate) fn send(&mut self, messages: &[&[u8]]) -> io::Result<()> {
        match self {
            Channel::Lines { to, .. } => {
                let mut bytes = Vec::with_capacity(MESSAGE_BYTES_MAX);
                for message in messages {
                    bytes.extend_from_slice(message);
                    bytes.push(b'\n');
                }
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let count = retry_on_intr(|| write(&*to, rest))?;
                    rest = &rest[count..];
                }
            }
            Channel::Packets { socket, .. } => {
                for message in messages {
                    retry_on_intr(|| write(&*socket, message))?;
                }
            }
            Channel::Queues { to, .. } => {
                for message in messages {
                    queue::send(to.as_fd(), message)?;
                }
            }
            Channel::SystemV { to, .. } => {
                for message in messages {
                    sysv::send(*to, message)?;
                }
            }
            Channel::Memory(memory) => memory.send(messages)?,
            Channel::Shared(shared) => {
                for message in messages {
                    shared.send(message)?;
                }
            }
        }
        Ok(())
    }

    /// Waits for the next message; `false`: there are no more.
    pub(crate) fn receive(&mut self, message: &mut Vec<u8>) -> io::Result<bool> {
        message.clear();
        match self {
            Channel::Lines { from, heard, .. } => loop {
                if let Some(end) = memchr(b'\n', heard) {
                    message.extend_from_slice(&heard[..end]);
                    heard.drain(..=end);
                    return Ok(true);
                }
                if heard.len() > MESSAGE_BYTES_MAX {
                    return Err(io::Error::other(format!(
                        "its line is longer than {MESSAGE_BYTES_MAX} bytes"
                    )));
                }
                heard.reserve(READ_BYTES);
                if retry_on_intr(|| read(&*from, spare_capacity(heard)))? == 0 {
                    return Ok(false);
                }
            },
            Channel::Packets { socket, has_end } => {
                message.reserve(MESSAGE_BYTES_MAX);
                let count = retry_on_intr(|| read(&*socket, spare_capacity(message)))?;
                Ok(count > 0 || !*has_end)
            }
            Channel::Queues { from, .. } => {
                queues::receive(from, message)?;
                Ok(true)
            }
            Channel::SystemV { from, .. } => sysv::receive(*from, message).map(|()| true),
            Channel::Memory(memory) => memory.receive(message).map(|()| true),
            Channel::Shared(shared) => Ok(shared.wait(message)? > 0),
        }
    }
}
