//! Under a service manager: messages to it, sockets from it, and connections that outlive a restart.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use crate::harness::healthy::Healthy;
use crate::harness::manager::Manager;
use crate::harness::{CHAT, Client, Daemon, MULTIPLY, TestDir, USUAL, wait_until};
use ipcd::host::fd_bundle;
use rustix::process::Signal;

fn test_dir(config: &str) -> TestDir {
    let test_dir = TestDir::new();
    test_dir.write_config(config);
    test_dir
}

/// The directory of the next process, with the same address and configuration, so that it finds the same endpoints.
fn after(before: &Daemon) -> TestDir {
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    std::fs::copy(before.directory.path().join("ipcd.toml"), test_dir.config_file()).unwrap();
    test_dir
}

/// The daemon gives everything to the manager, and ends.
pub fn hand_over(daemon: &mut Daemon) {
    let mut control = daemon.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(daemon.wait().success());
}

/// The daemon that follows.
pub fn next(before: &Daemon, manager: &Manager) -> Daemon {
    let next = after(before);
    let command = manager.command(&next, manager.take_stored());
    next.start(command)
}

#[test]
fn manager_gets_ready_reloading_status_watchdog_and_stopping() {
    let test_dir = test_dir(USUAL);
    let manager = Manager::new(&test_dir);
    let mut command = manager.command(&test_dir, Vec::new());
    command.env("WATCHDOG_USEC", "3000000");
    let daemon = test_dir.start(command);
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    manager.wait_for("STATUS=1 connections, ");
    daemon.signal(Signal::HUP);
    manager.wait_for("MONOTONIC_USEC=");
    manager.wait_for("STATUS=1 connections, 0 requests a second; the last reload succeeded");
    daemon.write_config("[chat]\nlisten = 5\n");
    daemon.signal(Signal::HUP);
    manager.wait_for("the last reload failed, see the log");
    drop(client);
    daemon.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
}

#[test]
fn restart_under_a_manager_goes_unnoticed() {
    let test_dir = test_dir(USUAL);
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);

    let mut alice = Client::member(&before, "alice");
    let mut bob = before.tcp(CHAT);
    bob.say("bob");
    bob.hear("Greetings from the cave! Now type your name and press enter!\n");
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.");
    alice.hear("bob has joined the chat!\n");
    let mut half = before.tcp(MULTIPLY);
    half.say("1 1\n5 1");
    half.hear("Data received\n1.0\n");
    let mut fresh = before.tcp(CHAT);
    fresh.hear("Greetings from the cave! Now type your name and press enter!\n");
    let mut mux = before.unix();
    mux.say("multiply\n2 3\n");
    mux.hear("Data received\n6.0\n");

    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    before.wait_for_log("handed over 5 connections");
    let stored = manager.stored();
    assert_eq!((stored["ipcd-connections"], stored["ipcd-record"], stored["ipcd-listener"]), (1, 1, 3));

    // Sent while no daemon runs; a connection made in that time waits in the backlog.
    half.say("0\n");
    alice.say("anybody here?\n");
    let mut early = before.tcp(MULTIPLY);
    early.say("3 3\n");

    let test_dir = after(&before);
    let command = manager.command(&test_dir, manager.take_stored());
    let after = test_dir.start(command);
    manager.wait_for("READY=1");
    after.wait_for_log("5 connections from before the restart continue");
    half.hear("Data received\n50.0\n");
    early.hear("Data received\n9.0\n");
    alice.hear("alice: anybody here?\n");
    bob.hear("alice: anybody here?");
    bob.say("yes");
    alice.hear("bob: yes\n");
    bob.hear("bob: yes");
    mux.say("4 4\n");
    mux.hear("Data received\n16.0\n");
    fresh.say("ALICE\n");
    fresh.hear("Error: the name 'ALICE' is taken; choose another\n");
    alice.say("/who\n");
    alice.hear("In the room: alice, bob (2)\n");
    bob.say("{quit}");
    bob.hear("{quit}");
    bob.hear_reset();
    alice.hear("bob has left the chat.\n");
    assert!(manager.stored().is_empty(), "a copy kept elsewhere would hide a connection's end");
    drop((alice, half, early, mux, fresh));
    after.stop();
}

/// It may still send, and a connection that is closed with something unread is reset.
#[test]
fn telnet_client_that_has_ended_gets_all_its_answers_after_a_restart() {
    const ALL: usize = 100;
    let test_dir = test_dir(&format!("[limits]\nmessages_per_second = 20\n{USUAL}"));
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let mut client = before.tcp(MULTIPLY);
    client.say([&b"\xff\xfb\x06"[..], &b"1 1\r\n".repeat(ALL), b"\xff\xec"].concat());
    client.hear(b"\xff\xfe\x06Data received\r\n1.0\r\n");
    hand_over(&mut before);
    client.say("2 2\r\n"); // behind the end
    let daemon = next(&before, &manager);
    client.hear("Data received\r\n1.0\r\n".repeat(ALL - 1));
    client.hear_end();
    daemon.stop();
}

#[test]
fn nothing_behind_a_handover_is_carried_out() {
    let test_dir = test_dir(USUAL);
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let mut alice = Client::member(&before, "alice");
    let mut control = before.unix();
    control.say("control\nsay hi\nhandover\nsay ho\nkick alice\nreload\n");
    control.hear("OK: sent to one member\nOK\n");
    control.hear_end();
    assert!(before.wait().success());
    let daemon = next(&before, &manager);
    alice.hear("[teacher] hi\n");
    alice.say("still here\n");
    alice.hear("alice: still here\n");
    drop(alice);
    daemon.stop();
}

#[test]
fn orders_that_remove_their_endpoint_are_answered() {
    let test_dir = test_dir(USUAL);
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let mut control = daemon.unix();
    daemon.write_config("[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n");
    control.say("control\nreload\nreload\n");
    control.half_close();
    control.hear("OK\nOK\n");
    control.hear_end();
    daemon.stop();
}

#[test]
fn member_whose_connection_is_lost_in_a_restart_has_left() {
    let test_dir = test_dir(USUAL);
    let manager = Manager::new(&test_dir);
    let mut before = test_dir.start_with(&manager, Vec::new());
    let mut alice = Client::member(&before, "alice");
    let bob = Client::member(&before, "bob");
    alice.hear("bob has joined the chat!\n");
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    let mut stored = manager.take_stored();
    for (name, fd) in &mut stored {
        if name == "ipcd-connections" {
            let mut connections = fd_bundle::unpack(&*fd).unwrap();
            connections.pop();
            let rest: Vec<_> = connections.iter().map(AsFd::as_fd).collect();
            *fd = fd_bundle::pack(&rest).unwrap().remove(0);
        }
    }
    let test_dir = after(&before);
    let after = test_dir.start_with(&manager, stored);
    alice.hear("bob has left the chat.\n");
    drop((alice, bob));
    after.stop();
}

#[test]
fn connections_without_a_valid_record_close_and_the_daemon_starts() {
    let test_dir = test_dir(USUAL);
    let manager = Manager::new(&test_dir);
    let mut before = test_dir.start_with(&manager, Vec::new());
    let mut alice = Client::member(&before, "alice");
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    let mut stored = manager.take_stored();
    for (name, fd) in &mut stored {
        if name == "ipcd-record" {
            *fd = tempfile::tempfile().unwrap().into();
        }
    }
    let test_dir = after(&before);
    let after = test_dir.start_with(&manager, stored);
    after.wait_for_log(
        "the record of connections before the restart cannot be read: it is not a sealed memory file",
    );
    alice.hear_end();
    let mut client = after.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    drop(client);
    after.stop();
}

#[test]
fn inherited_sockets_match_by_address_and_the_rest_is_closed() {
    let test_dir = test_dir(USUAL);
    let manager = Manager::new(&test_dir);
    let listen = |port: u16| TcpListener::bind((test_dir.ip, port)).unwrap();
    let multiply = listen(MULTIPLY);
    let mut waiting = Client::tcp(multiply.local_addr().unwrap());
    waiting.say("5 10\n");
    let unix = UnixListener::bind(test_dir.directory.path().join("ipcd.sock")).unwrap();
    let stray = listen(4711);
    let stray_address = stray.local_addr().unwrap();
    let file = tempfile::tempfile().unwrap();
    let descriptors = vec![
        ("ipcd.socket".to_owned(), unix.into()),
        ("ipcd.socket".to_owned(), stray.into()),
        ("ipcd.socket".to_owned(), multiply.into()),
        ("x".to_owned(), file.into()),
    ];
    let daemon = test_dir.start_with(&manager, descriptors);
    waiting.hear("Data received\n50.0\n");
    let mut mux = daemon.unix();
    mux.say("2 2\n");
    mux.hear("Data received\n4.0\n");
    let mut chat = daemon.tcp(CHAT); // this endpoint had no descriptor, and was opened
    chat.hear("Greetings from the cave! Now type your name and press enter!\n");
    let warning = daemon.wait_for_log(&format!("tcp://{stray_address}: handed over by the service manager"));
    assert!(warning.starts_with("warning: ") && warning.contains("add it to a listen in"), "{warning}");
    daemon.wait_for_log("the descriptor x that was handed over is not a socket; it is closed");
    // A child that another test is just starting may hold a copy of the socket until it executes its program.
    wait_until("a refused connection", || std::net::TcpStream::connect(stray_address).err());
    drop((waiting, mux, chat));
    let directory = daemon.directory.path().to_owned();
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopped");
    assert!(directory.join("ipcd.sock").exists(), "a socket that somebody else made is theirs to remove");
}

#[test]
fn invalid_descriptor_variables_are_ignored() {
    for (fds, names) in
        [("5", ""), ("-1", ""), ("x", ""), ("99999999999", ""), ("2", "one"), ("2147483647", "")]
    {
        let test_dir = test_dir(USUAL);
        let mut command = std::process::Command::new("sh");
        command
            .arg("-c")
            .arg("export LISTEN_PID=$$; exec \"$@\"")
            .arg("sh")
            .arg(test_dir.command().get_program());
        command.args(test_dir.command().get_args()).env("LISTEN_FDS", fds);
        if !names.is_empty() {
            command.env("LISTEN_FDNAMES", names);
        }
        let daemon = test_dir.start(command);
        daemon.wait_for_log("LISTEN_FDS");
        Healthy::on(daemon.tcp(MULTIPLY)).end();
        daemon.stop();
    }
}

#[test]
fn only_root_and_the_owner_control_the_daemon() {
    let daemon =
        Daemon::with("[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n[mux]\nlisten = [\"tcp://{ip}:5000\"]\n");
    let mut client = daemon.tcp(5000);
    client.say("control\nreload\n");
    client.hear("Error: control is only for root and the daemon's own user, on a Unix socket\n");
    client.hear_end();
    drop(client);
    daemon.stop();
}

#[test]
fn control_reload_reports_its_outcome() {
    let daemon = Daemon::usual();
    let mut client = daemon.unix();
    client.say("control\nreload\n");
    client.hear("OK\n");
    daemon.write_config("[chat]\nlisten = [\"tcp://{ip}:0\"]\n[limits]\nbaklog = 5\n");
    client.say("reload\n");
    let file = daemon.directory.path().join("ipcd.toml");
    client.hear(format!("Error: {}:2:11: tcp://{}:0: a port is 1 to 65535\n", file.display(), daemon.ip));
    client
        .hear(format!("Error: {}:4:1: unknown key \"baklog\"; did you mean \"backlog\"?\n", file.display()));
    client.say("restart\n");
    client.hear("Error: unknown request: 'restart' (known: reload, handover, notify, kick NAME, mute NAME [FOR], unmute NAME, say TEXT, close ADDRESS, token)\n");
    client.say("handover\n");
    client.hear("Error: there is no service manager to hand over to (NOTIFY_SOCKET is not set)\n");
    drop(client);
    daemon.stop();
}
