//! Several daemons on the same ports of one machine (`share_ports`), and what it costs when one of them ends.

use std::net::UdpSocket;

use crate::harness::interrupted::uninterrupted;
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, MULTIPLY, TIMEOUT, TestDir, USUAL, wait_until};
use rustix::process::Signal;

const SHARED: &str = r#"
[limits]
share_ports = true
[multiply]
listen = ["tcp://{ip}:65432", "udp://{ip}:65432"]
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// Connections that chance spreads over two daemons: that one of them gets none does not happen.
const MANY: usize = 64;

/// The surroundings of another daemon at the same address.
fn beside(first: &Daemon) -> TestDir {
    TestDir { directory: tempfile::tempdir().unwrap(), ip: first.ip }
}

/// Waits until the log says that the daemon has served somebody on the port.
fn has_served(daemon: &Daemon) {
    daemon.wait_for_log(&format!("tcp://{}:65432: 127.", daemon.ip));
}

fn ask(count: usize, daemon: &Daemon) -> Vec<Client> {
    let ask = |_| {
        let mut client = daemon.tcp(MULTIPLY);
        client.say("5 10\n");
        client
    };
    (0..count).map(ask).collect()
}

fn all_answered(clients: &mut [Client]) {
    clients.iter_mut().for_each(|client| client.hear("Data received\n50.0\n"));
}

/// The error of a start that fails with the status of an endpoint that cannot be opened.
fn refusal(test_dir: &TestDir, config: &str) -> String {
    test_dir.write_config(config);
    let output = test_dir.command().output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn daemons_that_share_a_port_all_serve_it() {
    let first = Daemon::with(SHARED);
    let second = beside(&first).serve(SHARED);
    all_answered(&mut ask(MANY, &first));
    [&first, &second].into_iter().for_each(has_served);
    for _ in 0..MANY {
        let sender = UdpSocket::bind((first.ip, 0)).unwrap();
        sender.set_read_timeout(Some(TIMEOUT)).unwrap();
        sender.send_to(b"5 10", first.address(MULTIPLY)).unwrap();
        let mut buffer = [0; 64];
        let count = uninterrupted(|| sender.recv(&mut buffer)).unwrap();
        assert!(buffer[..count].starts_with(b"Data received"));
    }
    // Each has its own socket.
    for daemon in [&first, &second] {
        let mut own = daemon.unix();
        own.say("6 7\n");
        own.hear("Data received\n42.0\n");
    }
    first.stop();
    all_answered(&mut ask(MANY, &second));
    second.stop();
}

#[test]
fn port_is_shared_only_if_both_daemons_want_it() {
    let alone = Daemon::usual();
    let error = refusal(&beside(&alone), SHARED);
    let pid = alone.pid();
    let expected = format!(
        "tcp://{}:65432: address already in use (by pid {pid}, ipcd, which does not share it); set share_ports = true there too, and let both run as one user, or choose another port under [multiply] in",
        alone.ip
    );
    assert!(error.contains(&expected), "{error}");
    alone.stop();

    let shared = Daemon::with(SHARED);
    let error = refusal(&beside(&shared), USUAL);
    let expected =
        format!("(by pid {}, ipcd); stop it or choose another port under [multiply] in", shared.pid());
    assert!(error.contains(&expected), "{error}");
    shared.stop();
}

#[test]
fn reload_turns_sharing_on_and_off_where_the_port_is_open() {
    let off = SHARED.replace("= true", "= false");
    let first = Daemon::with(&off);
    refusal(&beside(&first), SHARED);
    let reload = |config: &str| {
        let since = first.log().len();
        first.write_config(config);
        first.signal(Signal::HUP);
        first.wait_for_log_since(since, "info: reloaded: ");
    };
    reload(SHARED);
    let second = beside(&first).serve(SHARED);
    all_answered(&mut ask(MANY, &first));
    [&first, &second].into_iter().for_each(has_served);
    second.stop();
    reload(&off);
    refusal(&beside(&first), SHARED);
    all_answered(&mut ask(MANY, &first));
    first.stop();
}

#[test]
fn stopping_one_daemon_answers_what_waits_for_it() {
    let first = Daemon::with(SHARED);
    let second = beside(&first).serve(SHARED);
    first.freeze();
    let mut clients = ask(MANY, &first);
    first.signal(Signal::TERM); // it arrives with the next signal
    first.thaw();
    all_answered(&mut clients);
    [&first, &second].into_iter().for_each(has_served);
    second.stop();
}

#[test]
fn killing_one_daemon_resets_only_what_waits_for_it() {
    let mut first = Daemon::with(SHARED);
    let second = beside(&first).serve(SHARED);
    first.freeze();
    let clients = ask(MANY, &first);
    first.signal(Signal::KILL);
    first.wait();
    let mut reset = 0;
    for mut client in clients {
        let mut heard = Vec::new();
        while heard.len() < b"Data received\n50.0\n".len() {
            let mut buffer = [0; 64];
            match uninterrupted(|| client.read(&mut buffer)) {
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                    reset += 1;
                    break;
                }
            }
        }
    }
    // With net.ipv4.tcp_migrate_req the kernel gives them to the other daemon.
    let migrates =
        std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").is_ok_and(|it| it.trim() == "1");
    wait_until("the other daemon has logged each client that was not reset", || {
        let served = second.log().iter().filter(|line| line.ends_with(": connected")).count();
        (served == MANY - reset).then_some(())
    });
    assert!(!migrates || reset == 0, "{reset}");
    assert!(migrates || reset > 0);
    all_answered(&mut ask(MANY, &second));
    second.stop();
}

#[test]
fn restart_of_one_daemon_keeps_what_waits_for_it() {
    let test_dir = TestDir::new();
    test_dir.write_config(SHARED);
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let other = beside(&before).serve(SHARED);
    let mut early = ask(MANY, &before);
    all_answered(&mut early);
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    // A part of them waits in the queue that the manager keeps.
    let mut late = ask(MANY, &before);
    let next = beside(&before);
    next.write_config(SHARED);
    let after = next.start_with(&manager, manager.take_stored());
    all_answered(&mut late);
    for client in &mut early {
        client.say("5 10\n");
    }
    all_answered(&mut early);
    [&after, &other].into_iter().for_each(has_served);
    after.stop();
    other.stop();
}

#[test]
fn shared_chat_without_a_common_room_is_warned_of() {
    let test_dir = TestDir::new();
    let chat = "[limits]\nshare_ports = true\n[chat]\nlisten = [\"tcp://{ip}:33000\"]\n[mux]\nlisten = [\"unix://{dir}/s\"]\n";
    for (config, is_told) in [
        (chat.to_owned(), true),
        (chat.replace("= true", "= false"), false),
        (chat.replace("tcp://{ip}:33000", "unix://{dir}/chat"), false),
    ] {
        test_dir.write_config(&config);
        let output = test_dir.command().arg("--check").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("has a room of its own"), is_told, "{config}\n{said}");
    }
}
