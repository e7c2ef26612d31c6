//! Descriptors 0 and 1 as a [`Connection`], even if other processes share them.
//!
//! O_NONBLOCK belongs to the open file description, which other users of a terminal or pipe share: set there, it would
//! break their reads and writes. So we open our own description through /proc where possible (pipes,
//! FIFOs, terminals). Otherwise (sockets, another user's terminal) the flag is set, and restored at the end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, Stat, fcntl_getfl, fcntl_setfl, fstat, major, minor};
use rustix::net::{SocketType, getpeername, sockopt};
use rustix::termios::isatty;
use socket2::SockRef;

use super::connection::Connection;
use super::credentials;
use super::listener::tcp_address;
use super::sockopt::{probe_when_silent, set_for_connections};
use crate::engine::message::{RemoteAddress, Transport};
use crate::host::reopen;
use crate::os_error::describe;

/// Standard input and output as one connection.
#[derive(Debug)]
pub struct Standard {
    /// The connection.
    pub connection: Connection,
    /// Its transport.
    pub transport: Transport,
    /// The remote address.
    pub remote: RemoteAddress,
    /// Must be dropped last.
    pub blocking: Blocking,
}

/// Descriptors that become blocking again when this is dropped.
#[derive(Debug, Default)]
pub struct Blocking(Vec<OwnedFd>);

impl Drop for Blocking {
    fn drop(&mut self) {
        for fd in &self.0 {
            if let Ok(flags) = fcntl_getfl(fd) {
                let _ = fcntl_setfl(fd, flags - OFlags::NONBLOCK);
            }
        }
    }
}

/// Takes standard input and output.
///
/// # Errors
/// What is wrong with one of them, and how to correct it.
pub fn take() -> Result<Standard, String> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let (input, output) = (stdin.as_fd(), stdout.as_fd());
    let look = |fd, name: &str| fstat(fd).map_err(|errno| format!("{name}: {}", describe(&errno.into())));
    let (from, to) = (look(input, "standard input")?, look(output, "standard output")?);
    let mut blocking = Blocking::default();
    check(input, &from, "standard input")?;
    check(output, &to, "standard output")?;
    let failed = |error: io::Error| format!("standard input and output: {}", describe(&error));
    if is_socket(&from) && is_same(&from, &to) {
        let connection = Connection::new(shared(input, &mut blocking).map_err(failed)?);
        let (remote, transport) = (remote(&connection), Transport::STDIO_SOCKET);
        return Ok(Standard { connection, transport, remote, blocking });
    }
    let input = own(input, &from, OFlags::RDONLY, &mut blocking).map_err(failed)?;
    let output = own(output, &to, OFlags::WRONLY, &mut blocking).map_err(failed)?;
    let (connection, transport) = (Connection::pair(input, output), Transport::STDIO);
    Ok(Standard { connection, transport, remote: RemoteAddress::Input, blocking })
}

/// Whether output to standard error would reach the client, because it is the client's socket.
pub fn is_stderr_the_client() -> bool {
    let Ok(error) = fstat(io::stderr()) else { return false };
    let is_it = |other: rustix::io::Result<Stat>| other.is_ok_and(|other| is_same(&error, &other));
    is_socket(&error) && (is_it(fstat(io::stdin())) || is_it(fstat(io::stdout())))
}

fn is_socket(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Socket
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Refuses sockets that are not connections.
fn check(fd: BorrowedFd<'_>, stat: &Stat, name: &str) -> Result<(), String> {
    if !is_socket(stat) {
        return Ok(());
    }
    if sockopt::socket_acceptconn(fd) == Ok(true) {
        return Err(format!(
            "{name} is a listening socket; a connection is needed (Accept=yes, inetd's nowait)"
        ));
    }
    match sockopt::socket_type(fd) {
        Ok(SocketType::STREAM) => Ok(()),
        _ => Err(format!("{name} is a socket without a stream; a stream socket, a pipe or a file is needed")),
    }
}

/// A non-blocking descriptor of the same file.
fn own(fd: BorrowedFd<'_>, stat: &Stat, access: OFlags, blocking: &mut Blocking) -> io::Result<OwnedFd> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => reopen::nonblocking(fd, access).or_else(|_| shared(fd, blocking)),
        // Reopening the master side of a pseudo-terminal would create another terminal.
        FileType::CharacterDevice if isatty(fd) && (major(stat.st_rdev), minor(stat.st_rdev)) != PTMX => {
            reopen::nonblocking(fd, access).or_else(|_| shared(fd, blocking))
        }
        FileType::Socket | FileType::CharacterDevice => shared(fd, blocking),
        // Files never block, and our own description would not share the file position.
        _ => fd.try_clone_to_owned(),
    }
}

/// /dev/ptmx (the kernel's Documentation/admin-guide/devices.txt).
const PTMX: (u32, u32) = (5, 2);

/// The shared description, until the end.
fn shared(fd: BorrowedFd<'_>, blocking: &mut Blocking) -> io::Result<OwnedFd> {
    let flags = fcntl_getfl(fd)?;
    if !flags.contains(OFlags::NONBLOCK) {
        blocking.0.push(fd.try_clone_to_owned()?);
        fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
    }
    fd.try_clone_to_owned()
}

/// The peer of a socket.
fn remote(connection: &Connection) -> RemoteAddress {
    match getpeername(connection).map_err(io::Error::from).and_then(tcp_address) {
        Ok(address) => {
            // The same as for an accepted connection; it also works without this.
            let _ = set_for_connections(&SockRef::from(connection));
            let _ = probe_when_silent(connection, address);
            RemoteAddress::Address(address)
        }
        Err(_) => credentials::of_peer(connection),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn flags(fd: impl AsFd) -> OFlags {
        fcntl_getfl(fd).unwrap()
    }

    #[test]
    fn reopened_pipe_leaves_the_shared_one_unchanged() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let mut blocking = Blocking::default();
        let stat = fstat(&reader).unwrap();
        let input = own(reader.as_fd(), &stat, OFlags::RDONLY, &mut blocking).unwrap();
        let output = own(writer.as_fd(), &stat, OFlags::WRONLY, &mut blocking).unwrap();
        assert!(blocking.0.is_empty());
        assert!(flags(&input).contains(OFlags::NONBLOCK) && flags(&output).contains(OFlags::NONBLOCK));
        assert!(!flags(&reader).contains(OFlags::NONBLOCK) && !flags(&writer).contains(OFlags::NONBLOCK));
        let connection = Connection::pair(input, output);
        writer.write_all(b"in").unwrap();
        let mut buffer = [0; 2];
        assert_eq!(connection.read(&mut buffer).unwrap(), 2);
        assert_eq!(connection.write(&[b"on"]).unwrap(), 2);
        reader.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"on");
    }

    #[test]
    fn socket_is_blocking_again_at_the_end() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut blocking = Blocking::default();
        let fd = shared(ours.as_fd(), &mut blocking).unwrap();
        let again = shared(ours.as_fd(), &mut blocking).unwrap();
        assert!(flags(&ours).contains(OFlags::NONBLOCK));
        drop((fd, again, blocking));
        assert!(!flags(&ours).contains(OFlags::NONBLOCK));
    }

    #[test]
    fn unconnected_socket_is_refused_with_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("s")).unwrap();
        let refused = check(listener.as_fd(), &fstat(&listener).unwrap(), "standard input").unwrap_err();
        assert!(refused.contains("Accept=yes"), "{refused}");
        let datagrams = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let refused = check(datagrams.as_fd(), &fstat(&datagrams).unwrap(), "standard output").unwrap_err();
        assert!(refused.starts_with("standard output is a socket without a stream"), "{refused}");
    }
}
