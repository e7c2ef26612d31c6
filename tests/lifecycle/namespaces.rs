//! Clients outside the daemon's PID namespace: the kernel reports their user, but no process id. Each keeps its user, and a user
//! that the kernel does not identify has no rights.

use std::fs::{Permissions, set_permissions};
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use crate::harness::around::{as_user, in_namespaces, is_root};
use crate::harness::packets::Packets;
use crate::harness::{Client, Daemon, TestDir, USUAL};
use rustix::process::{Pid, Signal, kill_process};

const ALICE: u32 = 64_001;
const BOB: u32 = 64_002;

/// The kernel's number for users that it does not identify. On most systems it is also a real user.
const NOBODY: u32 = 65_534;

const LISTED: &str = r#"
[multiply]
mode = "0666"
allow_users = [64001]
listen = ["unix://{dir}/s", "unixseq://{dir}/q"]
[mux]
mode = "0666"
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// A daemon in a PID namespace of its own, as its first process.
struct Apart(Daemon);

impl Drop for Apart {
    /// By becoming another user, it has separated itself from `unshare`, whose end would otherwise end it.
    fn drop(&mut self) {
        let children = format!("/proc/{pid}/task/{pid}/children", pid = self.0.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        for child in children.split_ascii_whitespace() {
            let _ = kill_process(Pid::from_raw(child.parse().unwrap()).unwrap(), Signal::KILL);
        }
    }
}

impl Deref for Apart {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

/// A daemon that `unshare` starts with more options.
fn apart(config: &str, ipcd: impl Fn(&TestDir) -> Command, options: &[&str]) -> Apart {
    let test_dir = TestDir::new();
    test_dir.write_config(config);
    set_permissions(test_dir.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let options = [&["--pid", "--fork", "--kill-child", "--mount-proc"], options].concat();
    let command = in_namespaces(&options, "", &ipcd(&test_dir));
    Apart(test_dir.start(command))
}

#[test]
fn user_outside_the_pid_namespace_has_its_true_uid() {
    if !is_root() {
        return;
    }
    let daemon = apart(LISTED, TestDir::command, &[]);
    let path = |name: &str| daemon.directory.path().join(name);
    let mut alice = as_user(ALICE, ALICE, || Client::unix(&path("s")));
    alice.say("5 10\n");
    alice.hear("Data received\n50.0\n");
    daemon.wait_for_log(&format!("/s: pid unknown (uid {ALICE}): connected"));
    let alice = as_user(ALICE, ALICE, || Packets::seq(&path("q")));
    alice.say("5 10");
    alice.hear("Data received");
    for uid in [BOB, NOBODY] {
        let mut other = as_user(uid, uid, || Client::unix(&path("s")));
        other.hear(format!("Error: user {uid} may not use this socket\n"));
        other.hear_end();
        as_user(uid, uid, || Packets::seq(&path("q")))
            .hear(format!("Error: user {uid} may not use this socket"));
    }
    let mut root = daemon.unix();
    root.say("control\nreload\n");
    root.hear("OK\n");
}

#[test]
fn daemon_running_as_nobody_trusts_no_stranger() {
    if !is_root() {
        return;
    }
    let own = |test_dir: &TestDir| {
        chown(test_dir.directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        test_dir.command_as(NOBODY)
    };
    let daemon = apart(LISTED, own, &[]);
    let asked = |uid: u32| {
        let mut client = as_user(uid, uid, || daemon.unix());
        client.say("control\nreload\n");
        client.hear_line()
    };
    assert_eq!(asked(BOB), "Error: control is only for root and the daemon's own user, on a Unix socket");
    assert_eq!(asked(NOBODY), "OK");
    let mut bob = as_user(BOB, BOB, || Client::unix(&daemon.directory.path().join("s")));
    bob.hear(format!("Error: user {BOB} may not use this socket\n"));
}

#[test]
fn unmapped_user_matches_no_list_not_even_nobodys() {
    if !is_root() {
        return;
    }
    // As with PrivateUsers=yes: only this user has a number, and all others are 65534.
    let config = LISTED.replace("[64001]", "[65534]") + "allow_users = []\n";
    let daemon = apart(&config, TestDir::command, &["--user", "--map-root-user"]);
    let mut alice = as_user(ALICE, ALICE, || Client::unix(&daemon.directory.path().join("s")));
    alice.hear("Error: an unknown user may not use this socket\n");
    alice.hear_end();
    daemon.wait_for_log("pid unknown (uid unknown): refused: its user may not use this socket");
    let mut alice = as_user(ALICE, ALICE, || daemon.unix());
    alice.say("control\n");
    alice.hear("Error: control is only for root and the daemon's own user, on a Unix socket\n");
    let mut other = as_user(BOB, BOB, || daemon.unix());
    other.say("5 10\n");
    other.hear("Data received\n50.0\n");
}

#[test]
fn socket_with_an_outside_listener_is_kept() {
    if !is_root() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let _other = std::os::unix::net::UnixListener::bind(test_dir.socket()).unwrap();
    let options = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let said = crate::harness::around::failure(&mut in_namespaces(&options, "", &test_dir.command()), 69);
    assert!(said.contains("address already in use; stop what listens there"), "{said}");
}
