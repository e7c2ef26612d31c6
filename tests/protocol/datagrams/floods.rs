//! Clients that send too much, read nothing or answer everything take nobody else's replies.

use std::fs::{Permissions, set_permissions};
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::around::{Helper, as_user, is_root, may_unshare};
use crate::harness::packets::Packets;
use crate::harness::{Daemon, MULTIPLY, TIMEOUT, wait_until};

const ALICE: u32 = 64_001;
const BOB: u32 = 64_002;

const BOTH: &str = r#"
[multiply]
listen = ["udp://{ip}:65432", "unixgram://{dir}/multiply.gram"]
mode = "0666"
[status]
listen = ["unix://{dir}/status.sock"]
"#;

/// The number of datagrams or answers that were dropped for a reason.
fn dropped_for(daemon: &Daemon, reason: &str) -> u64 {
    let mut client = crate::harness::Client::unix(&daemon.directory.path().join("status.sock"));
    client.say("status\n");
    let report: serde_json::Value = serde_json::from_str(&client.hear_line()).unwrap();
    let services = report["services"].as_array().unwrap();
    let multiply = services.iter().find(|service| service["service"] == "multiply").unwrap();
    multiply["dropped_by_reason"][reason].as_u64().unwrap()
}

#[test]
fn sender_gets_100_replies_at_once_and_further_drops_are_reported() {
    let daemon = Daemon::with(BOTH);
    let client = Packets::udp(daemon.address(MULTIPLY));
    let (begun, mut answered) = (Instant::now(), 0);
    // All at once: on no machine is this slower than the rate of the replies.
    daemon.freeze();
    (0..200).for_each(|_| client.say("1 / 0"));
    daemon.thaw();
    client.socket.set_nonblocking(true).unwrap();
    wait_until("each is answered or dropped", || {
        while std::io::Read::read(&mut &client.socket, &mut [0; 100]).is_ok() {
            answered += 1;
        }
        (answered + dropped_for(&daemon, "too_many") == 200).then_some(())
    });
    // Ten more come back each second.
    let most = 100 + 10 * begun.elapsed().as_secs() + 10;
    assert!((100..=most).contains(&answered) && answered < 200, "{answered}");
    daemon.wait_for_log("datagram not answered: its sender has reached its limit on answers");
    let other = Packets::udp(daemon.address(MULTIPLY));
    other.say("5 10");
    other.hear("Data received");
    other.hear("50.0");
    daemon.stop();
    let daemon = Daemon::with(&format!("[limits]\nanswers_per_second = 0\n{BOTH}"));
    let client = Packets::udp(daemon.address(MULTIPLY));
    for _ in 0..300 {
        client.say("1 / 0");
        client.hear("Error: division by zero");
    }
    daemon.stop();
}

#[test]
fn service_port_gets_no_reply() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::with(BOTH);
    let echo = (1..1024).rev().find_map(|port| UdpSocket::bind((daemon.ip, port)).ok()).unwrap();
    echo.send_to(b"5 10", daemon.address(MULTIPLY)).unwrap();
    daemon.wait_for_log("datagram not answered: it comes from a port below 1024");
    echo.set_nonblocking(true).unwrap();
    assert!(echo.recv(&mut [0; 100]).is_err());
    assert_eq!(dropped_for(&daemon, "low_port"), 1);
    daemon.stop();
}

/// Forty sockets of one user are connected to the endpoint and never read. The kernel would let them fill the whole send buffer,
/// and then nobody would get an answer.
#[test]
fn unread_replies_of_one_user_leave_room_for_others() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::with(&format!("[limits]\nanswers_per_second = 0\n{BOTH}"));
    let directory = daemon.directory.path();
    set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
    let gram = directory.join("multiply.gram");
    let deaf: Vec<UnixDatagram> = as_user(ALICE, ALICE, || {
        let open = |index| {
            let socket = UnixDatagram::bind(directory.join(format!("deaf {index}"))).unwrap();
            socket.connect(&gram).unwrap();
            socket.set_write_timeout(Some(TIMEOUT)).unwrap();
            socket
        };
        (0..40).map(open).collect()
    });
    let flood = || {
        as_user(ALICE, ALICE, || assert!(deaf.iter().all(|socket| socket.send(b"5 10").is_ok())));
    };
    let bob = as_user(BOB, BOB, || Packets::gram(&gram, &directory.join("bob's")));
    wait_until("her share is full", || {
        flood();
        (dropped_for(&daemon, "share") > 100).then_some(())
    });
    for _ in 0..200 {
        flood();
        as_user(BOB, BOB, || bob.say("6 7"));
        bob.hear("Data received");
        bob.hear("42.0");
    }
    assert_eq!(dropped_for(&daemon, "no_room"), 0);
    daemon.wait_for_log("the user's share of the buffer is full of unread answers");
    // Once she has read, or is gone, she has her share again.
    drop(deaf);
    let alice = as_user(ALICE, ALICE, || Packets::gram(&gram, &directory.join("alice's")));
    alice.socket.set_nonblocking(true).unwrap();
    // A child of another test may have copies of her sockets until execve(2).
    wait_until("she has her share again", || {
        as_user(ALICE, ALICE, || alice.try_say(b"5 10"));
        std::io::Read::read(&mut &alice.socket, &mut [0; 100]).ok()
    });
    daemon.stop();
}

/// A namespace with many mounts, which is copied again and again, as on a machine that starts containers.
const MOUNTS: &str = "for n in $(seq 300); do mkdir $n; mount -t tmpfs none $n; done; echo ready; \
                      while [ -e ../go-on ]; do unshare --mount true; done";

/// While mounts are made, the kernel refuses look-ups in its cache, often several in a row.
#[test]
fn sender_is_answered_while_other_processes_make_mounts() {
    if !may_unshare() {
        return;
    }
    let daemon = Daemon::with(&format!("[limits]\nanswers_per_second = 0\n{BOTH}"));
    let directory = daemon.directory.path();
    let inside = directory.join("mounts");
    std::fs::create_dir(&inside).unwrap();
    let go_on = directory.join("go-on");
    std::fs::write(&go_on, "").unwrap();
    let mut copies = Command::new("unshare");
    copies.args(["--mount", "sh", "-ec", MOUNTS]).current_dir(inside).stdout(Stdio::piped());
    let mut copies = Helper(copies.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(copies.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let client = Packets::gram(&directory.join("multiply.gram"), &directory.join("own"));
    for _ in 0..10_000 {
        client.say("6 7");
        client.hear("Data received");
        client.hear("42.0");
    }
    std::fs::remove_file(go_on).unwrap();
    assert!(wait_until("the copies end", || copies.0.try_wait().unwrap()).success());
    daemon.stop();
}

#[test]
fn nul_terminated_messages_get_nul_terminated_replies() {
    let daemon = Daemon::with(BOTH);
    let own = daemon.directory.path().join("own");
    for client in [
        Packets::udp(daemon.address(MULTIPLY)),
        Packets::gram(&daemon.directory.path().join("multiply.gram"), &own),
    ] {
        client.say("5 10\0\0\0");
        client.hear("Data received\0");
        client.hear("50.0\0");
        client.say("5 x\n\0");
        client.hear("Error: not a number: 'x'\0");
        client.hear_nothing();
    }
    daemon.stop();
}

/// More requests than a sender may have answered at once: the client keeps to its share.
#[test]
fn client_sends_no_more_datagrams_than_are_answered() {
    use std::io::Write;
    const REQUESTS: usize = 115;
    let daemon = Daemon::with(BOTH);
    let mut client = Command::new(env!("CARGO_BIN_EXE_ipcctl"))
        .args(["--to", &format!("udp://{}", daemon.address(MULTIPLY)), "multiply", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all("6 7\n".repeat(REQUESTS).as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42.0\n".repeat(REQUESTS));
    assert_eq!(dropped_for(&daemon, "too_many"), 0);
    daemon.stop();
}
