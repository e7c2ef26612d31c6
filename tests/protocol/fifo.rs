//! FIFO endpoints: writers come and go, readers need not be there, and the files outlive the daemon.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::harness::around::{Helper, failure};
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, Ground, show, wait_until};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;

const BOTH: &str = r#"
[multiply]
listen = ["fifo://{dir}/multiply"]
[chat]
listen = ["tcp://{ip}:33000", "fifo://{dir}/chat"]
"#;

/// The far ends of a FIFO: somebody who writes, and somebody who reads and never waits for ever.
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

    /// A writer comes, writes, and goes.
    fn say(&self, text: impl AsRef<[u8]>) {
        self.writer().write_all(text.as_ref()).unwrap();
    }

    /// Whatever comes next, in time.
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

    /// Lines up to and with one that is this.
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
    // In pieces, and by two writers; no HTTP is looked for.
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

/// How often the process went to sleep: each time it was woken for something.
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
    far.say("1 1\n"); // nobody will read this one
    drop(far);
    let before = wait_until("it sleeps", || {
        let first = naps(&daemon);
        std::thread::sleep(std::time::Duration::from_millis(100));
        (naps(&daemon) == first).then_some(first)
    });
    let ticks = daemon.cpu_ticks();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!((naps(&daemon), daemon.cpu_ticks()), (before, ticks));
    daemon.stop();
}

#[test]
fn newest_unread_replies_are_kept() {
    let daemon = Daemon::with("[multiply]\nbacklog = \"8KiB\"\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let mut far = at(&directory(&daemon), "multiply");
    let mut writer = far.writer();
    for number in 0..50_000 {
        writer.write_all(format!("{number} 1\n").as_bytes()).unwrap(); // waits for the daemon if it must
    }
    // A session that answers all the same: the requests were taken though nobody read.
    writer.write_all(b"7 ^ 7\n").unwrap();
    let lines = far.hear_up_to("Error: unknown operator: '^' (known: + - * / // % **)");
    assert_eq!(
        &lines[..4],
        ["Data received", "0.0", "Data received", "1.0"],
        "what is in the pipe comes first"
    );
    // In what the backlog kept, every line is whole, and the last ones are there.
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
    // It goes on where it is read again.
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
        "[limits]\nmessage_timeout = \"200ms\"\nidle_timeout = \"100ms\"\n[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n",
    );
    let mut far = at(&directory(&daemon), "multiply");
    far.say("5 ");
    far.hear("Error: message not finished after 0.2 s\n");
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    // The rest of a line that is too long is not waited for longer either.
    far.say("9".repeat(5000));
    far.hear("Error: message longer than 4096 bytes\n");
    std::thread::sleep(std::time::Duration::from_millis(600));
    far.say("5 10\n");
    far.hear("Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn fifo_is_a_member_of_the_room() {
    let daemon = Daemon::with(BOTH);
    let mut far = at(&directory(&daemon), "chat");
    let mut alice = Client::member(&daemon, "alice");
    far.hear("alice has joined the chat!\n");
    far.say("build finished\n/etc/passwd is 0666\n//x\n");
    alice.hear("chat: build finished\nchat: /etc/passwd is 0666\nchat: //x\n");
    far.hear("chat: build finished\nchat: /etc/passwd is 0666\nchat: //x\n");
    // Whatever it begins with, and whatever it is.
    far.say("/msg alice x\n/key 0123456789abcdef0123456789abcdef\n\u{7}\u{202e}\n \n{quit}\nbye\n");
    let said = "chat: /msg alice x\nchat: /key 0123456789abcdef0123456789abcdef\nchat: {quit}\nchat: bye\n";
    far.hear(said);
    alice.hear(said);
    alice.say("/msg chat psst\n");
    far.hear("alice (to you): psst\n");
    alice.hear("you (to chat): psst\n");
    drop(alice);
    far.hear("alice has left the chat.\n");
    far.say(format!("{}\nstill here\n", "x".repeat(4097)));
    far.hear("Error: message longer than 4096 bytes\nchat: still here\n");
    daemon.wait_for_log("/chat: FIFO writers: joined as chat");
    daemon.stop();
}

#[test]
fn taken_name_gets_a_number_and_invalid_one_is_refused() {
    let daemon = Daemon::with("[chat]\nlisten = [\"tcp://{ip}:33000\"]\n");
    let mut chat = Client::member(&daemon, "Chat");
    daemon.write_config("[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/chat\"]\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    chat.hear("chat-2 has joined the chat!\n");
    daemon.stop();

    let ground = Ground::new();
    ground.write_config("[chat]\nlisten = [\"fifo://{dir}/cave!\"]\n");
    let said = failure(ground.command().arg("--check"), 78);
    assert!(said.contains("2:11: ") && said.contains("the file name is its name in the chat"), "{said}");
}

#[test]
fn unread_room_fifo_delays_nobody_and_keeps_the_newest() {
    let daemon =
        Daemon::with("[chat]\nbacklog = \"16KiB\"\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/chat\"]\n");
    let mut far = at(&directory(&daemon), "chat");
    let mut alice = Client::member(&daemon, "alice");
    for number in 0..2000 {
        let line = format!("{number:05} {}\n", "x".repeat(100));
        alice.say(&line);
        alice.hear(format!("alice: {line}"));
    }
    alice.say("end\n");
    let lines = far.hear_up_to("alice: end");
    assert_eq!(lines[0], "alice has joined the chat!");
    assert!(lines.iter().all(|line| line.len() == 113 || line.len() < 40), "each line is whole");
    let said: Vec<&String> = lines.iter().filter(|line| line.len() == 113).collect();
    assert!(said.is_sorted() && said.len() < 1500 && said.len() > 140, "{}", said.len());
    assert!(said.last().unwrap().starts_with("alice: 01999"), "{said:?}");
    daemon.signal(Signal::USR1);
    let line = daemon.wait_for_log("status: chat:");
    assert!(line.ends_with(&format!(" 0 too slow, {} dropped", 2000 - said.len())), "{line}");
    daemon.stop();
}

#[test]
fn only_a_fifo_is_used_and_two_daemons_share_none() {
    let ground = Ground::new();
    ground.write_config("[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let (input, output) =
        (ground.directory.path().join("multiply.in"), ground.directory.path().join("multiply.out"));
    fs::write(&output, "somebody's").unwrap();
    let said = failure(&mut ground.command(), 69);
    assert!(said.contains("multiply.out is a regular file, not a FIFO; move it away"), "{said}");
    assert_eq!(ground.names(), ["ipcd.toml", "multiply.out"]);
    fs::remove_file(&output).unwrap();

    // One of ours that is there already is taken over.
    mknodat(CWD, &input, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let (command, mut second) = (ground.command(), ground.command());
    let daemon = ground.start(command);
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
    let ground = Ground::new();
    ground.write_config("[multiply]\nlisten = [\"fifo://{dir}/multiply\", \"unix://{dir}/gone/s\"]\n");
    failure(&mut ground.command(), 69);
    assert_eq!(ground.names(), ["ipcd.toml"]);
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
    // Whoever may use them writes to the one and reads from the other, and never the other way round.
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
    // And again, for another service this time; what fails changes nothing.
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
    let ground = Ground::new();
    ground.write_config(BOTH);
    let (command, mut again) = (ground.command(), ground.command());
    let daemon = ground.start(command);
    let path = directory(&daemon);
    let (mut far, mut chat) = (at(&path, "multiply"), at(&path, "chat"));
    daemon.freeze();
    far.say("5 10\n");
    chat.say("bye\n");
    let held = far.writer(); // a writer that stays does not hold it up
    daemon.signal(Signal::TERM);
    daemon.thaw();
    far.hear("Data received\n50.0\n");
    chat.hear("chat: bye\nServer is shutting down.\n");
    wait_until("it ends", || (!path.join("multiply.in.lock").exists()).then_some(()));
    drop((held, far, chat));
    assert!(path.join("chat.in").exists());

    // A writer that comes while nobody is there waits for the next daemon.
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
    let daemon = Daemon::with("[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let far = at(&directory(&daemon), "multiply");
    far.say("5 10\n".repeat(20_000)); // more than fits into the pipe
    let start = std::time::Instant::now();
    daemon.stop();
    assert!(start.elapsed() < std::time::Duration::from_secs(4), "before shutdown_grace");
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
    let ground = Ground::new();
    ground.write_config(&format!("{BOTH}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n"));
    let manager = Manager::new(&ground);
    let mut daemon = ground.start_with(&manager, vec![]);
    let path = directory(&daemon);
    let (mut far, mut chat) = (at(&path, "multiply"), at(&path, "chat"));
    let mut alice = Client::member(&daemon, "alice");
    chat.hear("alice has joined the chat!\n");
    let writer = far.writer();
    far.say("1 1\n3 "); // an answer that nobody has read, and the first part of a line
    let mut control = daemon.unix();
    control.say("control\n");
    control.say("handover\n");
    control.hear("OK\n");
    assert!(daemon.wait().success());
    far.say("4\n5 10\n"); // while nobody is there; the manager holds what keeps it
    assert_eq!(manager.stored()["ipcd-fifo"], 4);
    let ground = Ground {
        directory: std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap()),
        ip: daemon.ip,
    };
    let stored = manager.take_stored();
    let daemon = ground.start_with(&manager, stored);
    far.hear("Data received\n1.0\nData received\n12.0\nData received\n50.0\n");
    drop(writer);
    chat.say("here again\n");
    alice.hear("chat: here again\n");
    chat.hear("chat: here again\n");
    assert!(!manager.stored().contains_key("ipcd-fifo"));
    daemon.stop();
}
