//! The service manager (systemd): messages to it, and descriptors that it stores over a restart. Never waits for it, except
//! where stated.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use sd_notify::NotifyState;

use super::fd_bundle::{self, DESCRIPTORS_PER_MESSAGE};
use crate::os_error::describe;

/// How long to wait for a busy service manager when storing something.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The service manager, if there is one (NOTIFY_SOCKET, sd_notify(3)).
#[derive(Debug)]
pub struct Manager {
    socket: Option<OwnedFd>,
    /// The longest time between two signs of life (WATCHDOG_USEC).
    pub watchdog: Option<Duration>,
}

impl Manager {
    /// The manager that the environment names. If it cannot be reached, there is none, and a line says why.
    pub fn find() -> (Manager, Option<String>) {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
            return (Manager { socket: None, watchdog: None }, None);
        };
        match reach(&path) {
            Ok(socket) => {
                let watchdog = sd_notify::watchdog_enabled();
                (Manager { socket: Some(socket), watchdog }, super::foreign::watchdog())
            }
            Err(error) => {
                let line = format!(
                    "NOTIFY_SOCKET: {}: {}; continuing without it",
                    path.display(),
                    describe(&error.into())
                );
                (Manager { socket: None, watchdog: None }, Some(line))
            }
        }
    }

    /// Whether there is a service manager.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Reports that every endpoint is open.
    pub fn ready(&self, status: &str) {
        self.notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Reports a reload; [`ready`](Self::ready) follows.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.notify(&[NotifyState::Reloading, now]),
            Err(_) => self.notify(&[NotifyState::Reloading]),
        }
    }

    /// Reports that the daemon is stopping.
    pub fn stopping(&self) {
        self.notify(&[NotifyState::Stopping]);
    }

    /// Sends one line for `systemctl status`.
    pub fn status(&self, line: &str) {
        self.notify(&[NotifyState::Status(line)]);
    }

    /// Sends a sign of life.
    pub fn feed_watchdog(&self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    /// Sends it, unless the manager's queue is full: the loop never waits, and these messages are repeated.
    fn notify(&self, states: &[NotifyState]) {
        if let Some(socket) = &self.socket {
            let _ = send(socket, &message(states), &[]);
        }
    }

    /// Stores descriptors in the manager for the next process, under a name. Waits for the manager.
    ///
    /// # Errors
    /// There is no manager, or it did not accept them within a few seconds. Then some of them may be stored.
    pub fn store(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let name = format!("FDNAME={name}");
        // FDPOLL=0: the next process still has to close a connection whose peer is gone.
        let states =
            [NotifyState::Custom("FDSTORE=1"), NotifyState::Custom("FDPOLL=0"), NotifyState::Custom(&name)];
        for some in descriptors.chunks(DESCRIPTORS_PER_MESSAGE) {
            self.send_waiting(&message(&states), some)?;
        }
        Ok(())
    }

    /// Makes the manager forget the descriptors with a name.
    pub fn forget(&self, name: &str) {
        let name = format!("FDNAME={name}");
        self.notify(&[NotifyState::Custom("FDSTOREREMOVE=1"), NotifyState::Custom(&name)]);
    }

    /// Waits until the manager has handled all messages (BARRIER=1, sd_notify(3)): it ignores messages of a process that
    /// has ended.
    ///
    /// # Errors
    /// It did not do so within a few seconds.
    pub fn wait_until_seen(&self) -> io::Result<()> {
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        self.send_waiting(&message(&[NotifyState::Custom("BARRIER=1")]), &[theirs.as_fd()])?;
        drop(theirs);
        wait_for(&ours, PollFlags::HUP, Instant::now() + TIMEOUT)
    }

    fn send_waiting(&self, message: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match send(socket, message, descriptors) {
                Ok(()) => return Ok(()),
                Err(Errno::AGAIN) => wait_for(socket, PollFlags::OUT, deadline)?,
                // The most descriptors that we may have open are in flight: the manager must accept some first.
                Err(Errno::TOOMANYREFS) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The text of a message: one line for each state.
fn message(states: &[NotifyState]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

/// A non-blocking socket to the manager; a path that begins with `@` is an abstract name.
fn reach(path: &OsString) -> Result<OwnedFd, Errno> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    connect(&socket, &address)?;
    Ok(socket)
}

fn send(socket: &OwnedFd, message: &str, descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    fd_bundle::send(socket, message.as_bytes(), descriptors)
}

fn wait_for(fd: impl AsFd, what: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&fd, what)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// A manager of our own, and the socket on which it listens.
    fn manager() -> (Manager, UnixDatagram, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listening = UnixDatagram::bind(&path).unwrap();
        listening.set_nonblocking(true).unwrap();
        let socket = reach(&path.into_os_string()).unwrap();
        (Manager { socket: Some(socket), watchdog: None }, listening, directory)
    }

    fn heard(listening: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let count = listening.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    #[test]
    fn manager_gets_the_sd_notify_messages() {
        let (manager, listening, _directory) = manager();
        manager.ready("2 clients");
        assert_eq!(heard(&listening), "READY=1\nSTATUS=2 clients\n");
        manager.reloading();
        assert!(heard(&listening).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        manager.feed_watchdog();
        assert_eq!(heard(&listening), "WATCHDOG=1\n");
        manager.forget("connection");
        assert_eq!(heard(&listening), "FDSTOREREMOVE=1\nFDNAME=connection\n");
    }

    #[test]
    fn unresponsive_manager_never_blocks_us() {
        let (manager, listening, _directory) = manager();
        for _ in 0..10_000 {
            manager.feed_watchdog();
        }
        drop(listening);
        manager.feed_watchdog();
    }
}
