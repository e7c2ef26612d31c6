//! The files of FIFO endpoints: what happens to them at a start, a reload, a stop and a restart.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use super::{BOTH, at, directory};
use crate::harness::around::{Helper, failure};
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, TestDir, wait_until};

#[test]
fn only_a_fifo_is_used_and_two_daemons_share_none() {
    let test_dir = TestDir::new();
    test_dir.write_config("[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let (input, output) =
        (test_dir.directory.path().join("multiply.in"), test_dir.directory.path().join("multiply.out"));
    fs::write(&output, "somebody's").unwrap();
    let said = failure(&mut test_dir.command(), 69);
    assert!(said.contains("multiply.out is a regular file, not a FIFO; move it away"), "{said}");
    assert_eq!(test_dir.names(), ["ipcd.toml", "multiply.out"]);
    fs::remove_file(&output).unwrap();

    // A FIFO of the same user that exists already is used.
    mknodat(CWD, &input, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let (command, mut second) = (test_dir.command(), test_dir.command());
    let daemon = test_dir.start(command);
    let said = failure(&mut second, 69);
    assert!(said.contains("address already in use (by pid"), "{said}");
    assert_eq!(fs::metadata(&input).unwrap().mode() & 0o777, 0o620);
    let mut far = at(&directory(&daemon), "multiply");
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn failed_start_leaves_nothing() {
    let test_dir = TestDir::new();
    test_dir.write_config("[multiply]\nlisten = [\"fifo://{dir}/multiply\", \"unix://{dir}/gone/s\"]\n");
    failure(&mut test_dir.command(), 69);
    assert_eq!(test_dir.names(), ["ipcd.toml"]);
}

#[test]
fn mode_and_group_follow_the_service_and_reloads() {
    let daemon = Daemon::with("[multiply]\nmode = \"0666\"\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let inode = |name: &str, mode: u32| {
        let there = fs::metadata(directory(&daemon).join(name)).unwrap();
        assert!(there.file_type().is_fifo());
        assert_eq!(there.mode() & 0o7777, mode, "{name}");
        there.ino()
    };
    // Its users may write to the one and read from the other, and not the reverse.
    let before = (inode("multiply.in", 0o622), inode("multiply.out", 0o644));
    daemon.write_config("[multiply]\nmode = \"0660\"\nlisten = [\"fifo://{dir}/multiply\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    assert_eq!((inode("multiply.in", 0o620), inode("multiply.out", 0o640)), before);
    daemon.stop();
}

#[test]
fn reload_keeps_fifo_content_and_removes_unlisted_fifos() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "multiply");
    let mut alice = Client::member(&daemon, "alice");
    far.say("5 10\n");
    far.say("3 "); // the first part of a line
    daemon.write_config(
        "[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n[chat]\nlisten = [\"tcp://{ip}:33000\"]\n",
    );
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    far.say("4\n");
    far.hear("Data received\n50.0\nData received\n12.0\n");
    alice.hear("chat has left the chat.\n");
    for name in ["chat.in", "chat.out", "chat.in.lock"] {
        assert!(!directory(&daemon).join(name).exists(), "{name}");
    }
    // Once more, for another service; if it fails, nothing changes.
    daemon.write_config(
        "[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/multiply\", \"unix://{dir}/gone/s\"]\n",
    );
    let since = daemon.log().len();
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reload failed");
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    daemon.write_config("[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/multiply\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded");
    alice.hear("multiply has joined the chat!\n");
    far.say("5 10\n");
    alice.hear("multiply: 5 10\n");
    daemon.stop();
}

#[test]
fn stop_answers_pending_lines_and_keeps_files_for_later_writers() {
    let test_dir = TestDir::new();
    test_dir.write_config(BOTH);
    let (command, mut again) = (test_dir.command(), test_dir.command());
    let daemon = test_dir.start(command);
    let path = directory(&daemon);
    let (mut far, mut chat) = (at(&path, "multiply"), at(&path, "chat"));
    daemon.freeze();
    far.say("5 10\n");
    chat.say("bye\n");
    let held = far.writer(); // a writer that stays does not delay it
    daemon.signal(Signal::TERM);
    daemon.thaw();
    far.hear("Data received\n50.0\n");
    chat.hear("chat: bye\nServer is shutting down.\n");
    wait_until("it ends", || (!path.join("multiply.in.lock").exists()).then_some(()));
    drop((held, far, chat));
    assert!(path.join("chat.in").exists());

    // A writer that opens it while no daemon runs waits for the next one.
    let input = path.join("multiply.in");
    let writer =
        std::thread::spawn(move || OpenOptions::new().write(true).open(input).unwrap().write_all(b"6 7\n"));
    let mut again = Helper(again.stderr(Stdio::null()).spawn().unwrap());
    writer.join().unwrap().unwrap();
    let mut far = at(&path, "multiply");
    far.hear("Data received\n42.0\n");
    assert!(again.0.try_wait().unwrap().is_none());
}

#[test]
fn stop_waits_for_no_reader() {
    // Longer than any test waits.
    let daemon = Daemon::with(
        "[limits]\nshutdown_grace = \"10min\"\n[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n",
    );
    let far = at(&directory(&daemon), "multiply");
    far.say("5 10\n".repeat(20_000)); // more than fits into the pipe
    daemon.stop();
}

#[test]
fn fifo_counts_towards_no_limit() {
    let daemon = Daemon::with(
        "[limits]\nmax_connections = 1\n[multiply]\nmax_connections = 1\nlisten = [\"tcp://{ip}:65432\", \"fifo://{dir}/multiply\"]\n",
    );
    let mut client = daemon.tcp(65432);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    let mut far = at(&directory(&daemon), "multiply");
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn fifo_content_survives_a_restart() {
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{BOTH}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"));
    let manager = Manager::new(&test_dir);
    let mut daemon = test_dir.start_with(&manager, vec![]);
    let path = directory(&daemon);
    let (mut far, mut chat) = (at(&path, "multiply"), at(&path, "chat"));
    let mut alice = Client::member(&daemon, "alice");
    chat.hear("alice has joined the chat!\n");
    let writer = far.writer();
    far.say("1 1\n3 "); // an unread answer, and the first part of a line
    let mut control = daemon.unix();
    control.say("control\n");
    control.say("handover\n");
    control.hear("OK\n");
    assert!(daemon.wait().success());
    far.say("4\n5 10\n"); // while no daemon runs; the manager holds the descriptors that keep it
    assert_eq!(manager.stored()["ipcd-fifo"], 4);
    let test_dir = TestDir {
        directory: std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap()),
        ip: daemon.ip,
    };
    let stored = manager.take_stored();
    let daemon = test_dir.start_with(&manager, stored);
    far.hear("Data received\n1.0\nData received\n12.0\nData received\n50.0\n");
    drop(writer);
    chat.say("here again\n");
    alice.hear("chat: here again\n");
    chat.hear("chat: here again\n");
    assert!(!manager.stored().contains_key("ipcd-fifo"));
    daemon.stop();
}
