//! The client on a real terminal: the screen as a person sees it, and the terminal afterwards.

mod jobs;
mod room;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::pty::{PtySession, assert_no_control_sequences, mux, rows};
use crate::harness::{CHAT, Client, Daemon, TestDir, USUAL};
use rustix::process::Signal;

#[test]
fn two_members_see_each_message_once() {
    let daemon = Daemon::usual();
    let port = format!("tcp://{}:33000", daemon.ip);
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    let mut bob = PtySession::take(&["--to", &port, "chat", "--name", "bob"]);
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
    // A name has the same colour on both screens, and the message has another one.
    let colour = |pty: &PtySession, column: u16| {
        let shown = pty.shown.0.lock().unwrap();
        let screen = shown.parser.screen();
        let row = screen.rows(0, 80).position(|row| row.contains("ann: hello")).unwrap();
        // The name follows the time of day.
        screen.cell(u16::try_from(row).unwrap(), 6 + column).unwrap().fgcolor()
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
fn edited_line_is_unaffected_by_arriving_lines() {
    let daemon = Daemon::usual();
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
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
    // Wide and combining characters take their columns.
    ann.press("字e\u{301}字\x7f");
    ann.see_typed("字e\u{301}", 3);
    ann.press("\x15once more\x17twice");
    ann.see_typed("once twice", 10);
    ann.press("\x1b[A");
    ann.see_typed("hello world!", 12);
    ann.press("\x1b[B");
    ann.see_typed("once twice", 10);
    // Ctrl-D deletes while there is text.
    ann.press("\x01\x04");
    ann.see_typed("nce twice", 0);
    ann.press("\x0b\x1b[200~pasted\nin two lines\x1b[201~");
    ann.see_typed("pasted in two lines", 19);
    ann.press("\x03");
    assert!(ann.end().0.success());
}

#[test]
fn earlier_lines_can_be_scrolled_at_any_size() {
    let daemon = Daemon::usual();
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    let mut bob = Client::member(&daemon, "bob");
    (0..100).for_each(|number| bob.say(format!("line {number}\n")));
    ann.wait_for("the newest at the bottom", |screen| rows(screen)[20].ends_with(" bob: line 99"));
    ann.press("\x1b[5~");
    ann.see("| 20 more below | ");
    ann.wait_for("a page further up", |screen| rows(screen)[20].ends_with(" bob: line 79"));
    // New lines do not push it off the screen.
    bob.say("news\n");
    ann.see("| 22 more below, 1 new | ");
    ann.wait_for("the same", |screen| rows(screen)[20].ends_with(" bob: line 79"));
    ann.press("\x1b");
    ann.see("bob: news");
    ann.see_once("---- new ----");

    ann.resize(6, 20);
    ann.wait_for("four rows", |screen| {
        rows(screen)[..4] == ["bob: line 98", "bob: line 99", "---- new ----", "bob: news"]
    });
    bob.say("a sentence that is wider than this\n");
    ann.wait_for("it is broken at white space", |screen| {
        rows(screen)[2..4] == ["bob: a sentence that", "is wider than this"]
    });
    // Too narrow to be useful, but it still runs.
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
fn members_keep_their_names_when_the_daemon_returns() {
    let first = TestDir::new();
    let second = TestDir { directory: tempfile::tempdir().unwrap(), ip: first.ip };
    let start = |test_dir: TestDir| test_dir.serve(USUAL);
    let daemon = start(first);
    let to = format!("tcp://{}:33000", daemon.ip);
    let mut ann = PtySession::take(&["--to", &to, "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    daemon.stop();
    ann.see("Server is shutting down.");
    ann.see("the connection ended; trying again until the daemon is back");
    ann.see("not connected: no daemon there; next try in ");
    ann.see_once("trying again");
    ann.press("kept\r");
    ann.see("not connected: your line waits here");
    ann.see_typed("kept", 4);

    let daemon = start(second);
    say_after_return(ann, "\r");
    daemon.stop();
}

/// Checks that ann joins the room again by herself; with these keys she says `kept`, and leaves.
pub(crate) fn say_after_return(mut ann: PtySession, keys: &str) {
    ann.wait_for("in the room twice", |screen| {
        screen.contents().matches("you are in the room as ann").count() == 2
    });
    ann.press(keys);
    ann.see("ann: kept");
    ann.press("\x04");
    assert!(ann.end().0.success());
}

#[test]
fn partner_can_still_read_the_talk_after_bye() {
    let daemon = Daemon::usual();
    let to = mux(&daemon);
    let mut first = PtySession::take(&["--to", &to, "talk"]);
    first.press("anybody?\r");
    first.see("you: anybody?");
    let mut second = PtySession::take(&["--to", &to, "talk"]);
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
fn taken_name_gets_a_number() {
    let daemon = Daemon::usual();
    let _ann = Client::member(&daemon, "ann");
    let mut second = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    second.see("the name 'ann' is taken");
    second.see("you are in the room as ann-2");
    second.press("\x04");
    assert!(second.end().0.success());
    // A name that no room accepts is not tried again.
    let wrong = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "a:b"]);
    wrong.see("ipcctl: a name has 1 to 32");
    assert_eq!(wrong.end().0.code(), Some(1));
}

/// A relay between a client and its daemon that can break on one side only.
struct Line {
    port: u16,
    near: std::sync::mpsc::Receiver<TcpStream>,
    /// The daemon's side, which stays connected.
    far: std::sync::mpsc::Receiver<TcpStream>,
}

impl Line {
    fn to(daemon: &Daemon) -> Line {
        let listener = TcpListener::bind((daemon.ip, 0)).unwrap();
        let (port, address) = (listener.local_addr().unwrap().port(), (daemon.ip, CHAT));
        let ((near_in, near), (far_in, far)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let daemon = TcpStream::connect(address).unwrap();
                for (mut from, mut to) in [(&client, &daemon), (&daemon, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
                if near_in.send(client).is_err() || far_in.send(daemon).is_err() {
                    return;
                }
            }
        });
        Line { port, near, far }
    }
}

#[test]
fn member_regains_its_name_after_a_broken_connection() {
    let daemon = Daemon::usual();
    let mut bob = Client::member(&daemon, "bob");
    let line = Line::to(&daemon);
    let mut ann =
        PtySession::take(&["--to", &format!("tcp://{}:{}", daemon.ip, line.port), "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    bob.hear("ann has joined the chat!\n");
    // It sends its key once it knows that the room is ipcd's: before the first line is back, and so before the second arrives.
    for said in ["one", "two"] {
        ann.press(&format!("{said}\r"));
        ann.see(&format!("ann: {said}"));
        bob.hear(format!("ann: {said}\n"));
    }
    // The client notices the break, and the daemon does not: bytes to the client stay unacknowledged.
    let (near, far) = (line.near.recv().unwrap(), line.far.recv().unwrap());
    near.shutdown(std::net::Shutdown::Write).unwrap();
    ann.see("trying again until the daemon is back");
    daemon.wait_for_log("closed: joined again through another connection");
    ann.press("here again\r");
    ann.see("ann: here again");
    bob.hear("ann: here again\n");
    drop((near, far));
    ann.press("\x04");
    assert!(ann.end().0.success());
    bob.hear("ann has left the chat.\n");
    // It is not confused with another member of that name.
    let other = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "bob"]);
    other.see("you are in the room as bob-2");
    daemon.stop();
}

#[test]
fn signal_restores_the_terminal_and_ends_the_client() {
    use std::os::unix::process::ExitStatusExt;
    let daemon = Daemon::usual();
    for (name, signal) in [("ann", Signal::TERM), ("bob", Signal::INT), ("cay", Signal::HUP)] {
        let ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", name]);
        ann.see("you are in the room");
        ann.wait_for("the whole screen", vt100::Screen::alternate_screen);
        ann.signal(signal);
        assert_eq!(ann.end().0.signal(), Some(signal.as_raw()));
    }
}

#[test]
fn dumb_terminal_gets_lines_without_escape_sequences() {
    let daemon = Daemon::usual();
    let mut ann = PtySession::with(&["--to", &mux(&daemon), "chat", "--name", "ann"], |command| {
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
fn peer_bytes_cannot_control_the_terminal() {
    let hostile = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", hostile.local_addr().unwrap());
    let orders = "\x1b]0;owned\x07\x1b[31mred\x1b[2J\x1bc\u{9b}5m\u{202e}end";
    let server = std::thread::spawn(move || {
        let (mut stream, _) = hostile.accept().unwrap();
        let line = format!(
            "Welcome ann! If you ever want to quit, type {{quit}} to exit.\nbob: {orders}\nError: {orders}\n{orders}\n"
        );
        stream.write_all(line.as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut ann = PtySession::take(&["--to", &to, "chat", "--name", "ann"]);
    ann.see("bob: ]0;owned[31mred[2Jc5mend");
    ann.press("\x04");
    // No farewell arrives here, and the client does not wait for it for long.
    let (status, bytes) = ann.end();
    assert!(status.success());
    assert_no_control_sequences(&bytes);
    server.join().unwrap();
}

#[test]
fn names_are_bold_without_colour() {
    let daemon = Daemon::usual();
    let arguments = ["--to", &mux(&daemon), "chat", "--name", "ann"];
    let mut ann = PtySession::with(&arguments, |command| {
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
fn bench_shows_progress_then_only_the_table() {
    let pty = PtySession::take(&["bench", "--duration", "200ms", "--only", "pipes"]);
    let rows = pty.see("round trips a second: one by one");
    assert!(rows.iter().all(|row| !row.ends_with('%')), "{rows:?}");
    let (status, bytes) = pty.end();
    assert!(status.success(), "{status}");
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("two pipes ") && text.contains('%'), "{text:?}");
}
