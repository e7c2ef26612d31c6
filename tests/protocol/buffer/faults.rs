//! A wrong or killed writer harms only its buffer, which is reported and created again.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::config;
use crate::harness::buffer::{Board, SLOTS, STEPS, Writer, post, wait};
use crate::harness::late::{SECOND, in_time};
use crate::harness::{Client, Daemon, wait_until};

/// So that a killed writer is noticed soon.
fn hasty(board: &Board) -> String {
    config(board).replace("listen", "message_timeout = \"3s\"\nlisten")
}

fn children(daemon: &Daemon) -> Vec<i32> {
    let path = format!("/proc/{0}/task/{0}/children", daemon.pid());
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn truncate(file: PathBuf, bytes: u64) {
    OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
}

fn kill_consumer(daemon: &Daemon) {
    let [pid] = children(daemon)[..] else { panic!("one process for one buffer") };
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// What a writer does to a buffer.
type Deed = fn(&Board, &Writer, &Daemon);

/// Each with the reason in the log.
const DEEDS: &[(&str, Deed)] = &[
    ("_mutex for 3 s; perhaps it was killed", |_, writer, _| wait(&writer.mutex)),
    ("no slot is free and none is filled", |_, writer, _| (0..SLOTS).for_each(|_| wait(&writer.empty))),
    ("_full is ", |_, writer, _| {
        // The daemon cannot take anything meanwhile, whatever is posted.
        wait(&writer.mutex);
        (0..10).for_each(|_| post(&writer.full));
        post(&writer.mutex);
    }),
    ("_empty is 9, but must be at most 8", |_, writer, _| post(&writer.empty)),
    ("_mutex ", |_, writer, _| post(&writer.mutex)),
    ("the object has 0 bytes, but must have 2056", |board, _, _| truncate(board.file(), 0)),
    ("the object has 1 bytes, but must have 2056", |board, writer, _| {
        truncate(board.file(), 1);
        post(&writer.full);
    }),
    ("the object has 999999 bytes, but must have 2056", |board, _, _| truncate(board.file(), 999_999)),
    ("its indices are 4294967295 and 1, but must be at most 7", |_, writer, _| {
        writer.set_index(0, u32::MAX);
        post(&writer.full);
    }),
    ("its indices are 1 and 8, but must be at most 7", |_, writer, _| {
        writer.set_index(1, 8);
        post(&writer.full);
    }),
    ("_full says that a slot is filled, but the indices say that none is", |_, writer, _| post(&writer.full)),
    ("the process that empties it has ended (signal: 7 (SIGBUS))", |board, _, _| {
        truncate(board.semaphore_file("full"), 0);
    }),
    ("the process that empties it has ended (signal: 9 (SIGKILL))", |_, _, daemon| kill_consumer(daemon)),
    ("the object was removed", |board, _, _| std::fs::remove_file(board.file()).unwrap()),
    ("_mutex was removed", |board, _, _| std::fs::remove_file(board.semaphore_file("mutex")).unwrap()),
];

#[test]
fn wrong_writer_is_reported_and_harms_only_its_buffer() {
    let (board, other) = (Board::new("faults"), Board::new("other"));
    let both = hasty(&board).replace("\"]", &format!("\", \"{}\"]", other.endpoint()));
    let daemon = Daemon::with(&both);
    let mut alice = Client::member(&daemon, "alice");
    board.put("before");
    alice.hear(format!("{}: before\n", board.0));
    let (fds, consumers) = (daemon.descriptors(), children(&daemon).len());
    assert_eq!(consumers, 2);
    for (told, deed) in DEEDS.iter().filter(|(told, _)| !told.contains("SIGKILL")) {
        let since = daemon.log().len();
        let writer = board.open();
        wait_until("the slot is free", || (writer.index(0) == writer.index(1)).then_some(()));
        deed(&board, &writer, &daemon);
        daemon.wait_for_log_since(since, told);
        daemon.wait_for_log_since(since, "created again; programs that have it open must open it again");
        // The buffer leaves the room, comes back and works again. Others notice no more than that.
        alice.hear(format!("{0} has left the chat.\n{0} has joined the chat!\n", board.0));
        board.put("again");
        alice.hear(format!("{}: again\n", board.0));
        other.put("untouched");
        alice.hear(format!("{}: untouched\n", other.0));
    }
    wait_until("descriptors and processes are back where they were", || {
        (daemon.descriptors() == fds && children(&daemon).len() == consumers).then_some(())
    });
    daemon.stop();
    assert_eq!((board.count(), other.count()), (0, 0));
}

#[test]
fn killed_consumer_process_is_replaced() {
    let board = Board::new("killed");
    let daemon = Daemon::with(&config(&board));
    let mut alice = Client::member(&daemon, "alice");
    kill_consumer(&daemon);
    daemon.wait_for_log("the process that empties it has ended (signal: 9 (SIGKILL))");
    alice.hear(format!("{0} has left the chat.\n{0} has joined the chat!\n", board.0));
    board.put("again");
    alice.hear(format!("{}: again\n", board.0));
    daemon.stop();
}

#[test]
fn writer_killed_at_any_step_loses_only_its_own_message() {
    let board = Board::new("steps");
    let daemon = Daemon::with(&hasty(&board));
    let mut alice = Client::member(&daemon, "alice");
    for steps in 0..=STEPS {
        let writer = board.open();
        let since = daemon.log().len();
        writer.put(b"whole");
        writer.put_until(steps, b"cut");
        alice.hear(format!("{}: whole\n", board.0));
        match steps {
            STEPS => alice.hear(format!("{}: cut\n", board.0)),
            // It has the mutex.
            2..=4 => {
                daemon.wait_for_log_since(since, "perhaps it was killed between");
                alice.hear(format!("{0} has left the chat.\n{0} has joined the chat!\n", board.0));
            }
            // A slot is lost; the others still work.
            _ => {}
        }
        if steps == 5 {
            // The message is complete, but not counted.
            alice.hear(format!("{}: cut\n", board.0));
        }
        board.put("next");
        alice.hear(format!("{}: next\n", board.0));
    }
    daemon.stop();
}

#[test]
fn messages_behind_a_held_mutex_are_delivered() {
    let (board, daemon, mut alice) = in_time(|| {
        let board = Board::new("behind");
        let daemon = Daemon::with(&hasty(&board));
        let alice = Client::member(&daemon, "alice");
        let (writer, begun) = (board.open(), Instant::now());
        // Two messages are complete, and the mutex is not released.
        wait(&writer.mutex);
        for (at, text) in [(0, "first"), (1, "second")] {
            wait(&writer.empty);
            let mut slot = [0; 256];
            slot[..text.len()].copy_from_slice(text.as_bytes());
            writer.object.write_all_at(&slot, 8 + 256 * at).unwrap();
            writer.set_index(1, at as u32 + 1);
            post(&writer.full);
        }
        (begun.elapsed() < 3 * SECOND).then_some((board, daemon, alice))
    });
    alice.hear(format!("{0}: first\n{0}: second\n{0} has left the chat.\n", board.0));
    daemon.stop();
}

#[test]
fn writers_wait_while_the_daemon_is_stopped_and_nothing_is_lost() {
    let board = Board::new("frozen");
    let daemon = Daemon::with(&config(&board));
    let mut alice = Client::member(&daemon, "alice");
    daemon.freeze();
    let writing = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let writer = board.open();
            (0..30).for_each(|number| writer.put(format!("{number}").as_bytes()));
        });
        let writer = board.open();
        wait_until("all slots are filled", || {
            (crate::harness::buffer::value(&writer.empty) == 0).then_some(())
        });
        daemon.thaw();
        (0..30).for_each(|number| alice.hear(format!("{}: {number}\n", board.0)));
        writing.join()
    });
    writing.unwrap();
    daemon.stop();
}
