//! Starts when a port is in use, and no process is seen that holds it.

use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use ipcd::transport::owner;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Resource, Signal, getrlimit};

use crate::harness::around::{Helper, failure};
use crate::harness::late::in_time;
use crate::harness::{Daemon, MULTIPLY, TestDir, USUAL, wait_until};

/// Opens this many descriptors, if it may.
const MANY: &str = "import os, resource, sys\n\
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n\
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n\
    for _ in range(min(most, int(sys.argv[1])) - 10): os.dup(0)";

/// Two processes with more descriptors than may be searched, which /proc lists first because their numbers are lower.
#[test]
fn port_holder_is_named_beside_processes_with_many_descriptors() {
    let half = owner::DESCRIPTORS_MAX / 2 + 1000;
    if (getrlimit(Resource::Nofile).maximum).is_some_and(|most| most < half as u64) {
        return eprintln!("not tested: a process may not have {half} descriptors");
    }
    let _large = [(); 2].map(|()| Helper::python(MANY, &[&half.to_string()]));
    let ip = TestDir::new().ip;
    let holder = Helper::on_tcp(ip, MULTIPLY);
    let owner = owner::of_tcp((ip, MULTIPLY).into());
    assert_eq!(owner.map(|owner| owner.pid as u32), Some(holder.0.id()));
}

const WAITS: &str = "address already in use, though no process is seen that holds it";

/// Listens at this address, with the only descriptor on its way through these sockets: no process has it.
fn hidden_listener(address: SocketAddr) -> (UnixStream, UnixStream) {
    let (from, to) = UnixStream::pair().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let passed = [listener.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&passed)));
    sendmsg(&from, &[std::io::IoSlice::new(b"x")], &mut ancillary, SendFlags::empty()).unwrap();
    drop(listener);
    // A child that another test starts has a copy until it calls execve(2).
    wait_until("no process has it", || owner::of_tcp(address).is_none().then_some(()));
    (from, to)
}

/// Starts while the port is held, which ends as soon as the daemon says that it waits. `None`: it gave up, because the port was not free
/// soon enough. A child of another test may have copies of the sockets until execve(2).
fn freed_while_it_waits() -> Option<Daemon> {
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let place = format!("tcp://{}:{MULTIPLY}", test_dir.ip);
    let held = hidden_listener(SocketAddr::from((test_dir.ip, MULTIPLY)));
    let command = test_dir.command();
    let daemon = test_dir.begin(command);
    let line = daemon.wait_for_log(WAITS);
    assert!(line.contains(&place), "{line}");
    drop(held);
    let is_ready = wait_until("it starts or gives up", || {
        let log = daemon.log();
        let has = |text: &str| log.iter().any(|line| line.contains(text));
        (has("is ready") || has("in use; stop")).then(|| has("is ready"))
    });
    is_ready.then_some(daemon)
}

#[test]
fn port_that_becomes_free_soon_is_waited_for_at_a_start() {
    let daemon = in_time(freed_while_it_waits);
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    drop(client);
    let log = daemon.stop();
    assert_eq!(log.iter().filter(|line| line.contains(WAITS)).count(), 1, "{log:?}");
}

#[test]
fn port_that_stays_in_use_by_nobody_seen_ends_the_start() {
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let _held = hidden_listener(SocketAddr::from((test_dir.ip, MULTIPLY)));
    let said = failure(&mut test_dir.command(), 69);
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
    let place = format!("tcp://{}:{MULTIPLY}", test_dir.ip);
    let [first, last] = lines[..] else { panic!("{said}") };
    assert!(first.contains(&format!("{place}: {WAITS}")), "{said}");
    let expected =
        format!("ipcd: {place}: address already in use; stop what uses it, wait a minute if it was");
    assert!(last.starts_with(&expected), "{said}");
}

#[test]
fn port_in_use_by_nobody_seen_is_not_waited_for_at_a_reload() {
    let test_dir = TestDir::new();
    test_dir.write_config("[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let _held = hidden_listener(daemon.address(6001));
    daemon.write_config("[multiply]\nlisten = [\"tcp://{ip}:65432\", \"tcp://{ip}:6001\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log(":6001: address already in use; stop what uses it");
    assert!(daemon.stop().iter().all(|line| !line.contains(WAITS)));
}
