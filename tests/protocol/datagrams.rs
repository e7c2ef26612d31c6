//! Datagrams over UDP and Unix sockets: each is a message, each message of its answer is a datagram, and the daemon waits for no
//! sender.

mod addresses;
mod floods;
mod words;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use crate::harness::around::free_port;
use crate::harness::interrupted::uninterrupted;
use crate::harness::manager::Manager;
use crate::harness::packets::Packets;
use crate::harness::{Daemon, HELLO, MULTIPLY, TestDir, wait_until};
use rustix::process::Signal;

const CONFIG: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432", "udp://{ip}:65432", "unixgram://{dir}/multiply.gram"]
[hello]
listen = ["udp://{ip}:8080", "unixgram://{dir}/hello.gram"]
[greeting]
listen = ["udp://{ip}:9999", "unixgram://{dir}/greeting.gram"]
"#;

fn gram(daemon: &Daemon, service: &str) -> PathBuf {
    daemon.directory.path().join(format!("{service}.gram"))
}

fn named(daemon: &Daemon, service: &str, name: &str) -> Packets {
    Packets::gram(&gram(daemon, service), &daemon.directory.path().join(name))
}

fn udp(daemon: &Daemon, port: u16) -> Packets {
    Packets::udp(daemon.address(port))
}

/// How many datagrams a service has dropped, according to the status in the log, which leaves out unused services. A second status
/// shows that the first one is complete.
fn dropped(daemon: &Daemon, service: &str) -> u64 {
    let first = daemon.log().len();
    daemon.signal(Signal::USR1);
    daemon.wait_for_log_since(first, "status: up ");
    let second = daemon.log().len();
    daemon.signal(Signal::USR1);
    daemon.wait_for_log_since(second, "status: up ");
    let lines = daemon.log().split_off(first);
    let Some(line) = lines.iter().find(|line| line.contains(&format!("status: {service}: "))) else {
        return 0;
    };
    let count = line.split(", ").find_map(|part| part.strip_suffix(" dropped"));
    count.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
}

#[test]
fn services_that_fit_answer_over_udp_and_unix_datagrams() {
    let daemon = Daemon::with(CONFIG);
    let (over_udp, over_unix) = (udp(&daemon, MULTIPLY), named(&daemon, "multiply", "client"));
    for client in [&over_udp, &over_unix] {
        for (request, result) in [("5 10", "50.0"), ("5 10\n", "50.0"), ("6\n7", "42.0")] {
            client.say(request);
            client.hear("Data received");
            client.hear(result);
        }
        client.say("1 / 0\r\n");
        client.hear("Error: division by zero");
    }
    for client in [udp(&daemon, HELLO), named(&daemon, "hello", "client 2")] {
        client.say("Hello from client");
        client.hear("Hello from server");
    }
    for client in [udp(&daemon, 9999), named(&daemon, "greeting", "client 3")] {
        client.say("Hi");
        client.hear("Message received. Thank you for connecting");
    }
    daemon.wait_for_log("says 'Hi'");
    daemon.stop();
}

#[test]
fn empty_datagrams_and_own_words_get_no_reply() {
    let daemon = Daemon::with(CONFIG);
    let client = udp(&daemon, MULTIPLY);
    for silent in
        ["", "\n", " \r\n", "Data received", "Error: x", "Hello from server", "Message received. Thanks"]
    {
        client.say(silent);
    }
    client.say("2 3");
    client.hear("Data received");
    client.hear("6.0");
    client.hear_nothing();
    assert_eq!(dropped(&daemon, "multiply"), 4);
    daemon.wait_for_log("datagram not answered: it looks like an answer from ipcd (loop prevention)");
    daemon.stop();
}

#[test]
fn longest_datagram_gets_exactly_one_reply() {
    let daemon = Daemon::with(CONFIG);
    let client = udp(&daemon, MULTIPLY);
    client.say("x".repeat(4097));
    client.hear("Error: message longer than 4096 bytes");
    client.say("x".repeat(65_507));
    client.hear("Error: message longer than 4096 bytes");
    client.say(format!("5 10{}", " ".repeat(4092)));
    client.hear("Data received");
    client.hear("50.0");
    client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.hear("Error: this port speaks multiply, not HTTP");
    client.hear_nothing();
    daemon.stop();
}

#[test]
fn unbound_sender_is_logged_and_gets_no_reply() {
    let daemon = Daemon::with(CONFIG);
    let nameless = UnixDatagram::unbound().unwrap();
    nameless.send_to(b"5 10", gram(&daemon, "multiply")).unwrap();
    let line = daemon.wait_for_log("datagram not answered: it comes from a socket without an address");
    assert!(line.contains(&format!("pid {} (uid ", std::process::id())), "{line}");
    let client = named(&daemon, "multiply", "client");
    client.say("5 10");
    client.hear("Data received");
    daemon.stop();
}

#[test]
fn replies_without_buffer_space_are_dropped_counted_and_isolated() {
    let daemon = Daemon::with(CONFIG);
    let deaf = UnixDatagram::bind(daemon.directory.path().join("deaf")).unwrap();
    deaf.set_read_timeout(Some(crate::harness::TIMEOUT)).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let other = named(&daemon, "multiply", "other");
    for _ in 0..50 {
        // The daemon's own queue is short. The daemon empties it, but nobody reads the answers.
        wait_until("room for a request", || deaf.send_to(b"5 10", gram(&daemon, "multiply")).ok());
        other.say("6 7");
        other.hear("Data received");
        other.hear("42.0");
    }
    let gone = named(&daemon, "multiply", "gone");
    gone.say("1 1");
    drop(gone);
    std::fs::remove_file(daemon.directory.path().join("gone")).unwrap();
    let dropped_now = wait_until("dropped answers", || {
        let count = dropped(&daemon, "multiply");
        (count > 50).then_some(count)
    });
    assert!(dropped_now < 102, "{dropped_now}");
    let mut buffer = [0; 100];
    for answer in ["Data received", "50.0"] {
        let count = uninterrupted(|| deaf.recv(&mut buffer)).unwrap();
        assert_eq!(&buffer[..count], answer.as_bytes());
    }
    daemon.stop();
}

#[test]
fn flood_with_unread_replies_delays_nobody() {
    let daemon = Daemon::with(CONFIG);
    let address = daemon.address(MULTIPLY);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flood = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut sent = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                sent += u64::from(socket.send_to(b"5 10", address).is_ok());
            }
            sent
        }
    });
    let mut client = daemon.tcp(MULTIPLY);
    // A sender's share is used up, which shows that the flood is on its way.
    wait_until("the flood", || (dropped(&daemon, "multiply") > 0).then_some(()));
    for _ in 0..500 {
        client.say("6 7\n");
        client.hear("Data received\n42.0\n");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(flood.join().unwrap() > 0);
    daemon.stop();
}

#[test]
fn reply_leaves_from_the_address_the_request_was_sent_to() {
    for (endpoint, own, other) in [("0.0.0.0", "127.0.0.1", "127.0.0.77"), ("[::]", "[::1]", "[::1]")] {
        let port = free_port();
        if endpoint == "[::]" && UdpSocket::bind("[::1]:0").is_err() {
            continue; // this machine has no IPv6
        }
        let daemon = Daemon::with(&format!("[multiply]\nlisten = [\"udp://{endpoint}:{port}\"]\n"));
        let client = UdpSocket::bind(format!("{own}:0")).unwrap();
        client.set_read_timeout(Some(crate::harness::TIMEOUT)).unwrap();
        let to: SocketAddr = format!("{other}:{port}").parse().unwrap();
        client.send_to(b"5 10", to).unwrap();
        let mut buffer = [0; 100];
        assert_eq!(uninterrupted(|| client.recv_from(&mut buffer)).unwrap().1, to);
        daemon.stop();
    }
}

#[test]
fn two_daemons_aimed_at_each_other_fall_silent() {
    let (one, other) = (Daemon::with(CONFIG), Daemon::with(CONFIG));
    // A request that seems to come from the other daemon. It uses a Unix socket's name; SO_REUSEPORT on the daemon's port is
    // impossible.
    let forged = gram(&one, "hello");
    let elsewhere = one.directory.path().join("elsewhere");
    std::fs::rename(&forged, &elsewhere).unwrap();
    let forger = UnixDatagram::bind(&forged).unwrap();
    std::fs::remove_file(&forged).unwrap();
    std::fs::rename(&elsewhere, &forged).unwrap();
    for service in ["multiply", "hello", "greeting"] {
        forger.send_to(b"5 10", gram(&other, service)).unwrap();
    }
    // Each answer reached the first daemon, which recognized its own words. It answered only the bare result, to the forged sender,
    // itself: that also ends.
    wait_until("dropped words", || (dropped(&one, "hello") >= 3).then_some(()));
    let client = udp(&one, HELLO);
    client.say("hi");
    client.hear("Hello from server");
    one.stop();
    other.stop();
}

#[test]
fn port_in_use_is_reported_with_its_holder() {
    let test_dir = TestDir::new();
    let taken = UdpSocket::bind((test_dir.ip, MULTIPLY)).unwrap();
    test_dir.write_config("[multiply]\nlisten = [\"udp://{ip}:65432\"]\n");
    let error = crate::harness::around::failure(&mut test_dir.command(), 69);
    let expected = format!(
        "ipcd: udp://{}: address already in use (by pid {}, ",
        taken.local_addr().unwrap(),
        std::process::id()
    );
    assert!(
        error.starts_with(&expected) && error.contains("choose another port under [multiply]"),
        "{error}"
    );
}

#[test]
fn reload_opens_closes_and_replaces_datagram_endpoints() {
    let daemon = Daemon::with(CONFIG);
    let port = free_port();
    let reload = |config: &str| {
        let since = daemon.log().len();
        daemon.write_config(config);
        daemon.signal(Signal::HUP);
        daemon.wait_for_log_since(since, "reloaded: ");
    };
    for address in ["{ip}", "0.0.0.0", "{ip}"] {
        reload(
            &format!("{CONFIG}[limits]\nmax_message = 5000\n")
                .replace("udp://{ip}:65432", &format!("udp://{address}:{port}")),
        );
        let client = udp(&daemon, port);
        client.say("5 10");
        client.hear("Data received");
        client.hear("50.0");
    }
    reload("[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n");
    assert!(!gram(&daemon, "multiply").exists());
    let client = udp(&daemon, port);
    client.say("5 10");
    let refused = wait_until("an ICMP error", || {
        use std::io::Read;
        (&client.socket).read(&mut [0; 9]).err()
    });
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    daemon.stop();
}

#[test]
fn datagrams_survive_stop_and_restart() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let manager = Manager::new(&test_dir);
    let mut before = test_dir.start_with(&manager, Vec::new());
    let client = udp(&before, MULTIPLY);
    let mut control_ready = before.tcp(MULTIPLY);
    control_ready.say("1 1\n");
    control_ready.hear("Data received\n1.0\n");
    before.signal(Signal::TERM);
    assert!(before.wait().success());
    drop(control_ready);
    drop(client);

    // Sockets from the service manager are matched by address.
    let udp_socket = UdpSocket::bind((before.ip, MULTIPLY)).unwrap();
    let path = before.directory.path().join("multiply.gram");
    let gram_socket = UnixDatagram::bind(&path).unwrap();
    let early = Packets::udp(before.address(MULTIPLY));
    early.say("2 3");
    let test_dir = TestDir {
        directory: std::mem::replace(&mut before.directory, tempfile::tempdir().unwrap()),
        ip: before.ip,
    };
    let descriptors =
        vec![("ipcd.socket".to_owned(), udp_socket.into()), ("ipcd.socket".to_owned(), gram_socket.into())];
    let daemon = test_dir.start_with(&manager, descriptors);
    early.hear("Data received");
    early.hear("6.0");
    let client = named(&daemon, "multiply", "client");
    client.say("5 10");
    client.hear("Data received");
    client.hear("50.0");
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopped");
    assert!(path.exists(), "a socket that somebody else made is theirs to remove");
}
