//! The client on a real terminal: what a person sees, and what is left when it has gone.
#![cfg(feature = "tui")]

mod harness;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::num::NonZero;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use harness::{Client, Daemon, Ground, USUAL, wait_until};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(60);

/// ipcctl on a terminal of its own, and what the terminal shows.
struct Seat {
    child: Child,
    master: File,
    slave: File,
    before: String,
    shown: Arc<(Mutex<Shown>, Condvar)>,
}

struct Shown {
    parser: vt100::Parser,
    /// Everything that was written to the terminal.
    bytes: Vec<u8>,
}

/// What can be compared of a terminal's settings.
fn settings(termios: &Termios) -> String {
    format!("{termios:?}")
}

impl Seat {
    fn take(arguments: &[&str]) -> Seat {
        Seat::with(arguments, |_| {})
    }

    fn with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Seat {
        let (master, slave) = terminal();
        tcsetwinsize(&master, size(24, 80)).unwrap();
        let before = settings(&tcgetattr(&slave).unwrap());

        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(arguments).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let end = || slave.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        prepare(&mut command);
        let child = command.spawn().unwrap();

        let shown = Shown { parser: vt100::Parser::new(extent(24), extent(80), 0), bytes: Vec::new() };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let (mut reader, writer) = (master.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut shown = writer.0.lock().unwrap();
                shown.parser.process(&buffer[..count]);
                shown.bytes.extend_from_slice(&buffer[..count]);
                writer.1.notify_all();
            }
        });
        Seat { child, master, slave, before, shown }
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen is as wanted, and returns its rows.
    #[track_caller]
    fn wait_for(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut shown = self.shown.0.lock().unwrap();
        loop {
            let screen = shown.parser.screen();
            let rows = rows(screen);
            if is_so(screen) {
                return rows;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what} on:\n{}", rows.join("\n"));
            shown = self.shown.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Waits for a row that contains this.
    #[track_caller]
    fn see(&self, text: &str) -> Vec<String> {
        self.wait_for(text, |screen| count(&rows(screen), text) > 0)
    }

    /// Waits until exactly one row contains this.
    #[track_caller]
    fn see_once(&self, text: &str) {
        self.wait_for(&format!("{text} once"), |screen| count(&rows(screen), text) == 1);
    }

    /// Waits until the line that is being typed is this, with the cursor in that column.
    #[track_caller]
    fn see_typed(&self, text: &str, column: u16) {
        self.wait_for(&format!("{text:?} typed, and the cursor at {column}"), |screen| {
            let height = screen.size().0.get();
            let typed = rows(screen).pop().unwrap();
            typed.trim_end() == format!("> {text}").trim_end()
                && screen.cursor_position() == (height - 1, column + 2)
        });
    }

    fn resize(&self, height: u16, width: u16) {
        self.shown.0.lock().unwrap().parser.screen_mut().set_size(extent(height), extent(width));
        tcsetwinsize(&self.master, size(height, width)).unwrap();
        // The kernel tells the terminal's foreground group; this one has no session of its own.
        self.signal(Signal::WINCH);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Waits for the end; the terminal is as it was.
    #[track_caller]
    fn end(mut self) -> (ExitStatus, Vec<u8>) {
        let status = wait_until("ipcctl ends", || self.child.try_wait().unwrap());
        assert_eq!(settings(&tcgetattr(&self.slave).unwrap()), self.before);
        self.wait_for("the terminal as it was", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        let bytes = self.shown.0.lock().unwrap().bytes.clone();
        (status, bytes)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a terminal: the person's, and the program's.
fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (File::from(master), File::from(slave))
}

fn size(height: u16, width: u16) -> Winsize {
    Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 }
}

fn extent(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap()
}

fn rows(screen: &vt100::Screen) -> Vec<String> {
    screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect()
}

fn mux(daemon: &Daemon) -> String {
    format!("unix://{}", daemon.socket().display())
}

/// How often a text is on the screen.
fn count(rows: &[String], text: &str) -> usize {
    rows.iter().filter(|row| row.contains(text)).count()
}

#[test]
fn two_people_chat_and_each_message_is_seen_once_by_both() {
    let daemon = Daemon::usual();
    let port = format!("tcp://{}:33000", daemon.ip);
    let mut ann = Seat::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    let mut bob = Seat::take(&["--to", &port, "chat", "--name", "bob"]);
    bob.see("you are in the room as bob");
    ann.see("bob has joined the chat!");
    ann.press("hello bob\r");
    bob.see_once("ann: hello bob");
    bob.press("/msg ann psst\r");
    ann.see("bob (to you): psst");
    bob.press("/nonsense\r");
    bob.see("unknown command: /nonsense");
    bob.press("and aloud\r");
    ann.see("bob: and aloud");
    ann.see_once("ann: hello bob");
    ann.see_once("psst");
    // A name has its colour, the same on both screens; and not that of what was said.
    let colour = |seat: &Seat, column: u16| {
        let shown = seat.shown.0.lock().unwrap();
        let screen = shown.parser.screen();
        let row = screen.rows(0, 80).position(|row| row.contains("ann: hello")).unwrap();
        screen.cell(u16::try_from(row).unwrap(), column).unwrap().fgcolor()
    };
    assert_eq!(colour(&ann, 0), colour(&bob, 0));
    assert_ne!(colour(&ann, 0), colour(&ann, 5));
    bob.press("{quit}\r");
    let (status, _) = bob.end();
    assert!(status.success(), "{status}");
    ann.see("bob has left the chat.");
    ann.press("\x04");
    assert!(ann.end().0.success());
    daemon.stop();
}

#[test]
fn the_line_is_edited_apart_from_what_arrives() {
    let daemon = Daemon::usual();
    let mut ann = Seat::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    ann.press("wrold");
    ann.see_typed("wrold", 5);
    Client::member(&daemon, "bob").say("boo\n");
    ann.see("bob: boo");
    ann.see_typed("wrold", 5);
    ann.press("\x1b[D\x1b[D\x1b[D\x7f\x1b[Cr\x01hello \x05!");
    ann.see_typed("hello world!", 12);
    ann.press("\r");
    ann.see("ann: hello world!");
    ann.see_typed("", 0);
    // Wide and combining characters take the columns that they take.
    ann.press("字e\u{301}字\x7f");
    ann.see_typed("字e\u{301}", 3);
    ann.press("\x15once more\x17twice");
    ann.see_typed("once twice", 10);
    ann.press("\x1b[A");
    ann.see_typed("hello world!", 12);
    ann.press("\x1b[B");
    ann.see_typed("once twice", 10);
    // Ctrl-D deletes as long as there is something.
    ann.press("\x01\x04");
    ann.see_typed("nce twice", 0);
    ann.press("\x0b\x1b[200~pasted\nin two lines\x1b[201~");
    ann.see_typed("pasted in two lines", 19);
    ann.press("\x03");
    assert!(ann.end().0.success());
}

#[test]
fn what_was_said_can_be_read_again_at_any_size() {
    let daemon = Daemon::usual();
    let mut ann = Seat::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    let mut bob = Client::member(&daemon, "bob");
    (0..100).for_each(|number| bob.say(format!("line {number}\n")));
    ann.wait_for("the newest at the bottom", |screen| rows(screen)[21] == "bob: line 99");
    ann.press("\x1b[5~");
    ann.see("| 21 more below");
    ann.wait_for("a page further up", |screen| rows(screen)[21] == "bob: line 78");
    // What comes now does not push it away.
    bob.say("news\n");
    ann.see("| 22 more below");
    ann.wait_for("the same", |screen| rows(screen)[21] == "bob: line 78");
    ann.press("\x1b");
    ann.see("bob: news");

    ann.resize(6, 20);
    ann.wait_for("four rows", |screen| {
        screen.contents().starts_with("bob: line 97\nbob: line 98\nbob: line 99\nbob: news\n")
    });
    bob.say("a sentence that is wider than this\n");
    ann.wait_for("it is broken at white space", |screen| {
        screen.contents().contains("bob: a sentence that\nis wider than this")
    });
    // Narrow beyond use, but alive.
    ann.resize(1, 3);
    ann.press("xyz");
    ann.wait_for("the end of what is typed", |screen| screen.contents() == "yz");
    ann.resize(2, 1);
    ann.resize(24, 80);
    ann.see_typed("xyz", 3);
    ann.see("a sentence that is wider than this");
    ann.press("\x03");
    assert!(ann.end().0.success());
}

#[test]
fn a_daemon_that_comes_back_finds_everybody_again_under_their_names() {
    let first = Ground::new();
    let second = Ground { directory: tempfile::tempdir().unwrap(), ip: first.ip };
    let start = |ground: Ground| {
        ground.write_config(USUAL);
        let command = ground.command();
        ground.start(command)
    };
    let daemon = start(first);
    let to = format!("tcp://{}:33000", daemon.ip);
    let mut ann = Seat::take(&["--to", &to, "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    daemon.stop();
    ann.see("Server is shutting down.");
    ann.see("the connection ended; trying again until it is there");
    ann.see("Connection refused");
    ann.see_once("trying again");
    ann.press("kept\r");
    ann.see("not connected: your line waits here");
    ann.see_typed("kept", 4);

    let daemon = start(second);
    ann.wait_for("in the room twice", |screen| {
        screen.contents().matches("you are in the room as ann").count() == 2
    });
    ann.press("\r");
    ann.see("ann: kept");
    ann.press("\x04");
    assert!(ann.end().0.success());
    daemon.stop();
}

#[test]
fn two_people_talk_until_one_says_bye_and_the_other_can_still_read_it() {
    let daemon = Daemon::usual();
    let to = mux(&daemon);
    let mut first = Seat::take(&["--to", &to, "talk"]);
    first.press("anybody?\r");
    first.see("you: anybody?");
    let mut second = Seat::take(&["--to", &to, "talk"]);
    second.see_once("partner: anybody?");
    second.press("yes\r");
    first.see("partner: yes");
    first.press("bye\r");
    assert!(first.end().0.success());
    second.see("partner: bye");
    second.see("the talk has ended; press any key");
    second.press(" ");
    assert!(second.end().0.success());
    daemon.stop();
}

#[test]
fn a_name_that_is_taken_is_followed_by_a_number() {
    let daemon = Daemon::usual();
    let _ann = Client::member(&daemon, "ann");
    let mut second = Seat::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    second.see("somebody is called 'ann' already");
    second.see("you are in the room as ann-2");
    second.press("\x04");
    assert!(second.end().0.success());
    // What no room takes as a name is not tried again.
    let wrong = Seat::take(&["--to", &mux(&daemon), "chat", "--name", "a:b"]);
    wrong.see("ipcctl: a name is 1 to 32");
    assert_eq!(wrong.end().0.code(), Some(1));
}

#[test]
fn a_signal_gives_the_terminal_back_and_ends_the_client() {
    use std::os::unix::process::ExitStatusExt;
    let daemon = Daemon::usual();
    for (name, signal) in [("ann", Signal::TERM), ("bob", Signal::INT), ("cay", Signal::HUP)] {
        let ann = Seat::take(&["--to", &mux(&daemon), "chat", "--name", name]);
        ann.see("you are in the room");
        ann.wait_for("the whole screen", vt100::Screen::alternate_screen);
        ann.signal(signal);
        assert_eq!(ann.end().0.signal(), Some(signal.as_raw()));
    }
}

#[test]
fn a_client_whose_terminal_is_gone_goes_too() {
    let daemon = Daemon::usual();
    let (mut master, slave) = terminal();
    let end = || slave.try_clone().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(["--to", &mux(&daemon), "chat", "--name", "ann"]).env("TERM", "xterm");
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    drop((command, slave));
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("you are in the room") {
        let mut buffer = [0; 4096];
        let count = master.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..count]);
    }
    drop(master);
    let status = wait_until("ipcctl ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    daemon.stop();
}

#[test]
fn a_dumb_terminal_gets_lines_and_no_orders() {
    let daemon = Daemon::usual();
    let mut ann = Seat::with(&["--to", &mux(&daemon), "chat", "--name", "ann"], |command| {
        command.env("TERM", "dumb");
    });
    ann.press("hi\n");
    ann.see("ann: hi");
    ann.press("\x04");
    let (status, bytes) = ann.end();
    assert!(status.success() && !bytes.contains(&0x1b), "{status}");
    daemon.stop();
}

#[test]
fn nothing_that_a_peer_sends_is_obeyed_by_the_terminal() {
    let hostile = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", hostile.local_addr().unwrap());
    let orders = "\x1b]0;owned\x07\x1b[31mred\x1b[2J\x1bc\u{9b}5m\u{202e}end";
    let server = std::thread::spawn(move || {
        let (mut stream, _) = hostile.accept().unwrap();
        let line = format!("Welcome ann! If\nbob: {orders}\nError: {orders}\n{orders}\n");
        stream.write_all(line.as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut ann = Seat::take(&["--to", &to, "chat", "--name", "ann"]);
    ann.see("bob: ]0;owned[31mred[2Jc5mend");
    ann.press("\x04");
    // Nobody says farewell here: it is not waited for long.
    let (status, bytes) = ann.end();
    assert!(status.success());
    let bytes = String::from_utf8_lossy(&bytes).into_owned();
    for order in ["\x1b]", "\x07", "\x1bc", "\u{9b}", "\u{202e}", "\x1b[31mred"] {
        assert!(!bytes.contains(order), "{order:?} in {bytes:?}");
    }
    server.join().unwrap();
}

#[test]
fn without_colour_a_name_is_bold_and_no_colour_is_written() {
    let daemon = Daemon::usual();
    let arguments = ["--to", &mux(&daemon), "chat", "--name", "ann"];
    let mut ann = Seat::with(&arguments, |command| {
        command.env("NO_COLOR", "1");
    });
    ann.see("you are in the room");
    ann.press("hi\r");
    ann.see("ann: hi");
    let colours = |screen: &vt100::Screen| {
        let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        cells.filter(|at| screen.cell(at.0, at.1).unwrap().fgcolor() != vt100::Color::Default).count()
    };
    ann.wait_for("no colour", |screen| colours(screen) == 0);
    ann.press("\x03");
    assert!(ann.end().0.success());
}

#[test]
fn a_bench_shows_how_far_it_is_and_then_the_table_alone() {
    let seat = Seat::take(&["bench", "--duration", "200ms", "--only", "pipes"]);
    let rows = seat.see("round trips a second: one by one");
    assert!(rows.iter().all(|row| !row.contains('%')), "{rows:?}");
    let (status, bytes) = seat.end();
    assert!(status.success(), "{status}");
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("two pipes ") && text.contains('%'), "{text:?}");
}

#[test]
fn top_shows_all_machines_sorts_them_and_follows_the_size_of_the_terminal() {
    let daemon = Daemon::usual();
    let mut machines = daemon.unix();
    machines.say("stats\n{\"host\":\"calm\",\"cpu_percent\":5}\n{\"host\":\"wild\",\"cpu_percent\":100}\n");
    machines.hear("Data received\nData received\n");
    let mut top = Seat::take(&["--to", &mux(&daemon), "top", "--every", "100ms"]);
    let first = top.see("2 machines, by host");
    assert!(first[0].starts_with("HOST") && first[1].starts_with("calm"), "{first:?}");
    assert!(first[2].starts_with("wild") && first[2].contains("100.0% ##########"), "{first:?}");
    top.press("s");
    top.wait_for("the busiest first", |screen| rows_of(screen, "by cpu", "wild"));
    machines.say("{\"host\":\"new one\"}\n");
    top.see("3 machines");
    top.press("j");
    top.wait_for("the first out of sight", |screen| rows_of(screen, "by cpu", "calm"));
    top.resize(10, 100);
    top.wait_for("the last row in its place", |screen| rows(screen)[9].contains("3 machines"));
    top.press("q");
    let (status, _) = top.end();
    assert!(status.success(), "{status}");
    daemon.stop();
}

/// Whether the screen says so below, and this machine is the first.
fn rows_of(screen: &vt100::Screen, status: &str, first: &str) -> bool {
    let rows = rows(screen);
    count(&rows, status) == 1 && rows[1].starts_with(first)
}
