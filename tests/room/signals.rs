//! Signals: a process that has asked for them gets one when a message was sent, and at most ten a second.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::harness::around::{Helper, failure};
use crate::harness::{Client, Daemon, TestDir, USUAL, wait_until};

/// `ipcctl notify` for this many signals, once it is registered.
fn notify(daemon: &Daemon, count: u32) -> Helper {
    let to = format!("unix://{}", daemon.directory.path().join("ipcd.sock").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(["--to", &to, "notify", "--count", &count.to_string()]);
    let mut client = Helper(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(client.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ipcctl: waiting for signals\n");
    client
}

/// The lines that it has printed when it ends, as numbers.
fn values(client: &mut Helper) -> Vec<u64> {
    let status = wait_until("it ends", || client.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let lines = BufReader::new(client.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines
        .map(|line| match line.split(' ').next().unwrap() {
            "one" => 1,
            many => many.parse().unwrap(),
        })
        .collect()
}

#[test]
fn message_in_the_room_is_a_signal_and_a_burst_is_one() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut client = notify(&daemon, 1);
    alice.say("hi\n");
    alice.hear("alice: hi\n");
    assert_eq!(values(&mut client), [1]);

    let mut client = notify(&daemon, 2);
    alice.say("first\n");
    alice.hear("alice: first\n");
    // Messages soon after a signal count for the next one.
    alice.say("1\n2\n3\n4\n5\n");
    assert_eq!(values(&mut client), [1, 5]);
    daemon.stop();
}

#[test]
fn client_that_is_gone_gets_no_signals_and_others_go_on() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut killed = notify(&daemon, 1000);
    let mut client = notify(&daemon, 1);
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    alice.say("hi\n");
    assert_eq!(values(&mut client), [1]);
    alice.hear("alice: hi\n");
    daemon.stop();
}

/// Runs its arguments with a kill(2) that fails with EPERM, as a sandbox has it.
const WITHOUT_KILL: &str = "\
import ctypes, os, platform, struct, sys
number = {'x86_64': 62, 'aarch64': 129}[platform.machine()]
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *rule) for rule in rules))
program = struct.pack('@HP', len(rules), ctypes.addressof(code))
c = ctypes.CDLL(None, use_errno=True)
assert c.prctl(38, 1, 0, 0, 0) == 0 and c.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn sandbox_without_kill_is_reported_at_the_registration() {
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let ipcd = test_dir.command();
    let mut command = Command::new("python3");
    command.args(["-c", WITHOUT_KILL]).arg(ipcd.get_program()).args(ipcd.get_args());
    let daemon = test_dir.start(command);
    let to = format!("unix://{}", daemon.socket().display());
    let mut client = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    let said = failure(client.args(["--to", &to, "notify"]), 1);
    assert!(said.contains("(EPERM); if its unit's sandbox forbids that, the drop-in"), "{said}");
    assert!(said.contains("signals.conf allows it"), "{said}");
    daemon.stop();
}
