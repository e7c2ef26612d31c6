//! Where ipcd listens by default, what `localhost` and `%t` mean, and the classroom's configuration.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use super::{Answers, ipcd};
use crate::harness::around::{Helper, failure, in_namespaces, is_root, may_unshare, outcome};
use crate::harness::packets::Packets;
use crate::harness::{Client, Daemon, MULTIPLY, TestDir};
use rustix::process::Signal;

/// Runs Python in the daemon's network and mount namespaces.
fn with_its_eyes(daemon: &Daemon, code: &str) -> String {
    let mut command = Command::new("nsenter");
    command.args(["--target", &daemon.pid().to_string(), "--net", "--mount", "python3", "-c", code]);
    let output = outcome(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn localhost_is_ipv4_with_a_warning_without_ipv6() {
    if !may_unshare() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config("[multiply]\nlisten = [\"tcp://localhost:65432\"]\n");
    let prepare = "ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
    let command = in_namespaces(&["--net"], prepare, &test_dir.command());
    let daemon = test_dir.start(command);
    let warning = daemon.wait_for_log("warning: ");
    assert!(warning.ends_with("tcp://localhost:65432 means only tcp://127.0.0.1:65432"), "{warning}");
    let code = "import socket\ns = socket.create_connection(('127.0.0.1', 65432))\n\
                s.sendall(b'5 10\\n'); s.shutdown(1)\n\
                print(s.makefile().read(), end='')";
    assert_eq!(with_its_eyes(&daemon, code), "Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn default_endpoints_are_localhost_and_the_unix_socket() {
    if !may_unshare() {
        return;
    }
    let test_dir = TestDir::new();
    let prepare =
        "ip link set lo up; mount -t tmpfs tmpfs /run; [ ! -d /etc/ipcd ] || mount -t tmpfs tmpfs /etc/ipcd";
    let command = in_namespaces(&["--net", "--mount"], prepare, &ipcd(&[]));
    let daemon = test_dir.start(command);
    let code = "import os, socket, stat\n\
        def say(s, words):\n  s.sendall(words); s.shutdown(1); return s.makefile('rb').read()\n\
        for host in '127.0.0.1', '::1':\n\
        \x20 print(say(socket.create_connection((host, 65432)), b'5 10\\n'))\n\
        \x20 print(say(socket.create_connection((host, 9999)), b''))\n\
        \x20 print(say(socket.create_connection((host, 33000)), b'quit\\n')[:9])\n\
        u = socket.socket(socket.AF_UNIX); u.connect('/run/ipcd/ipcd.sock')\n\
        print(say(u, b'2 3\\n'))\n\
        print(oct(stat.S_IMODE(os.stat('/run/ipcd').st_mode)), oct(stat.S_IMODE(os.stat('/run/ipcd/ipcd.sock').st_mode)))";
    let each =
        "b'Data received\\n50.0\\n'\nb'Message received. Thank you for connecting\\r\\n'\nb'Greetings'\n";
    let expected = format!("{each}{each}b'Data received\\n6.0\\n'\n0o755 0o660\n");
    assert_eq!(with_its_eyes(&daemon, code), expected);
    daemon.stop();
}

/// A user id without a user, whose directory in /tmp is removed at the end.
struct Nobody(u32);

impl Nobody {
    fn new(number: u32) -> Nobody {
        Nobody(1_000_000 + (std::process::id() % 1_000_000) * 10 + number)
    }

    fn directory(&self) -> std::path::PathBuf {
        format!("/tmp/ipcd-{}", self.0).into()
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.directory());
    }
}

const PERCENT_T: &str =
    "[mux]\nlisten = [\"unix://%t/ipcd/ipcd.sock\"]\n[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n";

#[test]
fn percent_t_is_the_users_runtime_directory() {
    if !is_root() {
        return;
    }
    let (test_dir, user) = (TestDir::new(), Nobody::new(0));
    test_dir.write_config(PERCENT_T);
    let session = test_dir.directory.path().join("session");
    fs::create_dir(&session).unwrap();
    std::os::unix::fs::chown(&session, Some(user.0), Some(user.0)).unwrap();
    let command = || {
        let mut command = test_dir.command_as(user.0);
        command.env("XDG_RUNTIME_DIR", &session);
        command
    };
    let owner = Helper::on_tcp(test_dir.ip, MULTIPLY);
    failure(&mut command(), 69);
    assert_eq!(fs::read_dir(&session).unwrap().count(), 0, "a start that fails removes what it had made");
    drop(owner);

    let command = command();
    let mut daemon = test_dir.start(command);
    crate::harness::Client::unix(&session.join("ipcd/ipcd.sock")).hear_answer();
    assert!(!user.directory().exists());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert_eq!(fs::read_dir(&session).unwrap().count(), 0);
}

#[test]
fn percent_t_is_a_private_directory_in_tmp_without_a_session() {
    if !is_root() {
        return;
    }
    let (test_dir, user) = (TestDir::new(), Nobody::new(1));
    test_dir.write_config(PERCENT_T);
    let command = test_dir.command_as(user.0);
    let daemon = test_dir.start(command);
    let it = fs::symlink_metadata(user.directory()).unwrap();
    assert_eq!((it.mode() & 0o7777, it.uid()), (0o700, user.0));
    crate::harness::Client::unix(&user.directory().join("ipcd/ipcd.sock")).hear_answer();
    daemon.stop();
}

#[test]
fn prepared_tmp_directory_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let (test_dir, user) = (TestDir::new(), Nobody::new(2));
    test_dir.write_config(PERCENT_T);
    fs::create_dir(user.directory()).unwrap();
    fs::set_permissions(user.directory(), Permissions::from_mode(0o777)).unwrap();
    let said = failure(&mut test_dir.command_as(user.0), 69);
    assert!(
        said.starts_with(&format!("ipcd: {}: belongs to another user (uid 0)", user.directory().display())),
        "{said}"
    );
    assert_eq!(said.matches('\n').count(), 1, "{said}");
    assert_eq!(fs::read_dir(user.directory()).unwrap().count(), 0);
}

#[test]
fn classroom_configuration_serves_all_its_endpoints() {
    let test_dir = TestDir::new();
    let text = include_str!("../../../etc/classroom.toml");
    let local = text.replace("://localhost", "://{ip}");
    test_dir.write_config(&local.replace("%t/ipcd", "{dir}"));
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    let mut hello = daemon.tcp(8080);
    hello.say("hi\n");
    hello.hear("Hello from server\n");
    let (mut one, mut other) = (daemon.tcp(5000), daemon.tcp(5000));
    one.say("hi\n");
    other.hear("hi\n");
    let mut mux = daemon.unix();
    mux.say("greeting\n");
    mux.hear("Message received. Thank you for connecting\r\n");
    let file = |name: &str| daemon.directory.path().join(name);
    let packets = [
        Packets::udp(daemon.address(MULTIPLY)),
        Packets::seq(&file("multiply.seq")),
        Packets::gram(&file("multiply.gram"), &file("client")),
    ];
    for client in packets {
        client.say("5 10");
        client.hear("Data received");
        client.hear("50.0");
    }
    let mut member = Client::member(&daemon, "alice");
    fs::write(daemon.directory.path().join("chat.in"), "build finished\n").unwrap();
    member.hear("chat: build finished\n");
    daemon.stop();
}
