//! Every screen at three sizes: the usual one, a large one, and that of a small window.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::pty::{PtySession, mux, rows};
use crate::harness::{BESIDE, Client, Daemon, STATS, USUAL, wait_until};

const SIZES: [(u16, u16); 3] = [(24, 80), (40, 120), (10, 40)];

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}{BESIDE}"))
}

/// Leaves the screen, and checks that the terminal is as before.
fn leave(mut pty: PtySession, keys: &str) {
    pty.press(keys);
    let (status, _) = pty.end();
    assert!(status.success(), "{status}");
}

#[test]
fn chat_screen_fits_every_size() {
    let daemon = daemon();
    for (height, width) in SIZES {
        let pty = PtySession::sized(height, width, &["--to", &mux(&daemon), "chat", "--name", "ann"]);
        pty.see("you are in the room as ann");
        let mut bob = Client::member(&daemon, "bob");
        bob.say("a sentence that is broken at a space in a small window\n/msg ann psst\n");
        let shown = pty.see("[private] bob (to you): psst");
        let last = usize::from(height) - 1;
        assert!(shown[last].contains("F2: members | ") && shown[last].ends_with("/help"), "{shown:#?}");
        assert_eq!(shown[last - 1], ">");
        assert!(shown[last - 2].starts_with(" chat | ann | unix://"), "{shown:#?}");
        // The text is below its time, on as many rows as it needs.
        let at = shown.iter().position(|row| row.contains("bob: a sentence")).unwrap();
        assert_eq!(&shown[at][5..10], " bob:", "{shown:#?}");
        let is_broken = shown[at + 1].starts_with("      ");
        assert_eq!(is_broken, width < 80, "{shown:#?}");
        bob.say("{quit}\n");
        bob.hear_until_gone(); // so that its name is free
        leave(pty, "\x04");
        daemon.wait_for_log("joined as bob");
    }
    daemon.stop();
}

#[test]
fn talk_screen_fits_every_size() {
    let daemon = daemon();
    for (height, width) in SIZES {
        let mut pty = PtySession::sized(height, width, &["--to", &mux(&daemon), "talk"]);
        pty.see("your lines go to your");
        let mut other = daemon.unix();
        other.say("talk\nhello there\n");
        let shown = pty.see("partner: hello there");
        let last = usize::from(height) - 1;
        assert!(shown[last].ends_with("Ctrl-D: end the talk"), "{shown:#?}");
        assert!(shown[last - 2].starts_with(" talk | unix://"), "{shown:#?}");
        pty.press("bye\r");
        leave(pty, "");
        drop(other);
    }
    daemon.stop();
}

/// Whether a row begins with a time of day, `12:34:56`, and a space.
fn has_time(row: &str) -> bool {
    let form: String = row.chars().take(9).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form == "00:00:00 "
}

#[test]
fn watch_screen_fits_every_size() {
    let daemon = daemon();
    let to = mux(&daemon);
    for (height, width) in SIZES {
        let pty = PtySession::sized(height, width, &["--to", &to, "watch"]);
        pty.see("watch | all | ");
        let shown = pty.see("nothing has happened yet");
        assert!(shown[0].contains("nothing has happened yet"), "{shown:#?}");
        // The user's own tools are no clients. For a second they have time to show that they are tools.
        let begun = Instant::now();
        for arguments in [&["status"][..], &["class", "--once"], &["top", "--once"], &["say", "hello"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
            assert!(command.args(["--to", &to]).args(arguments).output().unwrap().status.success());
        }
        let mut client = daemon.tcp(crate::harness::MULTIPLY);
        let long = "1".repeat(150);
        client.say(format!("{long} 1\n3,14 2\n"));
        client.hear("Data received\n1.111111111111111e+149\nData received\nError: not a number: '3,14'\n");
        let shown = pty.wait_for("the last reply", |screen| {
            let last = rows(screen)[usize::from(height) - 3].clone();
            last.ends_with("'3,14''") && !last.contains("error reply")
        });
        let spent = begun.elapsed();
        let last = usize::from(height) - 1;
        assert!(shown[last].starts_with(" q: quit | p: pause | f: filter"), "{shown:#?}");
        assert_eq!(shown[last].ends_with("look back"), width >= 80, "{shown:#?}");
        assert!(shown[last - 1].starts_with(" watch | all | "), "{shown:#?}");
        assert!(shown[last - 1].ends_with('…') || shown[last - 1].contains("unix://"), "{shown:#?}");
        // An event is one row with its time, and a cut one shows that; only a hint continues, below its text.
        if width >= 80 {
            let at = |text: &str| shown.iter().position(|row| row.contains(text)).unwrap();
            let (begun, hint) = (at("message '1111"), at("hint:"));
            assert!(shown[begun..=hint].iter().all(|row| has_time(row)), "{shown:#?}");
            assert!(shown[begun].ends_with(if width == 80 { "111…" } else { "111…'" }), "{shown:#?}");
            let is_of_tool = |row: &String| row.contains("mux") || row.contains("stats");
            assert!(
                !shown.iter().any(is_of_tool) || spent >= Duration::from_secs(1),
                "{spent:?}: {shown:#?}"
            );
        }
        let is_row = |row: &String| row.is_empty() || has_time(row) || row.starts_with("         ");
        assert!(shown[..last - 1].iter().all(is_row), "{shown:#?}");
        leave(pty, "q");
        // The next screen must not show its end.
        client.half_close();
        client.hear_end();
    }
    daemon.stop();
}

#[test]
fn top_screen_fits_every_size_with_and_without_reports() {
    let daemon = daemon();
    let to = mux(&daemon);
    for (height, width) in SIZES {
        let pty = PtySession::sized(height, width, &["--to", &to, "top", "--every", "100ms"]);
        let shown = pty.see("no machine reports yet");
        assert!(shown[2].contains("ipcctl --to tcp://HOST:33001 report"), "{shown:#?}");
        leave(pty, "q");
    }
    let mut machines = daemon.tcp(STATS);
    for number in 0..60 {
        let name = format!("laboratory-{number:02}.example");
        machines.say(format!(
            "{{\"host\":\"{name}\",\"cpu_percent\":{number},\"getloadavg\":[{number},0,0],\"virtual_memory\":{{\"percent\":5}}}}\n"
        ));
        machines.hear("Data received\n");
    }
    for (height, width) in SIZES {
        let mut pty = PtySession::sized(height, width, &["--to", &to, "top", "--every", "100ms"]);
        let shown = pty.wait_for("all of them", |screen| {
            screen.contents().contains("60 machines, by host, 1 to ")
                && rows(screen)[1].starts_with("laboratory-")
        });
        let (heading, ninth) = (&shown[0], shown[1..].iter().take(8).next_back().unwrap());
        assert!(shown[usize::from(height) - 1].ends_with("q: quit"), "{shown:#?}");
        // Numbers end below the end of their headings.
        for (name, figure) in [("CPU", " 7.0%"), ("LOAD", " 7.00"), ("AGE", "s")] {
            let end = heading.find(name).unwrap_or_else(|| panic!("{name}: {heading}")) + name.len();
            let cell: String = ninth.chars().take(end).collect();
            assert!(cell.ends_with(figure), "{name}: {shown:#?}");
        }
        // A name is whole if there is room; otherwise the cut is visible.
        let name = ninth.split(' ').next().unwrap();
        assert_eq!(name, if width < 80 { "laboratory-…" } else { "laboratory-07.example" }, "{shown:#?}");
        assert_eq!((heading.contains("HISTORY"), heading.contains("MHZ")), (width >= 80, width >= 80));
        let room = usize::from(height) - 2;
        pty.press("\x1b[6~");
        let from = room.min(61 - room);
        pty.see(&format!("60 machines, by host, {from} to {} ", from + room - 1));
        pty.press("\x1b[F");
        pty.see(&format!(", {} to 60 ", 61 - room));
        pty.press("\x1b[5~\x1b[H");
        pty.see(&format!(", 1 to {room} "));
        leave(pty, "q");
    }
    daemon.stop();
}

#[test]
fn bench_rows_never_wrap_at_any_size() {
    for (height, width) in SIZES {
        let pty = PtySession::sized(height, width, &["bench", "--only", "pipes", "--count", "50"]);
        let figures =
            |screen: &vt100::Screen| rows(screen).iter().filter(|row| row.starts_with(" two pipes ")).count();
        // Two bars, and the kernel's queue, are left out if there is no room for them.
        let expected = if width < 80 { 1 } else { 4 };
        let shown = pty.wait_for("figures, two bars and what waits", |screen| figures(screen) == expected);
        let row = shown.iter().find(|row| row.starts_with(" two pipes ")).unwrap();
        assert!(row.ends_with(|c: char| c.is_ascii_digit()), "{shown:#?}");
        assert!(pty.end().0.success());
    }
}

#[test]
fn class_screen_and_traffic_of_a_row_fit_every_size() {
    let daemon = daemon();
    let to = mux(&daemon);
    let mut students = Vec::new();
    for last in 2..32 {
        let address = std::net::Ipv4Addr::new(127, 80, 0, last);
        let mut member = crate::harness::around::from(address, daemon.address(crate::harness::CHAT));
        member.say(format!("student {last}\n"));
        member.hear("Greetings from the cave! Now type your name and press enter!\nWelcome student");
        students.push(member);
    }
    let mut wrong =
        crate::harness::around::from([127, 80, 0, 20].into(), daemon.address(crate::harness::MULTIPLY));
    for (height, width) in SIZES {
        // Of several mistakes within 10 ms, the first is kept.
        wait_until("it is the last mistake", || {
            wrong.say("3,14 2\n");
            wrong.hear("Data received\nError: not a number: '3,14'\n");
            let mut once = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
            let output = once.args(["--to", &to, "class", "--once", "--json"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().contains("'3,14' is not a number here").then_some(())
        });
        let mut pty = PtySession::sized(height, width, &["--to", &to, "class", "--every", "100ms"]);
        // The first row is selected, and its whole hint is below.
        let shown = pty.wait_for("the whole hint", |screen| {
            let text: String = rows(screen)[4..].join(" ");
            text.contains("127.80.0.20: '3,14' is not") && text.contains("with a decimal point")
        });
        let last = usize::from(height) - 1;
        assert!(shown[last].contains(" 1 of 3") && shown[last].ends_with("q: quit"), "{shown:#?}");
        assert!(!shown[0].contains("HOST") && !shown[0].contains("CPU"), "no machine reports: {shown:#?}");
        // Rows with trouble are at the top, with the name and, at any width, the beginning of the correction.
        assert!(shown[0].starts_with("CLIENT") && shown[1].contains("127.80.0.20"), "{shown:#?}");
        assert!(shown[1].contains("student 20") && shown[1].contains("'3,14' is no"), "{shown:#?}");
        assert_eq!(
            (shown[0].contains("ERRORS"), shown[0].contains("ASKED")),
            (width >= 80, width >= 80),
            "{shown:#?}"
        );
        assert!(shown.iter().all(|row| row.chars().count() <= usize::from(width)), "{shown:#?}");
        pty.press("\r");
        let shown = pty.see(" watch | address=127.80.0.20");
        assert!(shown[0].contains("nothing has happened yet"), "{shown:#?}");
        assert!(shown[last].starts_with(" q: back"), "{shown:#?}");
        wrong.say("3,15 2\n");
        wrong.hear("Data received\nError: not a number: '3,15'\n");
        pty.wait_for("its traffic", |screen| screen.contents().contains("3,15"));
        pty.press("q");
        pty.see(" 1 of 3");
        pty.press("\x1b[F");
        let has_all = height == 40;
        pty.wait_for("the last row", |screen| has_all || screen.contents().contains("to 3"));
        leave(pty, "q");
    }
    daemon.stop();
}

#[test]
fn status_and_confirmations_fit_every_size() {
    let daemon = daemon();
    let to = mux(&daemon);
    let _member = Client::member(&daemon, "ann lee");
    let socket = daemon.socket();
    for (height, width) in SIZES {
        let pty = PtySession::sized(height, width, &["--to", &to, "status"]);
        pty.see("TURN UP TO"); // its last table
        let (status, bytes) = pty.end();
        assert!(status.success(), "{status}");
        let text = String::from_utf8(bytes).unwrap();
        let is_narrow = |line: &str| line.trim_end().chars().count() <= usize::from(width);
        assert!(text.lines().all(is_narrow), "{width}: {text}");
        assert!(text.contains("SERVICE") && text.contains("MESSAGES"), "{text}");
        assert_eq!(text.contains("A SECOND"), width >= 80, "{text}");
        assert!(text.contains("ann lee"), "{text}");
        // A path that is broken into lines is complete.
        let whole: String = text.split_whitespace().collect();
        let path = socket.to_str().unwrap();
        assert!(path.len() < 20 || whole.contains(&path[..20]), "{text}");
        let orders = [
            (&["reload"][..], "reloaded the configuration"),
            (&["report", "--once", "--host", "lab-1"], "reported lab-1"),
        ];
        for (order, said) in orders {
            let pty = PtySession::sized(height, width, &[&["--to", &to], order].concat());
            pty.see(said);
            assert!(pty.end().0.success());
        }
    }
    daemon.stop();
}

#[test]
fn passphrase_is_masked_at_every_size() {
    for (height, width) in SIZES {
        let daemon = Daemon::with(&USUAL.replace("[chat]\n", "[chat]\npassphrase = \"sesame\"\n"));
        let mut pty = PtySession::sized(height, width, &["--to", &mux(&daemon), "chat", "--name", "ann"]);
        pty.see("this room asks for a");
        pty.press("wrong");
        let shown = pty.see("> *****");
        assert!(!shown.concat().contains("wrong"), "{shown:#?}");
        pty.press("\r");
        pty.see("wrong passphrase");
        pty.press("sesame\r");
        let shown = pty.see("you are in the room as ann");
        assert!(!shown.concat().contains("sesame"), "{shown:#?}");
        leave(pty, "\x04");
        daemon.stop();
    }
}

#[test]
fn lost_daemon_and_the_next_try_fit_every_size() {
    for (height, width) in SIZES {
        let daemon = daemon();
        let to = mux(&daemon);
        let screens = [
            (&["chat", "--name", "ann"][..], "you are in the room as ann"),
            (&["watch"], "watch | all | "),
            (&["top"], "no machine reports yet"),
            (&["class"], "in trouble"),
        ];
        let screens = screens.map(|(arguments, first)| {
            let pty = PtySession::sized(height, width, &[&["--to", &to], arguments].concat());
            pty.see(first);
            pty
        });
        daemon.stop();
        for pty in screens {
            let shown = pty.see(" s, Enter: now");
            assert!(!shown.concat().contains("os error"), "{shown:#?}");
            if width >= 80 {
                pty.see("no daemon there; next try in ");
            }
            leave(pty, "\x03");
        }
    }
}
