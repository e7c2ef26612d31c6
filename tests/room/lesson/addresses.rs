//! Which clients `allow_addresses` admits, and what `--check` says about a list.

use super::BRISK;
use crate::harness::interrupted::uninterrupted;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::harness::around::{from, outcome};
use crate::harness::{Daemon, MULTIPLY, TestDir};

const INSIDE: Ipv4Addr = Ipv4Addr::new(127, 77, 1, 9);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 77, 2, 9);

const LISTED: &str = r#"
[multiply]
allow_addresses = ["127.77.1.0/24"]
listen = ["tcp://{ip}:65432", "udp://{ip}:65432", { endpoint = "tcp://{ip}:65433", allow_addresses = [] }]
[chat]
allow_addresses = ["127.77.2.9"]
[mux]
listen = ["tcp://{ip}:65434", "unix://{dir}/ipcd.sock"]
"#;

#[test]
fn only_listed_networks_are_admitted_and_others_get_a_reason() {
    let daemon = Daemon::with(&format!("{LISTED}{BRISK}"));
    let mut inside = from(INSIDE, daemon.address(MULTIPLY));
    inside.say("5 10\n");
    inside.hear("Data received\n50.0\n");
    let mut outside = from(OUTSIDE, daemon.address(MULTIPLY));
    outside.hear("Error: 127.77.2.9 may not connect\n");
    outside.hear_end();
    daemon.wait_for_log("refused: its address is not in allow_addresses");
    // One endpoint has a list of its own, which is empty here.
    let mut elsewhere = from(OUTSIDE, daemon.address(65433));
    elsewhere.say("5 10\n");
    elsewhere.hear("Data received\n50.0\n");
    // An admitted client stays when the list changes; the new list applies to the next client.
    daemon.write_config(&LISTED.replace("127.77.1.0/24", "127.77.2.0/24"));
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("reloaded");
    inside.say("6 7\n");
    inside.hear("Data received\n42.0\n");
    from(INSIDE, daemon.address(MULTIPLY)).hear("Error: 127.77.1.9 may not connect\n");
    from(OUTSIDE, daemon.address(MULTIPLY)).say("1 2\n");
    daemon.stop();
}

#[test]
fn unlisted_networks_datagram_gets_no_reply() {
    let daemon = Daemon::with(&format!("{LISTED}{BRISK}"));
    let ask = |address: Ipv4Addr| {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        socket.send_to(b"5 10", daemon.address(MULTIPLY)).expect("a datagram");
        socket
    };
    let outside = ask(OUTSIDE);
    // When the daemon has answered the second datagram, it has handled the first.
    let inside = ask(INSIDE);
    let mut buffer = [0; 64];
    let count = uninterrupted(|| inside.recv(&mut buffer)).expect("an answer");
    assert_eq!(&buffer[..count], b"Data received");
    outside.set_nonblocking(true).expect("it does not wait");
    assert!(outside.recv(&mut buffer).is_err(), "it was answered");
    daemon.wait_for_log("127.77.2.9");
    daemon.stop();
}

#[test]
fn service_list_applies_on_a_network_mux_too() {
    let daemon = Daemon::with(&format!("{LISTED}{BRISK}"));
    for (address, service, heard) in [
        (
            OUTSIDE,
            "multiply\n5 10\n",
            "Error: 127.77.2.9 may not use multiply: it is not in allow_addresses under [multiply]\n",
        ),
        (
            OUTSIDE,
            "5 10\n",
            "Error: 127.77.2.9 may not use multiply: it is not in allow_addresses under [multiply]\n",
        ),
        (INSIDE, "chat\n", "Error: 127.77.1.9 may not use chat: it is not in allow_addresses under [chat]\n"),
        (INSIDE, "5 10\n", "Data received\n50.0\n"),
        (OUTSIDE, "chat\n", "Greetings from the cave!"),
        (OUTSIDE, "help\n", "greeting\nchat\nhello\ntalk\nstats\n"),
    ] {
        let mut client = from(address, daemon.address(65434));
        client.say(service);
        client.hear(heard);
    }
    // A client on the Unix socket has no address to check.
    let mut local = daemon.unix();
    local.say("5 10\n");
    local.hear("Data received\n50.0\n");
    daemon.stop();
}

/// The output of `--check`.
fn check(config: &str) -> String {
    let test_dir = TestDir::new();
    test_dir.write_config(config);
    let output = outcome(test_dir.command().arg("--check"));
    String::from_utf8_lossy(&output.stderr).replace(&test_dir.config_file().display().to_string(), "f")
}

#[test]
fn check_reports_mistakes_in_a_list() {
    let with = |listen: &str, list: &str| {
        format!(
            "[multiply]\nlisten = [{listen}]\nallow_addresses = {list}\n[mux]\nlisten = [\"unix://{{dir}}/s\"]\n"
        )
    };
    let tcp = "\"tcp://0.0.0.0:65432\"";
    for (listen, list, told) in [
        (
            tcp,
            "\"192.168.1.0/24\"",
            "f:3:19: allow_addresses is \"192.168.1.0/24\"; it must be a list; did you mean [\"192.168.1.0/24\"]?",
        ),
        (
            tcp,
            "[\"192.168.1.7/24\"]",
            "f:3:20: 192.168.1.7/24 is the address of a machine, not of a network; write 192.168.1.0/24",
        ),
        (tcp, "[\"10.0.0.0/8\", \"192.168.1.*\"]", "f:3:34: 192.168.1.*: did you mean 192.168.1.0/24?"),
        (
            tcp,
            "[\"192.168.1.0/33\"]",
            "f:3:20: 192.168.1.0/33: the prefix length after the / must be 0 to 32",
        ),
        (tcp, "[24]", "f:3:20: "),
        (
            "\"unix://{dir}/m\"",
            "[\"10.0.0.0/8\"]",
            "f:3:19: allow_addresses: neither [multiply] nor [mux] has a network endpoint",
        ),
        (
            "{ endpoint = \"unix://{dir}/m\", allow_addresses = [\"10.0.0.0/8\"] }",
            "[]",
            "its clients have no network address; use allow_users and allow_groups",
        ),
        (
            "{ endpoint = \"tcp://0.0.0.0:1025\", allow_adresses = [] }",
            "[]",
            "did you mean \"allow_addresses\"?",
        ),
        (
            "\"tcp://localhost:65432\"",
            "[\"192.168.1.0/24\"]",
            "warning: f:2:11: no client can connect to tcp://localhost:65432",
        ),
    ] {
        let said = check(&with(listen, list));
        assert!(said.contains(told), "{listen} {list}: {said}");
    }
    assert_eq!(check(&with(tcp, "[\"192.168.1.0/24\", \"::1\", \"127.0.0.0/8\"]")), "");
}
