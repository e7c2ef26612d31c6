//! A reload applies everything in the new configuration, or nothing; and no client loses a message.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::harness::around::{Helper, free_port};
use crate::harness::{CHAT, Client, Daemon, GREETING, MULTIPLY, TestDir, USUAL};
use rustix::process::Signal;

/// Loads this configuration; returns the daemon's log lines about it.
#[track_caller]
fn reload(daemon: &Daemon, config: &str) -> Vec<String> {
    daemon.write_config(config);
    let since = daemon.log().len();
    daemon.signal(Signal::HUP);
    // Success or failure; a line about the cause comes before it.
    crate::harness::wait_until("the outcome is told", || {
        let told = |line: &String| line.starts_with("info: reloaded: ") || line.contains("reload failed");
        daemon.log()[since..].iter().any(told).then_some(())
    });
    let log = daemon.log().split_off(since);
    log.into_iter().filter(|line| line != "info: SIGHUP asks for a reload").collect()
}

#[track_caller]
fn good(daemon: &Daemon, config: &str) -> Vec<String> {
    let log = reload(daemon, config);
    assert!(log.iter().any(|line| line.starts_with("info: reloaded: ")), "{log:?}");
    log
}

#[track_caller]
fn bad(daemon: &Daemon, config: &str) -> Vec<String> {
    let mut log = reload(daemon, config);
    // A line about a connection may reach the reader of the log late.
    log.retain(|line| line.starts_with("error: "));
    assert_eq!(log.last().unwrap(), "error: reload failed, nothing has changed", "{log:?}");
    log
}

#[track_caller]
fn answered(client: &mut Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

fn refuses(daemon: &Daemon, port: u16) -> bool {
    TcpStream::connect(daemon.address(port)).is_err()
}

#[test]
fn reload_opens_new_endpoints_closes_old_ones_keeps_connections() {
    let daemon = Daemon::usual();
    let mut old = daemon.tcp(MULTIPLY);
    answered(&mut old);
    let mut alice = Client::member(&daemon, "alice");
    good(&daemon, &USUAL.replace(":65432", ":6000").replace(":33000", ":6001"));
    answered(&mut old);
    answered(&mut daemon.tcp(6000));
    assert!(refuses(&daemon, MULTIPLY) && refuses(&daemon, CHAT));
    let mut bob = daemon.tcp(6001);
    bob.say("bob\n");
    alice.hear("bob has joined the chat!\n");
    good(&daemon, USUAL);
    assert!(refuses(&daemon, 6000));
    answered(&mut old);
    answered(&mut daemon.tcp(MULTIPLY));
    bob.say("still here\n");
    alice.hear("bob: still here\n");
    daemon.stop();
}

#[test]
fn reload_changes_limits_timeouts_and_log_level() {
    let daemon = Daemon::usual();
    let mut first = daemon.tcp(MULTIPLY);
    answered(&mut first);
    let limits = "[log]\nlevel = \"debug\"\n[limits]\nmax_message = 16\nmax_connections = 2\n";
    good(&daemon, &format!("{limits}{USUAL}"));
    answered(&mut first);
    daemon.wait_for_log("debug: ");
    let mut second = daemon.tcp(MULTIPLY);
    answered(&mut second);
    daemon.tcp(MULTIPLY).hear("Error: too many connections, try again later\n");
    second.say("1234567890 1234567890\n");
    second.hear("Error: message longer than 16 bytes\n");
    answered(&mut second);
    good(&daemon, &format!("[limits]\nidle_timeout = \"100ms\"\n{USUAL}"));
    first.hear("Error: idle for 0.1 s\n");
    first.hear_end();
    daemon.stop();
}

#[test]
fn reload_changes_backlog_and_mode_in_place() {
    let daemon = Daemon::usual();
    let file = || std::fs::metadata(daemon.socket()).unwrap();
    let (mode, inode) = (file().mode() & 0o777, file().ino());
    assert_eq!(mode, 0o660);
    let mut through = daemon.unix();
    answered(&mut through);
    good(&daemon, &format!("[limits]\nlisten_backlog = 1\n{USUAL}mode = \"0600\"\n"));
    daemon.freeze();
    let mut queued = [daemon.tcp(MULTIPLY), daemon.tcp(MULTIPLY)]; // the kernel keeps one more than the limit
    let third = TcpStream::connect_timeout(&daemon.address(MULTIPLY), Duration::from_millis(300));
    assert!(third.is_err(), "the queue is short now");
    daemon.thaw();
    queued.iter_mut().for_each(answered);
    assert_eq!((file().mode() & 0o777, file().ino()), (0o600, inode));
    answered(&mut through);
    answered(&mut daemon.unix());
    answered(&mut daemon.tcp(MULTIPLY));
    daemon.stop();
}

#[test]
fn invalid_file_changes_nothing_and_logs_every_error() {
    let daemon = Daemon::usual();
    let mut old = daemon.tcp(MULTIPLY);
    answered(&mut old);
    let log = bad(
        &daemon,
        "[multiply]\nlisten = [\"tcp://{ip}:6000\", \"tcp://{ip}:70000\"]\nbacklock = 1\n[caht]\n",
    );
    let file = daemon.directory.path().join("ipcd.toml");
    for (line, place) in log.iter().zip(["2:", "3:", "4:"]) {
        assert!(line.starts_with(&format!("error: {}:{place}", file.display())), "{line}");
    }
    assert_eq!(log.len(), 4);
    std::fs::remove_file(&file).unwrap();
    let since = daemon.log().len();
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reload failed");
    assert!(daemon.log()[since..].iter().any(|line| line.contains("no such file")));
    assert!(refuses(&daemon, 6000));
    answered(&mut old);
    for port in [MULTIPLY, GREETING, CHAT] {
        assert!(!refuses(&daemon, port));
    }
    answered(&mut daemon.unix());
    daemon.stop();
}

#[test]
fn reload_opens_all_new_endpoints_or_none() {
    let daemon = Daemon::usual();
    let owner = Helper::on_tcp(daemon.ip, 6001);
    let config = "[multiply]\nlisten = [\"tcp://{ip}:6000\", \"tcp://{ip}:6001\", \"tcp://{ip}:6002\", \"unix://{dir}/new.sock\"]\n";
    let log = bad(&daemon, config);
    let expected = format!("tcp://{}:6001: address already in use (by {})", daemon.ip, owner.shown());
    assert!(log.iter().any(|line| line.starts_with(&format!("error: {expected}"))), "{log:?}");
    assert!(refuses(&daemon, 6000) && refuses(&daemon, 6002));
    let mut names: Vec<_> =
        std::fs::read_dir(daemon.directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ipcd.sock", "ipcd.sock.lock", "ipcd.toml"]);
    answered(&mut daemon.tcp(MULTIPLY));
    drop(owner);
    good(&daemon, config);
    for port in [6000, 6001, 6002] {
        answered(&mut daemon.tcp(port));
    }
    answered(&mut Client::unix(&daemon.directory.path().join("new.sock")));
    assert!(refuses(&daemon, MULTIPLY) && !daemon.socket().exists());
    daemon.stop();
}

/// A port of its own for each test that listens on every address.
fn on(host: &str, port: u16) -> String {
    format!("[multiply]\nlisten = [\"tcp://{host}:{port}\"]\n")
}

#[test]
fn reload_widens_one_address_to_all_and_back() {
    let port = free_port();
    let (one, all) = (on("{ip}", port), on("0.0.0.0", port));
    let daemon = Daemon::with(&one);
    let mut old = daemon.tcp(port);
    answered(&mut old);
    for _ in 0..3 {
        good(&daemon, &all);
        answered(&mut Client::tcp(([127, 0, 0, 1], port).into()));
        answered(&mut daemon.tcp(port));
        good(&daemon, &one);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        answered(&mut daemon.tcp(port));
        answered(&mut old);
    }
    daemon.stop();
}

#[test]
fn failed_reload_restores_the_closed_endpoint() {
    let port = free_port();
    let one = on("{ip}", port);
    let daemon = Daemon::with(&one);
    let mut old = daemon.tcp(port);
    answered(&mut old);
    let elsewhere = TestDir::new().ip;
    let owner = Helper::on_tcp(elsewhere, port);
    for _ in 0..3 {
        let log = bad(&daemon, &on("0.0.0.0", port));
        let expected = format!("error: tcp://0.0.0.0:{port}: address already in use (by {})", owner.shown());
        assert!(log[0].starts_with(&expected), "{log:?}");
        assert_eq!(log.len(), 2, "{log:?}");
        answered(&mut daemon.tcp(port));
        answered(&mut old);
    }
    drop(owner);
    good(&daemon, &on("0.0.0.0", port));
    answered(&mut Client::tcp((elsewhere, port).into()));
    daemon.stop();
}

#[test]
fn withdrawn_service_closes_its_own_connections_but_not_mux_ones() {
    let daemon = Daemon::usual();
    let mut multiplier = daemon.tcp(MULTIPLY);
    answered(&mut multiplier);
    let mut member = Client::member(&daemon, "alice");
    let mut through = daemon.unix();
    through.say("chat\nbob\n");
    member.hear("bob has joined the chat!\n");
    through.hear("Greetings from the cave! Now type your name and press enter!\n");
    through.hear("Welcome bob! If you ever want to quit, type {quit} to exit.\n");
    let mut default = daemon.unix();
    answered(&mut default);
    good(
        &daemon,
        "[greeting]\nlisten = [\"tcp://{ip}:9999\"]\n[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n",
    );
    for (client, service) in [(&mut multiplier, "multiply"), (&mut member, "chat")] {
        client.hear(format!("Error: {service} is no longer offered here\n"));
        client.hear_end();
    }
    through.hear("alice has left the chat.\n");
    through.say("hi\n");
    through.hear("bob: hi\n");
    answered(&mut default);
    answered(&mut daemon.unix());
    assert!(refuses(&daemon, MULTIPLY) && refuses(&daemon, CHAT));
    daemon.stop();
}

#[test]
fn missing_socket_file_is_recreated() {
    let daemon = Daemon::usual();
    let mut inside = daemon.unix();
    answered(&mut inside);
    std::fs::remove_file(daemon.socket()).unwrap();
    good(&daemon, USUAL);
    answered(&mut daemon.unix());
    answered(&mut inside);
    daemon.stop();
}
