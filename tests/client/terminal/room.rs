//! The room's screen: names, private messages, Tab and F2, and what it shows while the daemon is gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::pty::{PtySession, mux, rows};
use crate::harness::{BESIDE, Client, Daemon, MULTIPLY, STATS, USUAL};

/// The look of a text's first character: its colour, and whether it is bold or italic.
fn style_of(pty: &PtySession, text: &str) -> (vt100::Color, bool, bool) {
    let shown = pty.shown.0.lock().unwrap();
    let screen = shown.parser.screen();
    let rows = rows(screen);
    let (y, row) = rows.iter().enumerate().find(|(_, row)| row.contains(text)).unwrap();
    let x = row[..row.find(text).unwrap()].chars().count();
    let cell = screen.cell(u16::try_from(y).unwrap(), u16::try_from(x).unwrap()).unwrap();
    (cell.fgcolor(), cell.bold(), cell.italic())
}

#[test]
fn room_replies_have_no_speaker_and_private_lines_look_private() {
    let daemon = Daemon::usual();
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    let mut bob = Client::member(&daemon, "bob");
    bob.say("aloud\n/msg ann psst\n/me waves: twice\n");
    ann.press("/help\r/who\r");
    ann.see("* bob waves: twice");
    ann.see("[private] bob (to you): psst");
    ann.see("Commands: /help, ");
    ann.see("In the room: ann, bob (2)");
    let plain = vt100::Color::Default;
    assert!(style_of(&ann, "bob: aloud").1, "a name is bold");
    assert_eq!(style_of(&ann, "Commands: "), (plain, false, false));
    assert_eq!(style_of(&ann, "In the room: "), (plain, false, false));
    assert_eq!(style_of(&ann, "* bob waves"), (plain, false, true));
    assert_eq!(style_of(&ann, "[private] "), (vt100::Color::Idx(5), false, true));
    // A time of day precedes each message, and the second row is aligned with the text.
    bob.say(format!("{} end\n", "x".repeat(66)));
    let shown = ann.see("end");
    let at = shown.iter().position(|row| row.trim_start().starts_with("end")).unwrap();
    let is_time = |text: &str| {
        text.len() == 6
            && text.bytes().enumerate().all(|(at, byte)| match at {
                2 => byte == b':',
                5 => byte == b' ',
                _ => byte.is_ascii_digit(),
            })
    };
    assert!(shown[at].starts_with("      end") && is_time(&shown[at - 1][..6]), "{shown:?}");
    ann.press("\x03");
    assert!(ann.end().0.success());
    daemon.stop();
}

#[test]
fn tab_completes_commands_and_names_and_f2_lists_members() {
    let daemon = Daemon::usual();
    let _earlier: Vec<Client> = ["Bob Miller", "cay"].map(|name| Client::member(&daemon, name)).into();
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    ann.press("/ms\t");
    ann.see_typed("/msg ", 5);
    // The list of members that it requests for itself is not shown, and known the next time.
    ann.press("bo");
    ann.wait_for("the name is known", |screen| {
        screen.contents().contains("> /msg Bob Miller") || {
            rustix::io::write(ann.master(), b"\t").unwrap();
            std::thread::yield_now();
            false
        }
    });
    ann.press("\x15\x1bOQ");
    let shown = ann.see("| members (3)");
    let names: Vec<&str> = shown[1..4].iter().map(|row| row.split("| ").last().unwrap()).collect();
    assert_eq!(names, ["Bob Miller", "ann", "cay"]);
    assert!(shown.iter().all(|row| !row.contains("In the room: ")), "{shown:?}");
    let dan = Client::member(&daemon, "dan");
    ann.see("| members (4)");
    drop(dan);
    ann.see("dan has left the chat.");
    ann.see("| members (3)");
    ann.press("\x1bOQ");
    ann.wait_for("the panel is gone", |screen| !screen.contents().contains("| members"));
    ann.press("c\thi\r");
    ann.see("ann: cay: hi");
    ann.press("\x03");
    assert!(ann.end().0.success());
    daemon.stop();
}

#[test]
fn enter_reconnects_a_lost_room_at_once() {
    let hostile = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", hostile.local_addr().unwrap());
    let (sender, tried) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in hostile.incoming() {
            let stream = stream.unwrap();
            let mut name = String::new();
            let _ = BufReader::new(&stream).read_line(&mut name);
            if sender.send(std::time::Instant::now()).is_err() {
                return;
            }
            // Joined and gone at once; each pause is twice as long as the last.
            let _ = (&stream).write_all(b"Welcome ann! If you ever want to quit, type {quit} to exit.\n");
        }
    });
    let mut ann = PtySession::take(&["--to", &to, "chat", "--name", "ann"]);
    tried.recv().unwrap();
    ann.see("not connected: the connection ended; next try in 1 s, Enter: now");
    ann.press("\r");
    tried.recv().unwrap();
    ann.press("\x03");
    assert!(ann.end().0.success());
}

#[test]
fn wrong_port_ends_chat_with_the_service_found_there() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    for (port, found) in [(MULTIPLY, "multiply"), (STATS, "stats")] {
        let to = format!("tcp://{}:{port}", daemon.ip);
        let pty = PtySession::take(&["--to", &to, "chat", "--name", "ann"]);
        pty.see(&format!("{to}: this is {found}, not chat"));
        assert_eq!(pty.end().0.code(), Some(1));
    }
    daemon.stop();
}

#[test]
fn invalid_room_name_leaves_the_screen_intact() {
    let hostile = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", hostile.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = hostile.accept().unwrap();
        // Drawn shorter than they are sent.
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        let lines = format!(
            "Welcome ann! If you ever want to quit, type {{quit}} to exit.\n{family}: hi\n{family} (to you): hi\n\u{2764}\u{fe0f}: love\nIn the room: {family}, b\n"
        );
        stream.write_all(lines.as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut ann = PtySession::take(&["--to", &to, "chat", "--name", "ann"]);
    ann.see(": love");
    ann.press("\x1bOQ");
    ann.see("| members (");
    ann.press("\x03");
    assert!(ann.end().0.success());
    server.join().unwrap();
}

#[test]
fn unknown_room_server_gets_one_query_and_no_key() {
    let room = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", room.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (stream, _) = room.accept().unwrap();
        let mut heard = BufReader::new(&stream);
        let mut line = || {
            let mut line = String::new();
            heard.read_line(&mut line).unwrap();
            line
        };
        let name = line();
        let welcome =
            "Welcome ann! If you ever want to quit, type {quit} to exit.\nann has joined the chat!\n";
        (&stream).write_all(welcome.as_bytes()).unwrap();
        [name, line(), line(), line()]
    });
    let mut ann = PtySession::take(&["--to", &to, "chat", "--name", "ann"]);
    ann.see("you are in the room as ann");
    // No name begins like this, which would make ipcctl request the list of members again.
    ann.press("x\thi\r");
    ann.press("there\r");
    assert_eq!(server.join().unwrap(), ["ann\n", "/who\n", "xhi\n", "there\n"]);
    ann.see("the connection ended");
    ann.press("\x03");
    assert!(ann.end().0.success());
}

#[test]
fn removed_member_stays_out_until_enter_and_sees_no_line_twice() {
    let daemon = Daemon::with(
        "[chat]\nlisten = [\"tcp://{ip}:33000\"]\nhistory = 10\n[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n",
    );
    let mut bob = Client::member(&daemon, "bob");
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    bob.say("before\n/me waves\n");
    ann.see("* bob waves");
    ann.press("mine\r");
    ann.see("ann: mine");
    let kick = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(["--to", &mux(&daemon), "kick", "ann"]);
        assert!(command.output().unwrap().status.success());
    };
    kick();
    ann.see("you were removed from the room; press Enter to join again");
    ann.see("you were removed from the room; Enter: join again");
    bob.say("meanwhile\n");
    // A lost connection is tried again after half a second; ann stays out.
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        let shown = ann.see("Enter: join again");
        assert!(!shown.iter().any(|row| row.contains("bob: meanwhile")), "{shown:?}");
    }
    ann.press("\r");
    ann.see("bob: meanwhile");
    bob.say("after\n");
    let shown = ann.see("bob: after");
    for line in ["bob: before", "* bob waves", "ann: mine", "bob: meanwhile", "bob: after"] {
        assert_eq!(shown.iter().filter(|row| row.contains(line)).count(), 1, "{line}: {shown:?}");
    }
    ann.press("\x03");
    assert!(ann.end().0.success());
    daemon.stop();
}
