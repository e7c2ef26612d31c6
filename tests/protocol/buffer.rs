//! A bounded buffer in shared memory with semaphores: the room gets its messages.

mod faults;
mod names;

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use crate::harness::buffer::{Board, SLOTS, post, value, wait};
use crate::harness::{Client, Daemon, wait_until};

fn config(board: &Board) -> String {
    format!("[chat]\nlisten = [\"tcp://{{ip}}:33000\", \"{}\"]\n", board.endpoint())
}

#[test]
fn messages_of_a_buffer_are_sent_under_its_name() {
    let board = Board::new("board");
    let daemon = Daemon::with(&config(&board));
    let mut alice = Client::member(&daemon, "alice");
    for (put, said) in [
        ("build finished", "build finished"),
        ("with its end\n", "with its end"),
        ("/etc/passwd is 0666", "/etc/passwd is 0666"),
        ("{quit}", "{quit}"),
        (&"x".repeat(256), &"x".repeat(256)), // a full slot has no NUL
        ("é\u{1b}[31m", "é[31m"),
    ] {
        board.put(put);
        alice.hear(format!("{}: {said}\n", board.0));
    }
    // An empty text is not a message.
    ["", "\n", " "].iter().for_each(|nothing| board.put(nothing));
    board.put("last");
    alice.hear(format!("{}: last\n", board.0));
    daemon.stop();
    assert_eq!(board.count(), 0, "nothing is left");
}

#[test]
fn concurrent_writers_lose_nothing_and_keep_their_order() {
    const EACH: usize = 100;
    let board = Board::new("writers");
    let daemon = Daemon::with(&config(&board));
    let mut alice = Client::member(&daemon, "alice");
    std::thread::scope(|scope| {
        for name in 0..4 {
            let board = &board;
            scope.spawn(move || {
                let writer = board.open();
                (0..EACH).for_each(|number| writer.put(format!("{name} {number}").as_bytes()));
            });
        }
        let mut next = [0; 4];
        for _ in 0..4 * EACH {
            let line = alice.hear_line();
            let (name, number) =
                line.strip_prefix(&format!("{}: ", board.0)).unwrap().split_once(' ').unwrap();
            let expected = &mut next[name.parse::<usize>().unwrap()];
            assert_eq!(number.trim_end().parse::<usize>().unwrap(), *expected, "{line}");
            *expected += 1;
        }
    });
    let writer = board.open();
    wait_until("all slots are free", || (value(&writer.empty) == SLOTS as i32).then_some(()));
    assert_eq!((value(&writer.full), value(&writer.mutex)), (0, 1));
    daemon.stop();
}

#[test]
fn other_names_and_sizes_are_those_of_the_endpoint() {
    let board = Board::new("small");
    let endpoint = format!("{}&slots=2&size=16&full=/{}_items", board.endpoint(), board.0);
    let daemon = Daemon::with(&config(&board).replace(&board.endpoint(), &endpoint));
    let mut alice = Client::member(&daemon, "alice");
    let other = Board(board.0.clone());
    std::fs::hard_link(board.semaphore_file("items"), board.semaphore_file("full")).unwrap();
    let writer = other.open();
    assert_eq!(writer.object.metadata().unwrap().len(), 8 + 2 * 16);
    assert_eq!(value(&writer.empty), 2);
    for (at, text) in [(0, "one"), (1, "sixteen bytes 16"), (0, "three")] {
        wait(&writer.empty);
        wait(&writer.mutex);
        let mut slot = text.as_bytes().to_vec();
        slot.resize(16, 0);
        writer.object.write_all_at(&slot, 8 + 16 * at).unwrap();
        writer.set_index(1, (at as u32 + 1) % 2);
        post(&writer.mutex);
        post(&writer.full);
        alice.hear(format!("{}: {text}\n", board.0));
    }
    daemon.stop();
    assert!(!board.semaphore_file("items").exists());
}

#[test]
fn ipcctl_puts_each_line_into_a_buffer() {
    let board = Board::new("lines");
    let daemon = Daemon::with(&config(&board));
    let mut alice = Client::member(&daemon, "alice");
    let say = |endpoint: &str, lines: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(["--to", endpoint, "--timeout", "60s", "chat"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // It may have ended already.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        child.wait_with_output().unwrap()
    };
    let lines: String = (0..20).map(|number| format!("line {number}\n")).collect();
    assert!(say(&board.endpoint(), &lines).status.success());
    (0..20).for_each(|number| alice.hear(format!("{}: line {number}\n", board.0)));
    for (endpoint, lines, right) in [
        (board.endpoint(), "x".repeat(257), "a line of 257 bytes does not fit into a slot of"),
        (format!("{}&slots=9", board.endpoint()), String::new(), "has 2056 bytes, not 2312"),
        ("shm:///ipcd-none?semaphores".to_owned(), String::new(), "/dev/shm/ipcd-none: no such file"),
    ] {
        let outcome = say(&endpoint, &lines);
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert!(!outcome.status.success() && said.contains(right), "{said}");
    }
    daemon.stop();
}
