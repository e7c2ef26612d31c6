//! While nobody asks for anything, nothing wakes the daemon: it has no timer that only looks around.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::around::in_namespaces;
use crate::harness::{Client, Daemon, MULTIPLY, TestDir, wait_until};

/// How long nothing must happen: many times longer than the daemon's short deadlines (`raw_gap`, the rest of a message), and
/// far shorter than those of idle clients, which wake it rightly.
const SILENCE: Duration = Duration::from_secs(3);

/// How often the daemon's threads have gone to sleep: each time follows something that woke them. `None`: one is awake. On a busy
/// machine it may wait for a processor that long before it can do anything.
fn sleeps(daemon: &Daemon) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        if !value("State:").starts_with('S') {
            return None;
        }
        sum += value("voluntary_ctxt_switches:").parse::<u64>().unwrap();
    }
    Some(sum)
}

/// Waits until what has happened so far has no consequences any more, and counts.
fn at_rest(daemon: &Daemon) -> u64 {
    let (mut last, mut since) = (None, Instant::now());
    wait_until("the daemon sleeps for half a second", || {
        let now = sleeps(daemon);
        if now.is_none() || now != last {
            (last, since) = (now, Instant::now());
        }
        last.filter(|_| since.elapsed() >= Duration::from_millis(500))
    })
}

/// How often it wakes during the silence.
fn wake_ups(daemon: &Daemon) -> u64 {
    let before = at_rest(daemon);
    sleep(SILENCE);
    at_rest(daemon) - before
}

#[test]
fn daemon_without_clients_is_never_woken() {
    let daemon = Daemon::usual();
    daemon.wait_for_log("is ready");
    assert_eq!(wake_ups(&daemon), 0);
}

#[test]
fn daemon_with_silent_clients_and_members_is_never_woken() {
    let daemon = Daemon::usual();
    let members: Vec<Client> = (0..50).map(|nth| Client::member(&daemon, &format!("m{nth}"))).collect();
    let mut clients: Vec<Client> = (0..50).map(|_| daemon.tcp(MULTIPLY)).collect();
    for client in &mut clients {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }
    assert_eq!(wake_ups(&daemon), 0);
    // The measure sees a client that does ask.
    let before = at_rest(&daemon);
    clients[0].say("5 10\n");
    clients[0].hear("Data received\n50.0\n");
    assert!(at_rest(&daemon) > before);
    drop(members);
}

/// An address of the machine that is not a loopback address.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// Whether the kernel has a keepalive timer for the connection of this client, once the client has acknowledged everything (the part
/// `tr` in /proc/net/tcp: 02 or 00; until then 01).
fn is_probed(daemon: &Daemon, client: &TcpStream) -> bool {
    let port = format!(":{:04X}", client.local_addr().unwrap().port());
    wait_until("everything is acknowledged", || {
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", daemon.pid())).unwrap();
        let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let fields = lines.find(|fields| fields[2].ends_with(&port)).expect("the connection");
        match fields[5].split_once(':') {
            Some(("00", _)) => Some(false),
            Some(("02", _)) => Some(true),
            _ => None,
        }
    })
}

#[test]
fn silent_client_is_probed_from_another_address_and_not_from_loopback() {
    let prepare = format!("ip link set lo up; ip addr add {ELSEWHERE}/32 dev lo");
    let probe = in_namespaces(&["--net"], &prepare, &Command::new("true")).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("not tested: no network namespace can be made here, or there is no ip (iproute2)");
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("[multiply]\nlisten = [\"tcp://0.0.0.0:{MULTIPLY}\"]\n"));
    let command = in_namespaces(&["--net"], &prepare, &test_dir.command());
    let daemon = test_dir.start(command);
    let net = fs::File::open(format!("/proc/{}/ns/net", daemon.pid())).unwrap();
    for address in [Ipv4Addr::LOCALHOST, ELSEWHERE] {
        let connect = || {
            rustix::thread::move_into_link_name_space(net.as_fd(), None).unwrap(); // only this thread
            TcpStream::connect((address, MULTIPLY)).unwrap()
        };
        let mut client = std::thread::scope(|scope| scope.spawn(connect).join().unwrap());
        client.write_all(b"5 10\n").unwrap();
        client.read_exact(&mut [0; 8]).unwrap(); // so it was accepted
        assert_eq!(is_probed(&daemon, &client), address == ELSEWHERE, "{address}");
    }
    daemon.stop();
}
