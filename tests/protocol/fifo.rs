//! FIFO endpoints: writers come and go, and there need not be a reader.

mod files;
mod room;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Daemon, MULTIPLY, show, wait_until};
use rustix::fs::OFlags;
use rustix::process::Signal;

const BOTH: &str = r#"
[multiply]
listen = ["fifo://{dir}/multiply"]
[chat]
listen = ["tcp://{ip}:33000", "fifo://{dir}/chat"]
"#;

/// The other ends of a FIFO pair: a writer, and a reader with a deadline.
struct Far {
    input: PathBuf,
    output: File,
    heard: Vec<u8>,
}

fn at(directory: &Path, name: &str) -> Far {
    let output = directory.join(format!("{name}.out"));
    let output = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(output);
    Far { input: directory.join(format!("{name}.in")), output: output.unwrap(), heard: Vec::new() }
}

impl Far {
    fn writer(&self) -> File {
        OpenOptions::new().write(true).open(&self.input).unwrap()
    }

    /// Opens the FIFO, writes, and closes it.
    fn say(&self, text: impl AsRef<[u8]>) {
        self.writer().write_all(text.as_ref()).unwrap();
    }

    /// Reads the next bytes, before the deadline.
    fn more(&mut self) {
        let mut buffer = vec![0; 65536];
        let count = wait_until("something to read", || match self.output.read(&mut buffer) {
            Ok(0) => None, // the daemon has not opened it yet
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        });
        self.heard.extend_from_slice(&buffer[..count]);
    }

    #[track_caller]
    fn hear(&mut self, expected: &str) {
        while self.heard.len() < expected.len() {
            self.more();
        }
        let heard: Vec<u8> = self.heard.drain(..expected.len()).collect();
        assert_eq!(show(&heard), show(expected.as_bytes()));
    }

    /// Reads lines up to this one.
    #[track_caller]
    fn hear_up_to(&mut self, last: &str) -> Vec<String> {
        let end = format!("{last}\n");
        loop {
            let text = String::from_utf8_lossy(&self.heard).into_owned();
            if let Some(from) =
                text.find(&format!("\n{end}")).map(|lf| lf + 1).or(text.starts_with(&end).then_some(0))
            {
                self.heard.drain(..from + end.len());
                return text[..from + end.len()].lines().map(str::to_owned).collect();
            }
            self.more();
        }
    }
}

fn directory(daemon: &Daemon) -> PathBuf {
    daemon.directory.path().to_owned()
}

#[test]
fn requests_are_answered_line_by_line() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "multiply");
    far.say("5 10\n\r\n 10 / 4\r\n");
    far.hear("Data received\n50.0\nData received\n2.5\n");
    // In pieces, and by two writers. Other protocols are not detected.
    far.say("5 ");
    far.say("x\nGET / HTTP/1.1\n");
    far.hear("Data received\nError: not a number: 'x'\n");
    far.hear("Data received\nError: not a number: 'GET'\n");
    daemon.stop();
}

#[test]
fn ten_thousand_writers_in_turn_all_get_replies() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "multiply");
    for number in 0..10_000 {
        far.say(format!("{number} 1\n"));
        if number % 500 == 499 {
            for number in number - 499..=number {
                far.hear(&format!("Data received\n{number}.0\n"));
            }
        }
    }
    daemon.stop();
}

#[test]
fn concurrent_writers_lose_nothing() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "multiply");
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let input = far.input.clone();
            std::thread::spawn(move || {
                for number in 0..250 {
                    let mut file = OpenOptions::new().write(true).open(&input).unwrap();
                    file.write_all(format!("{} 1\n", writer * 1000 + number).as_bytes()).unwrap();
                }
            })
        })
        .collect();
    let mut answers: Vec<String> = Vec::new();
    while answers.len() < 2000 {
        far.hear("Data received\n");
        while !far.heard.contains(&b'\n') {
            far.more();
        }
        let end = far.heard.iter().position(|byte| *byte == b'\n').unwrap();
        answers.push(String::from_utf8(far.heard.drain(..=end).collect()).unwrap());
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let mut expected: Vec<String> = (0..8)
        .flat_map(|writer| (0..250).map(move |number| format!("{}.0\n", writer * 1000 + number)))
        .collect();
    answers.sort();
    expected.sort();
    assert_eq!(answers, expected);
    daemon.stop();
}

/// How often the process went to sleep, and so how often it was woken.
fn naps(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn daemon_sleeps_after_all_writers_and_readers_left() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "multiply");
    for _ in 0..100 {
        far.say("5 10\n");
        far.hear("Data received\n50.0\n");
    }
    far.say("1 1\n"); // nobody will read the reply
    drop(far);
    // It may be late to go to sleep, and it gives the pages of its start back once.
    wait_until("it sleeps for a second", || {
        let before = (naps(&daemon), daemon.cpu_ticks());
        std::thread::sleep(std::time::Duration::from_secs(1));
        ((naps(&daemon), daemon.cpu_ticks()) == before).then_some(())
    });
    daemon.stop();
}

#[test]
fn newest_unread_replies_are_kept() {
    let daemon = Daemon::with("[multiply]\nbacklog = \"8KiB\"\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let mut far = at(&directory(&daemon), "multiply");
    let mut writer = far.writer();
    for number in 0..50_000 {
        writer.write_all(format!("{number} 1\n").as_bytes()).unwrap(); // this may wait for the daemon
    }
    // The session still works: it accepted the requests although nobody read.
    writer.write_all(b"7 ^ 7\n").unwrap();
    let lines = far.hear_up_to("Error: unknown operator: '^' (known: + - * / // % **)");
    assert_eq!(
        &lines[..4],
        ["Data received", "0.0", "Data received", "1.0"],
        "what is in the pipe comes first"
    );
    // In the bytes that the backlog has kept, every line is whole, and the last ones are there.
    let numbers: Vec<f64> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    assert!(
        lines
            .iter()
            .all(|line| line == "Data received" || line.starts_with("Error:") || line.parse::<f64>().is_ok())
    );
    assert!(numbers.is_sorted());
    assert!(numbers.len() < 25_000 && numbers.len() > 300, "{}", numbers.len());
    assert_eq!(numbers.last(), Some(&49_999.0));
    daemon.signal(Signal::USR1);
    let line = daemon.wait_for_log("status: multiply:");
    let dropped: u64 = line.split(", ").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(dropped as usize, 2 * 50_001 - lines.len(), "{line}");
    // It continues once somebody reads again.
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn overlong_line_is_skipped() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "multiply");
    let long = "9".repeat(4097);
    far.say(format!("{long}\n5 10\n"));
    far.hear("Error: message longer than 4096 bytes\nData received\n50.0\n");
    far.say(&long);
    far.hear("Error: message longer than 4096 bytes\n");
    far.say(format!("{long}{long} 1 2"));
    far.say("\n3 4\n");
    far.hear("Data received\n12.0\n");
    daemon.stop();
}

#[test]
fn unfinished_line_times_out_and_the_next_starts_afresh() {
    let daemon = Daemon::with(
        "[limits]\nmessage_timeout = \"200ms\"\nidle_timeout = \"100ms\"\n[multiply]\n\
         listen = [\"fifo://{dir}/multiply\", \"tcp://{ip}:65432\"]\n",
    );
    let mut far = at(&directory(&daemon), "multiply");
    far.say("5 ");
    far.hear("Error: message not finished after 0.2 s\n");
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    // The rest of an overlong line has the same timeout.
    far.say("9".repeat(5000));
    far.hear("Error: message longer than 4096 bytes\n");
    // It has passed by the daemon's clock when messages that began later have timed out, one after the other.
    for _ in 0..4 {
        let mut later = daemon.tcp(MULTIPLY);
        later.say("5 ");
        later.hear_rest();
    }
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    daemon.stop();
}
