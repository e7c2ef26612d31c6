//! The files of a buffer at a start, a reload, a stop, a crash and a restart.

use rustix::process::Signal;

use super::config;
use crate::harness::around::{as_user, failure, is_root};
use crate::harness::buffer::Board;
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, TestDir};

fn after(mut daemon: Daemon) -> TestDir {
    TestDir {
        directory: std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap()),
        ip: daemon.ip,
    }
}

#[test]
fn two_daemons_share_no_buffer() {
    let board = Board::new("shared");
    let test_dir = TestDir::new();
    test_dir.write_config(&config(&board));
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let second = TestDir::new();
    second.write_config(&config(&board));
    let said = failure(&mut second.command(), 69);
    assert!(said.contains(&format!("{}: address already in use (by pid", board.endpoint())), "{said}");
    assert_eq!(board.count(), 4);
    let mut alice = Client::member(&daemon, "alice");
    board.put("still here");
    alice.hear(format!("{}: still here\n", board.0));
    daemon.stop();
}

#[test]
fn files_of_others_are_refused_and_untouched() {
    for which in 0..4 {
        let board = Board::new("foreign");
        let file = &board.files()[which];
        std::fs::create_dir(file).unwrap();
        let test_dir = TestDir::new();
        test_dir.write_config(&config(&board));
        let said = failure(&mut test_dir.command(), 69);
        assert!(said.contains("is a directory, not a regular file; remove it, if nobody needs it"), "{said}");
        assert_eq!(board.count(), 1);
        std::fs::remove_dir(file).unwrap();
        if is_root() {
            as_user(4711, 4711, || std::fs::write(file, "theirs").unwrap());
            let said = failure(&mut test_dir.command(), 69);
            assert!(said.contains("belongs to user 4711, not to ipcd's user"), "{said}");
            assert_eq!((board.count(), std::fs::read_to_string(file).unwrap().as_str()), (1, "theirs"));
        }
    }
}

#[test]
fn mode_follows_reloads_and_unlisted_buffer_is_removed() {
    let board = Board::new("reload");
    let daemon = Daemon::with(&config(&board).replace("listen", "mode = \"0666\"\nlisten"));
    assert_eq!(board.modes(), [0o666; 4]);
    daemon.write_config(&config(&board));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    assert_eq!(board.modes(), [0o660; 4]);
    let since = daemon.log().len();
    daemon.write_config("[chat]\nlisten = [\"tcp://{ip}:33000\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded");
    assert_eq!(board.count(), 0);
    daemon.stop();
}

#[test]
fn failed_start_leaves_no_buffer() {
    let board = Board::new("failed");
    let test_dir = TestDir::new();
    test_dir.write_config(&config(&board).replace("\"]", "\", \"unix://{dir}/gone/s\"]"));
    failure(&mut test_dir.command(), 69);
    assert_eq!(board.count(), 0);
}

#[test]
fn buffer_of_a_killed_daemon_is_taken_over_with_its_messages() {
    let board = Board::new("crash");
    let mut daemon = Daemon::with(&config(&board).replace("listen", "history = 5\nlisten"));
    let mut alice = Client::member(&daemon, "alice");
    board.put("before");
    alice.hear(format!("{}: before\n", board.0));
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert_eq!(board.count(), 4);
    board.put("while nobody is there"); // or the consumer notices the end only now, and returns it
    let test_dir = after(daemon);
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    daemon.wait_for_log("waits for its semaphores");
    let mut bob = Client::member(&daemon, "bob");
    board.put("after");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last: &String| !last.contains(": after")) {
        heard.push(bob.hear_line());
    }
    let said = heard.iter().filter(|line| line.contains("while nobody is there")).count();
    assert!(said == 1, "once, from the history or now: {heard:?}");
    daemon.stop();
    assert_eq!(board.count(), 0);
}

#[test]
fn buffer_with_messages_stays_at_a_stop_for_the_next_daemon() {
    let board = Board::new("stop");
    let daemon = Daemon::with(&config(&board));
    daemon.freeze();
    (0..8).for_each(|number| board.put(&format!("{number}")));
    daemon.signal(Signal::TERM);
    daemon.thaw();
    let test_dir = after_stop(daemon);
    if board.count() == 0 {
        return; // all was said before the end
    }
    assert_eq!(board.count(), 4);
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let mut bob = Client::member(&daemon, "bob");
    board.put("after");
    bob.hear_line_with(": after");
    daemon.stop();
    assert_eq!(board.count(), 0);
}

fn after_stop(mut daemon: Daemon) -> TestDir {
    assert!(daemon.wait().success());
    after(daemon)
}

#[test]
fn restart_with_handover_keeps_buffer_and_member() {
    let board = Board::new("restart");
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n", config(&board)));
    let manager = Manager::new(&test_dir);
    let mut daemon = test_dir.start_with(&manager, vec![]);
    let mut alice = Client::member(&daemon, "alice");
    board.put("before");
    alice.hear(format!("{}: before\n", board.0));
    let writer = board.open();
    let mut control = daemon.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(daemon.wait().success());
    assert_eq!(board.count(), 4);
    writer.put(b"between");
    let stored = manager.take_stored();
    let daemon = after(daemon).start_with(&manager, stored);
    writer.put(b"after");
    alice.hear(format!("{0}: between\n{0}: after\n", board.0));
    daemon.stop();
    assert_eq!(board.count(), 0);
}
