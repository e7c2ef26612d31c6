//! Sockets that another program holds for ipcd, and that block an endpoint: each is named with its unit and the remedy, and no
//! message blames ipcd.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::harness::around::{failure, free_port, is_root};
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, TestDir, USUAL, wait_until};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

const UNIT: &str = "ipcd.socket";

/// A directory, and a unit's listening socket on a port of this test only, because other tests use wildcard addresses too. Not a
/// port that the kernel assigns: an outgoing connection may have it on another address.
fn test_dir() -> (TestDir, Manager, TcpListener, u16) {
    let test_dir = TestDir::new();
    let manager = Manager::new(&test_dir);
    let port = free_port();
    // A child that another test starts may have a copy of the socket that found the port free, until it calls execve(2).
    let socket = wait_until("the port is free", || TcpListener::bind((test_dir.ip, port)).ok());
    (test_dir, manager, socket, port)
}

fn held(fd: impl Into<OwnedFd>) -> Vec<(String, OwnedFd)> {
    vec![(UNIT.to_owned(), fd.into())]
}

/// The usual services, with this endpoint for the chat.
fn with_chat(endpoint: &str) -> String {
    USUAL.replace("tcp://{ip}:33000", endpoint)
}

#[test]
fn unit_covering_part_of_an_endpoint_is_named_with_the_fix() {
    let (test_dir, manager, socket, port) = test_dir();
    test_dir.write_config(&with_chat(&format!("tcp://0.0.0.0:{port}")));
    let said = failure(&mut manager.command(&test_dir, held(socket)), 69);
    let expected = format!(
        "tcp://0.0.0.0:{port}: address already in use (by tcp://{ip}:{port} of ipcd.socket, handed over by the service \
         manager); let ipcd.socket open tcp://0.0.0.0:{port} in its place, or choose tcp://{ip}:{port} or another one \
         under [chat] in {file}",
        ip = test_dir.ip,
        file = test_dir.config_file().display()
    );
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn unit_with_a_dual_stack_wildcard_is_named_to_an_ipv4_endpoint() {
    let (test_dir, manager, ..) = test_dir();
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    let port = free_port();
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into()).unwrap();
    socket.listen(1).unwrap();
    test_dir.write_config(&with_chat(&format!("tcp://{{ip}}:{port}")));
    let said = failure(&mut manager.command(&test_dir, held(socket)), 69);
    assert!(said.contains(&format!("(by tcp://[::]:{port} of ipcd.socket, handed over")), "{said}");
}

#[test]
fn page_is_on_the_sockets_of_a_unit_for_browsers_and_for_a_proxy() {
    let (test_dir, manager, socket, port) = test_dir();
    let path = test_dir.directory.path().join("page.sock");
    let proxied = UnixListener::bind(&path).unwrap();
    let page = format!("[page]\nlisten = [\"http://{{ip}}:{port}\", \"http+unix://{{dir}}/page.sock\"]\n");
    test_dir.write_config(&format!("{USUAL}{page}"));
    // Requests that came before the daemon did.
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut early = [Client::tcp((test_dir.ip, port).into()), Client::unix(&path)];
    early.iter_mut().for_each(|client| client.say(request));
    let sockets = held(socket).into_iter().chain(held(proxied)).collect();
    let command = manager.command(&test_dir, sockets);
    let daemon = test_dir.start(command);
    let mut later = [daemon.tcp(port), Client::unix(&path)];
    later.iter_mut().for_each(|client| client.say(request));
    for mut client in early.into_iter().chain(later) {
        assert!(client.hear_rest().ends_with(b"\r\n\r\nok\n"));
    }
    daemon.stop();
}

#[test]
fn unit_with_another_socket_type_at_the_path_is_named() {
    let (test_dir, manager, ..) = test_dir();
    test_dir.write_config("[multiply]\nlisten = [\"unixseq://{dir}/s\"]\n");
    let path = test_dir.directory.path().join("s");
    let socket = UnixListener::bind(&path).unwrap();
    let said = failure(&mut manager.command(&test_dir, held(socket)), 69);
    let shown = path.display();
    let expected =
        format!("unixseq://{shown}: address already in use (by unix://{shown} of ipcd.socket, handed over");
    assert!(said.contains(&expected), "{said}");
    assert!(path.exists(), "it is theirs");
}

#[test]
fn foreign_port_holder_beside_a_unit_is_named() {
    let (test_dir, manager, socket, port) = test_dir();
    // Not 127.0.0.1, where a connection of another program may have this port.
    let ip = TestDir::new().ip;
    let other = crate::harness::around::Helper::on_tcp(ip, port);
    test_dir.write_config(&with_chat(&format!("tcp://{ip}:{port}")));
    let said = failure(&mut manager.command(&test_dir, held(socket)), 69);
    assert!(said.contains(&format!("address already in use (by {})", other.shown())), "{said}");
}

/// A daemon whose chat uses a unit's socket. The test keeps a copy of it, as a service manager does.
fn started() -> (Daemon, TcpListener, u16) {
    let (test_dir, manager, socket, port) = test_dir();
    test_dir.write_config(&with_chat(&format!("tcp://{{ip}}:{port}")));
    let kept = socket.try_clone().unwrap();
    (test_dir.start_with(&manager, held(socket)), kept, port)
}

fn refuse_reload(daemon: &Daemon, config: &str, expected: &str) {
    let since = daemon.log().len();
    daemon.write_config(config);
    daemon.signal(Signal::HUP);
    let line = daemon.wait_for_log_since(since, "address already in use");
    assert!(line.contains(expected), "{line}");
    daemon.wait_for_log_since(since, "reload failed, nothing has changed");
    assert!(!daemon.log()[since..].iter().any(|line| line.contains("it was open before the reload")));
}

#[test]
fn reload_blocked_by_a_unit_changes_nothing() {
    let (daemon, _kept, port) = started();
    let expected =
        format!("(by tcp://{}:{port} of ipcd.socket, handed over by the service manager)", daemon.ip);
    refuse_reload(&daemon, &with_chat(&format!("tcp://0.0.0.0:{port}")), &expected);
    let mut alice = daemon.tcp(port);
    alice.hear("Greetings from the cave! Now type your name and press enter!\n");
    drop(alice);
    daemon.stop();
}

#[test]
fn released_socket_returns_at_restart_and_is_reported() {
    let (daemon, _kept, port) = started();
    let since = daemon.log().len();
    daemon.write_config("[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded");
    let place = format!("tcp://{}:{port}", daemon.ip);
    let with = |place: &str| {
        format!("[multiply]\nlisten = [\"tcp://{{ip}}:65432\"]\n[chat]\nlisten = [\"{place}\"]\n")
    };
    refuse_reload(
        &daemon,
        &with(&place),
        &format!(
            "{place}: address already in use (by ipcd.socket, which holds it for ipcd and passes it only at a start); \
             restart ipcd, or choose another one under [chat] in "
        ),
    );
    let expected = format!("(by {place} of ipcd.socket, handed over");
    refuse_reload(&daemon, &with(&format!("tcp://0.0.0.0:{port}")), &expected);
    daemon.stop();
}

#[test]
fn restart_with_a_wider_address_releases_the_stored_one() {
    let (test_dir, manager, _, _) = test_dir();
    let port = free_port();
    test_dir.write_config(&with_chat(&format!("tcp://{{ip}}:{port}")));
    let mut before = test_dir.start_with(&manager, Vec::new());
    let mut alice = before.tcp(port);
    alice.say("alice\n");
    alice.hear("Greetings from the cave! Now type your name and press enter!\nWelcome alice! If you ever want to quit, type {quit} to exit.\n");
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    test_dir.write_config(&with_chat(&format!("tcp://0.0.0.0:{port}")));
    // The manager keeps its copies until the daemon removes them.
    let go = test_dir.directory.path().join("go");
    let wait =
        format!("export LISTEN_PID=$$; until [ -e {} ]; do sleep 0.01; done; exec \"$@\"", go.display());
    let command = manager.command_by(&wait, &test_dir, manager.copy_stored());
    let after = test_dir.begin(command); // this process has closed its copies now
    std::fs::write(go, "").unwrap();
    after.wait_for_log("is ready");
    alice.say("still here\n");
    alice.hear("alice: still here\n");
    let mut other = Client::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    other.hear("Greetings from the cave! Now type your name and press enter!\n");
    drop((alice, other));
    after.stop();
}

// ---- descriptors for another process

#[test]
fn foreign_descriptors_and_watchdog_are_reported_by_name() {
    let (test_dir, manager, socket, _) = test_dir();
    test_dir.write_config(USUAL);
    let script = "export LISTEN_PID=4711 WATCHDOG_PID=4711 WATCHDOG_USEC=30000000; exec \"$@\"";
    let command = manager.command_by(script, &test_dir, held(socket));
    let daemon = test_dir.start(command);
    let pid = daemon.pid();
    let line = daemon.wait_for_log("LISTEN_PID");
    assert!(
        line.starts_with(&format!(
            "warning: LISTEN_PID is 4711, but this is process {pid}: the 1 descriptors of LISTEN_FDS (ipcd.socket) are for that process"
        )),
        "{line}"
    );
    let line = daemon.wait_for_log("WATCHDOG_PID");
    assert!(
        line.starts_with(&format!("warning: WATCHDOG_PID is 4711, but this is process {pid}: ")),
        "{line}"
    );
    daemon.stop();
}

/// A daemon that learns from LISTEN_PIDFDID, as with systemd 260 and later, for which process its descriptors are.
fn told_its_number(number: &str) -> (TestDir, Command, SocketAddr) {
    let (test_dir, manager, socket, port) = test_dir();
    test_dir.write_config(&with_chat(&format!("tcp://{{ip}}:{port}")));
    let script = format!("export LISTEN_PID=$$ LISTEN_PIDFDID={number}; exec \"$@\"");
    let command = manager.command_by(&script, &test_dir, held(socket));
    let address = SocketAddr::from((test_dir.ip, port));
    (test_dir, command, address)
}

#[test]
fn descriptors_are_not_taken_from_an_earlier_process_of_the_same_id() {
    let (_test_dir, mut command, _) = told_its_number("4711");
    let said = failure(&mut command, 69);
    assert!(said.contains("LISTEN_PIDFDID is 4711, but of this process it is "), "{said}");
    assert!(said.contains("the 1 descriptors of LISTEN_FDS (ipcd.socket) are for that process"), "{said}");
}

#[test]
#[ignore = "needs python3"]
fn descriptors_are_taken_by_the_process_that_listen_pidfdid_names() {
    let number = "$(python3 -c 'import os, sys; print(os.fstat(os.pidfd_open(int(sys.argv[1]))).st_ino)' $$)";
    let (test_dir, command, address) = told_its_number(number);
    let daemon = test_dir.start(command);
    let mut other = Client::tcp(address);
    other.hear("Greetings from the cave! Now type your name and press enter!\n");
    drop(other);
    daemon.stop();
}

#[test]
fn socket_inherited_for_another_process_is_not_blamed_on_ipcd() {
    if !is_root() {
        return;
    }
    let (test_dir, manager, socket, port) = test_dir();
    test_dir.write_config(&with_chat(&format!("tcp://{{ip}}:{port}")));
    // As with PrivatePIDs= on systemd 257: the process is the first one of a namespace, and the number belongs to another.
    let script = "export LISTEN_PID=$$; exec unshare --pid --fork --kill-child --mount-proc \"$@\"";
    let said = failure(&mut manager.command_by(script, &test_dir, held(socket)), 69);
    assert!(said.contains("but this is process 1: the 1 descriptors"), "{said}");
    let expected = format!(
        "tcp://{}:{port}: address already in use (by a socket that this process inherited); pass it with LISTEN_PID (see ipcd(8)) or choose another port",
        test_dir.ip
    );
    assert!(said.contains(&expected), "{said}");
    assert!(!said.contains("pid 1, "), "{said}");
}
