//! A client that takes all places excludes neither the administrator nor other clients.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::Instant;

use ipcd::engine::Engine;
use ipcd::engine::limits::{PLACES_KEPT, Settings};
use ipcd::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::Service;

use super::{TOO_MANY, is_refused, is_served, served_again};
use crate::harness::around::{as_user, is_root, outcome};
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, MULTIPLY, TestDir, USUAL};

/// A user that exists on no machine.
const ALICE: u32 = 64_001;

const PLACES: usize = 20;

/// Everyone may use the socket, and there are few places: in all, on the mux, and for each client.
fn few() -> String {
    let mux = format!("[mux]\nmode = \"0666\"\nmax_connections = {PLACES}");
    let limits = format!("max_connections = {PLACES}\nmax_connections_per_address = {PLACES}");
    format!("[limits]\n{limits}\n{}", USUAL.replace("[mux]", &mux))
}

fn ipcctl(socket: &Path, command: &str) -> Output {
    let mut ipcctl = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    outcome(ipcctl.arg("--to").arg(format!("unix://{}", socket.display())).arg(command))
}

#[track_caller]
fn works(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Takes all places, and checks that there are no more.
#[track_caller]
fn take_all(connect: impl Fn() -> Client) -> Vec<Client> {
    let mut taken: Vec<Client> = (0..PLACES).map(|_| connect()).collect();
    taken.iter_mut().for_each(is_served);
    is_refused(connect());
    taken
}

#[test]
fn administrator_can_reload_when_all_places_are_taken() {
    let daemon = Daemon::with(&few());
    let mut others = take_all(|| daemon.tcp(MULTIPLY));
    let start = Instant::now();
    works(&ipcctl(&daemon.socket(), "reload"));
    println!("a reload with all {PLACES} places taken from the network: {:.1?}", start.elapsed());
    others.iter_mut().for_each(is_served);
    is_refused(daemon.tcp(MULTIPLY));
    works(&ipcctl(&daemon.socket(), "status"));
    daemon.stop();
}

#[test]
fn administrator_can_reload_when_one_user_takes_all_unix_places() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::with(&few());
    set_permissions(daemon.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let mut others = as_user(ALICE, ALICE, || take_all(|| daemon.unix()));
    let start = Instant::now();
    works(&ipcctl(&daemon.socket(), "reload"));
    println!("a reload with all {PLACES} places taken by one user: {:.1?}", start.elapsed());
    others.iter_mut().for_each(is_served);
    daemon.stop();
}

#[test]
fn restart_hands_everyone_over_when_all_places_are_taken() {
    let test_dir = TestDir::new();
    test_dir.write_config(&few());
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let mut others = take_all(|| before.tcp(MULTIPLY));
    works(&ipcctl(&before.socket(), "handover"));
    assert!(before.wait().success());

    let after = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    after.write_config(&few());
    let stored = manager.take_stored();
    let after = after.start_with(&manager, stored);
    others.iter_mut().for_each(is_served);
    is_refused(after.tcp(MULTIPLY));
    after.stop();
}

#[test]
fn eight_reserved_places_are_given_and_returned() {
    let daemon = Daemon::with(&few());
    let _others = take_all(|| daemon.tcp(MULTIPLY));
    let mut own: Vec<Client> = (0..PLACES_KEPT).map(|_| daemon.unix()).collect();
    own.iter_mut().for_each(is_served);
    is_refused(daemon.unix());
    own.pop();
    is_served(&mut served_again(|| daemon.unix()));
    is_refused(daemon.tcp(MULTIPLY));
    daemon.stop();
}

#[test]
fn ipv6_network_and_loopback_each_count_as_one() {
    let mut engine = Engine::new(Settings { connections_per_address_max: 2, ..Settings::default() });
    let (endpoint, service) = ("tcp://[::]:65432".into(), Service::Multiply);
    let binding = Rc::new(Binding { endpoint, service, transport: Transport::TCP, allowed: None });
    for (index, (address, is_let_in)) in [
        ("[2001:db8:7:1::1]:1", true),
        ("[2001:db8:7:1::2]:1", true),
        ("[2001:db8:7:1:a:b:c:d]:1", false),
        ("[2001:db8:7:2::1]:1", true),
        ("127.0.0.1:1", true),
        ("127.9.9.9:1", true),
        ("127.0.0.2:1", false),
        ("[::ffff:127.1.2.3]:1", false),
        ("[::1]:1", true),
        ("192.0.2.7:1", true),
        ("[::ffff:192.0.2.7]:2", true),
        ("192.0.2.7:3", false),
        ("[::ffff:192.0.2.8]:1", true),
    ]
    .into_iter()
    .enumerate()
    {
        let (peer, remote) = (
            ConnectionId { index: index as u32, generation: 1 },
            RemoteAddress::Address(address.parse().unwrap()),
        );
        engine.handle(Timestamp::at(0), Input::Opened { peer, binding: &binding, remote });
        assert_eq!(engine.is_admitted(peer), is_let_in, "{address}");
        let words = engine.outgoing(peer).slices().concat();
        assert_eq!(String::from_utf8(words).unwrap(), if is_let_in { "" } else { TOO_MANY }, "{address}");
    }
}
