//! Connections that the daemon's loop makes: each attempt has one outcome.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use ipcd::endpoint::ResolvedEndpoint;
use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{Binding, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::Service;
use ipcd::reactor::{Attempt, Reactor};
use ipcd::transport::connect;
use ipcd::transport::connection::Connection;

use crate::harness::around::stale_socket;
use crate::harness::{self, wait_until};

/// Long enough for everything, even on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn reactor() -> Reactor {
    Reactor::new(Engine::new(Settings::default()), Timestamp::at(0)).unwrap()
}

/// Runs turns until an attempt has its outcome.
fn outcome(reactor: &mut Reactor, attempt: Attempt) -> io::Result<Connection> {
    let deadline = reactor.now() + LONG;
    loop {
        assert!(reactor.now() < deadline, "no outcome");
        let mut turn = reactor.turn(Some(deadline)).unwrap();
        if let Some((found, outcome)) = turn.connected.pop() {
            assert!(found == attempt && turn.connected.is_empty());
            return outcome;
        }
    }
}

fn try_to(place: ResolvedEndpoint) -> io::Result<Connection> {
    let mut reactor = reactor();
    let deadline = reactor.now() + LONG;
    let attempt = reactor.connect(place, deadline);
    outcome(&mut reactor, attempt)
}

fn any_port() -> SocketAddr {
    SocketAddr::from((harness::process::address(), 0))
}

/// A listener with a full backlog, the connections that fill it, and a directory to remove.
fn full_unix_listener() -> (UnixListener, PathBuf, Vec<OwnedFd>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut fillers = Vec::new();
    loop {
        match connect::begin(&ResolvedEndpoint::Unix(path.clone())) {
            Ok(filler) => fillers.push(filler),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return (listener, path, fillers, directory);
            }
        }
    }
}

#[test]
fn connection_to_a_listener_is_made_and_served_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind(any_port()).unwrap();
    let accept_unix = || -> Box<dyn ReadWrite> { Box::new(unix.accept().unwrap().0) };
    let accept_tcp = || -> Box<dyn ReadWrite> { Box::new(tcp.accept().unwrap().0) };
    let tcp_place = ResolvedEndpoint::Tcp(tcp.local_addr().unwrap());
    for (place, accept) in [
        (ResolvedEndpoint::Unix(path), &accept_unix as &dyn Fn() -> Box<dyn ReadWrite>),
        (tcp_place, &accept_tcp),
    ] {
        let mut reactor = reactor();
        let deadline = reactor.now() + LONG;
        let attempt = reactor.connect(place, deadline);
        let connection = outcome(&mut reactor, attempt).unwrap();
        let (endpoint, service) = ("elsewhere".to_owned(), Service::Multiply);
        let binding = Binding { endpoint, service, transport: Transport::UNIX, allowed: None };
        reactor.serve(connection, RemoteAddress::Input, binding).unwrap();
        let mut there = accept();
        there.write_all(b"5 10\n").unwrap();
        let mut replies = [0; 19];
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| there.read_exact(&mut replies));
            while !reading.is_finished() {
                assert!(reactor.now() < deadline, "no replies");
                let soon = reactor.now() + Duration::from_millis(10);
                reactor.turn(Some(soon)).unwrap();
            }
            reading.join().unwrap().unwrap();
        });
        assert_eq!(&replies, b"Data received\n50.0\n");
    }
}

trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

#[test]
fn attempt_without_a_listener_is_refused() {
    let address = TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let refused = wait_until("nobody listens", || try_to(ResolvedEndpoint::Tcp(address)).err());
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    stale_socket(&path);
    let refused = try_to(ResolvedEndpoint::Unix(path)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let missing = try_to(ResolvedEndpoint::Unix(directory.path().join("none"))).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let fifo = try_to(ResolvedEndpoint::Fifo(directory.path().join("f"))).unwrap_err();
    assert_eq!(fifo.kind(), ErrorKind::Unsupported);
}

#[test]
fn unanswered_attempt_ends_at_its_deadline() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let (_listener, path, _fillers, _directory) = full_unix_listener();
    let tcp = TcpListener::bind(any_port()).unwrap();
    rustix::net::listen(&tcp, 0).unwrap();
    let tcp_place = ResolvedEndpoint::Tcp(tcp.local_addr().unwrap());
    // One connection fills the backlog; the kernel does not answer any further one.
    let _filler = try_to(tcp_place.clone()).unwrap();
    for place in [ResolvedEndpoint::Unix(path), tcp_place] {
        let mut reactor = reactor();
        let deadline = reactor.now() + TIMEOUT;
        let attempt = reactor.connect(place, deadline);
        let error = outcome(&mut reactor, attempt).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(reactor.now() >= deadline, "{:?}", reactor.now());
        assert!(reactor.turn(Some(reactor.now())).unwrap().connected.is_empty(), "it is told once");
    }
}

#[test]
fn attempt_at_a_full_queue_succeeds_when_there_is_room() {
    let (listener, path, _fillers, _directory) = full_unix_listener();
    let mut reactor = reactor();
    let deadline = reactor.now() + LONG;
    let attempt = reactor.connect(ResolvedEndpoint::Unix(path), deadline);
    assert!(reactor.turn(Some(reactor.now())).unwrap().connected.is_empty());
    let _accepted = listener.accept().unwrap();
    assert!(outcome(&mut reactor, attempt).is_ok());
    assert!(reactor.now() < deadline);
}
