//! `ipcctl watch` and `ipcctl top` on a real terminal: events appear as they happen, and one can scroll back; a daemon that is gone
//! is waited for.

mod sizes;

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::harness::interrupted::uninterrupted;
use crate::harness::pty::{PtySession, assert_no_control_sequences, count, mux, rows};
use crate::harness::{BESIDE, Client, Daemon, HELLO, MULTIPLY, STATS, TestDir, USUAL, not_http};
use rustix::process::Signal;

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}{BESIDE}"))
}

/// A watcher on a screen so wide that no event needs two rows.
fn watcher(daemon: &Daemon, prepare: impl FnOnce(&mut std::process::Command)) -> PtySession {
    let pty = PtySession::with(&["--to", &mux(daemon), "watch"], prepare);
    pty.see("watching: all");
    pty.resize(24, 160);
    pty.wait_for("the size", |screen| is_at(screen, 22, " watch | ") && is_at(screen, 23, " q: quit"));
    pty
}

/// Whether this row begins with this text.
fn is_at(screen: &vt100::Screen, row: usize, text: &str) -> bool {
    rows(screen)[row].starts_with(text)
}

/// A client that requests all these products once, and has the replies.
fn ask(daemon: &Daemon, numbers: std::ops::Range<u32>) -> Client {
    let mut client = daemon.tcp(MULTIPLY);
    for number in numbers {
        client.say(format!("{number} 1\n"));
        client.hear(format!("Data received\n{number}.0\n"));
    }
    client
}

/// The colour and the boldness of the first character of a text on the screen.
fn style_of(screen: &vt100::Screen, text: &str) -> Option<(vt100::Color, bool)> {
    let rows = rows(screen);
    let (y, row) = rows.iter().enumerate().find(|(_, row)| row.contains(text))?;
    let x = row[..row.find(text)?].chars().count();
    let cell = screen.cell(u16::try_from(y).unwrap(), u16::try_from(x).unwrap())?;
    Some((cell.fgcolor(), cell.bold()))
}

#[test]
fn hint_is_coloured_or_bold_with_a_word_without_colour() {
    let daemon = daemon();
    let place = mux(&daemon);
    let coloured = watcher(&daemon, |_| {});
    let plain = watcher(&daemon, |command| {
        command.env("NO_COLOR", "1");
    });
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    // It reads its input, because unread input would be another mistake.
    let mut browser = daemon.tcp(MULTIPLY);
    browser.say("GET / HTTP/1.1\r\n");
    browser.hear(not_http("multiply"));
    for pty in [&coloured, &plain] {
        pty.see("  message '5 10'");
        pty.see("  reply '50.0'");
        pty.see("  hint: it speaks HTTP, like a browser, but this is multiply: ");
        pty.see(", 1 hint | ");
        pty.see(&place);
    }
    let style = |pty: &PtySession, text: &str| {
        let shown = pty.shown.0.lock().unwrap();
        style_of(shown.parser.screen(), text).unwrap()
    };
    let default = (vt100::Color::Default, false);
    assert_eq!(style(&coloured, "hint: it speaks"), (vt100::Color::Idx(3), true));
    assert_eq!(style(&coloured, "message '5 10'"), default);
    assert_eq!(style(&plain, "hint: it speaks"), (vt100::Color::Default, true));
    let colours = |pty: &PtySession| {
        let shown = pty.shown.0.lock().unwrap();
        let cells = (0..24).flat_map(|row| (0..160).map(move |column| (row, column)));
        let is_coloured = |at: &(u16, u16)| {
            let cell = shown.parser.screen().cell(at.0, at.1).unwrap();
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        };
        cells.filter(is_coloured).count()
    };
    assert!(colours(&coloured) > 0 && colours(&plain) == 0);
    for (mut pty, key) in [(coloured, "q"), (plain, "\x03"), (watcher(&daemon, |_| {}), "\x04")] {
        pty.press(key);
        let (status, _) = pty.end();
        assert!(status.success(), "{key:?}: {status}");
    }
    daemon.stop();
}

#[test]
fn watch_prints_plain_or_coloured_lines_without_keys() {
    use std::os::unix::process::ExitStatusExt;
    let daemon = daemon();
    for is_dumb in [false, true] {
        let pty = PtySession::with(&["--to", &mux(&daemon), "watch"], |command| match is_dumb {
            true => _ = command.env("TERM", "dumb"),
            false => _ = command.stdin(std::process::Stdio::null()),
        });
        pty.see("ipcctl: Watching: all");
        daemon.tcp(MULTIPLY).say("3,14 2\n");
        // One line of text on two rows.
        let text = "  hint: '3,14' ";
        pty.see(text);
        let (style, is_screen) = {
            let shown = pty.shown.0.lock().unwrap();
            let screen = shown.parser.screen();
            (style_of(screen, text).unwrap(), screen.alternate_screen())
        };
        let colour = if is_dumb { vt100::Color::Default } else { vt100::Color::Idx(3) };
        assert_eq!((style, is_screen), ((colour, !is_dumb), false));
        pty.signal(Signal::TERM);
        let (status, bytes) = pty.end();
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
        assert_eq!(bytes.contains(&0x1b), !is_dumb);
    }
    daemon.stop();
}

#[test]
fn scrolled_back_view_keeps_its_place_at_any_size() {
    let daemon = daemon();
    let mut pty = watcher(&daemon, |_| {});
    let mut client = ask(&daemon, 0..60);
    pty.wait_for("the newest at the bottom", |screen| rows(screen)[21].ends_with("reply '59.0'"));
    pty.press("\x1b[5~");
    let before =
        pty.wait_for("a page further up", |screen| is_at(screen, 22, " watch | 21 more below | all"));
    client.say("77 1\n");
    client.hear("Data received\n77.0\n");
    let after = pty.wait_for("three more", |screen| is_at(screen, 22, " watch | 24 more below | all"));
    assert_eq!(before[..22], after[..22]);
    pty.press("\x1b[A");
    pty.wait_for("a row further up", |screen| {
        is_at(screen, 22, " watch | 25 more below |") && rows(screen)[1] == before[0]
    });
    pty.press("\x1b[B\x1b[6~");
    pty.see(" watch | 3 more below | all");
    pty.press("\x1b[F");
    pty.wait_for("the newest", |screen| {
        rows(screen)[21].ends_with("reply '77.0'") && is_at(screen, 22, " watch | all | ")
    });
    pty.press("\x1b[H");
    let first = pty.wait_for("the first", |screen| rows(screen)[0].ends_with("watching: all"));
    assert!(first[0].ends_with(" -- watching: all") && first[1].ends_with("  opened"), "{first:?}");
    let below: usize = first[22].split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((100..1000).contains(&below), "{first:?}");
    // With another size, the last visible line stays visible.
    let last = first[21].clone();
    pty.resize(12, 160);
    pty.wait_for("the same line at the bottom", |screen| {
        is_at(screen, 10, " watch | ") && rows(screen)[9] == last
    });
    for (height, width) in [(1, 3), (2, 1), (3, 40)] {
        pty.resize(height, width);
    }
    pty.press("\x1b[F");
    pty.resize(24, 160);
    pty.wait_for("the newest again", |screen| rows(screen)[21].ends_with("reply '77.0'"));
    pty.press("q");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn paused_top_stands_still_and_resumes_with_the_newest() {
    let daemon = daemon();
    let mut pty = watcher(&daemon, |_| {});
    let mut client = ask(&daemon, 1..2);
    pty.see("reply '1.0'");
    for (number, key) in [(2, "p"), (3, " ")] {
        pty.press(key);
        let before = pty.see(" watch | paused | all | ");
        client.say(format!("{number} 1\n"));
        client.hear(format!("Data received\n{number}.0\n"));
        let after = pty.see(" watch | paused | 3 more below | all");
        assert_eq!(before[..22], after[..22]);
        pty.press(key);
        pty.see(&format!("reply '{number}.0'"));
        pty.see(" watch | all | ");
    }
    pty.press("q");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn filter_is_edited_and_invalid_one_shows_the_daemons_error() {
    let daemon = daemon();
    let mut pty = watcher(&daemon, |_| {});
    pty.press("f");
    pty.see("filter>");
    pty.press("service=chess\r");
    pty.see(" unknown service: 'chess' (known: multiply, ");
    // Nothing has changed, and the typed text is still there.
    ask(&daemon, 1..2);
    pty.see("reply '1.0'");
    pty.press("/\x1b[A");
    pty.see("filter> service=chess");
    pty.see(" watch | all | ");
    pty.press("\x17service=hello peer=127.\r");
    pty.see("watching: service=hello peer=127.");
    pty.see(" watch | service=hello peer=127. | ");
    ask(&daemon, 2..3);
    daemon.tcp(HELLO).say("hi\n");
    let rows = pty.see("  message 'hi'");
    assert_eq!(count(&rows, "reply '2.0'"), 0, "{rows:?}");
    // It begins with the filter in use; Esc leaves it.
    pty.press("f");
    pty.see("filter> service=hello peer=127.");
    pty.press("\x1b");
    pty.see(" q: quit");
    pty.press("f\x15\r");
    pty.see(" watch | all | ");
    pty.press("q");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn watch_resumes_with_its_filter_after_a_restart() {
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("ipcd.sock");
    let config = format!(
        "[mux]\nlisten = [\"unix://{}\"]\n[hello]\nlisten = [\"tcp://{{ip}}:{HELLO}\"]\n",
        path.display()
    );
    let test_dir = TestDir::new();
    let second = TestDir { directory: tempfile::tempdir().unwrap(), ip: test_dir.ip };
    let start = |test_dir: TestDir| test_dir.serve(&config);
    let daemon = start(test_dir);
    let to = format!("unix://{}", path.display());
    let mut pty = PtySession::take(&["--to", &to, "watch", "--service", "hello"]);
    pty.see("watching: service=hello");
    daemon.stop();
    pty.see("-- the connection ended; trying again until the daemon is back");
    pty.see(" watch | not connected: ");
    pty.press("fpeer=x\r");
    pty.see(" not connected: your filter waits here");
    pty.press("\x1b");
    let daemon = start(second);
    pty.see("the daemon is back; watching: service=hello");
    pty.see(" watch | service=hello | 0 events");
    pty.see_once("trying again");
    daemon.tcp(HELLO).say("hi\n");
    pty.see("message 'hi'");
    pty.press("q");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn slow_watcher_learns_how_many_events_it_missed() {
    let daemon = daemon();
    let mut pty = watcher(&daemon, |_| {});
    pty.signal(Signal::STOP);
    let mut client = daemon.tcp(MULTIPLY);
    for _ in 0..100 {
        client.say("5 10\n".repeat(500));
        client.hear("Data received\n50.0\n".repeat(500));
    }
    pty.signal(Signal::CONT);
    pty.see(" | missed ");
    client.say("6 7\n");
    pty.see("reply '42.0'");
    pty.press("q");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn watched_text_cannot_control_the_terminal() {
    let hostile = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", hostile.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = hostile.accept().unwrap();
        let orders = "\\u001b]0;owned\\u0007\\u001b[31mred\\u001bc\\u009b5m\\u202eend\x1b[2J";
        let lines = format!(
            "{{\"event\":\"watching\",\"time\":1,\"text\":\"{orders}\"}}\n\
             {{\"event\":\"{orders}\",\"endpoint\":\"{orders}\",\"peer\":\"{orders}\",\"text\":\"{orders}\"}}\n\
             Error: \x1b[2J{orders}\n"
        );
        // A server that sends first is taken for a service that greets.
        assert_ne!(uninterrupted(|| stream.read(&mut [0; 64])).unwrap(), 0);
        stream.write_all(lines.as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut pty = PtySession::take(&["--to", &to, "watch"]);
    pty.see("]0;owned[31mredc5mend[2J");
    pty.press("q");
    let (status, bytes) = pty.end();
    assert!(status.success());
    assert_no_control_sequences(&bytes);
    server.join().unwrap();
}

#[test]
fn top_sorts_machines_and_follows_the_terminal_size() {
    let daemon = Daemon::usual();
    let mut machines = daemon.unix();
    machines.say("stats\n{\"host\":\"calm\",\"cpu_percent\":5}\n{\"host\":\"wild\",\"cpu_percent\":100}\n");
    machines.hear("Data received\nData received\n");
    let mut top = PtySession::take(&["--to", &mux(&daemon), "top", "--every", "100ms"]);
    let first = top.see("2 machines, by host");
    assert!(first[0].starts_with("HOST") && first[1].starts_with("calm"), "{first:?}");
    assert!(first[2].starts_with("wild") && first[2].contains("100.0% ##########"), "{first:?}");
    top.press("s");
    top.wait_for("the busiest first", |screen| rows_of(screen, "by cpu", "wild"));
    machines.say("{\"host\":\"new one\"}\n");
    top.see("3 machines");
    // There is room for all rows: none goes out of sight.
    top.press("jjjs");
    top.wait_for("the first in its place", |screen| rows_of(screen, "by memory", "calm"));
    top.resize(4, 100);
    top.wait_for("room for two", |screen| rows(screen)[3].contains("3 machines"));
    top.press("jjj");
    top.wait_for("the last two", |screen| rows_of(screen, "by memory", "new one"));
    top.press("k");
    top.wait_for("one back", |screen| rows_of(screen, "by memory", "calm"));
    top.press("j");
    top.wait_for("the last two again", |screen| rows_of(screen, "by memory", "new one"));
    top.resize(10, 100);
    top.wait_for("all of them", |screen| {
        rows_of(screen, "by memory", "calm") && rows(screen)[9].contains("3 machines")
    });
    top.press("q");
    let (status, _) = top.end();
    assert!(status.success(), "{status}");
    daemon.stop();
}

/// The age of the first machine's report, in seconds.
fn age(screen: &vt100::Screen) -> Option<u64> {
    rows(screen)[1].rsplit(' ').next()?.strip_suffix('s')?.parse().ok()
}

/// Whether the screen has this status below and this machine first.
fn rows_of(screen: &vt100::Screen, status: &str, first: &str) -> bool {
    let rows = rows(screen);
    count(&rows, status) == 1 && rows[1].starts_with(first)
}

#[test]
fn curve_starts_with_the_history_and_grows_with_reports() {
    let daemon = daemon();
    let mut machine = daemon.tcp(STATS);
    let mut report = |percent: u32| {
        machine.say(format!("{{\"host\":\"pc 7\",\"cpu_percent\":{percent}}}\n"));
        machine.hear("Data received\n");
    };
    [0, 50, 100].into_iter().for_each(&mut report);
    let mut top = PtySession::take(&["--to", &mux(&daemon), "top", "--every", "100ms"]);
    let is_curve = |curve: &str| format!(" {curve} ");
    top.see(&is_curve("▁▅█"));
    // Looking at the screen does not make the interval longer.
    top.wait_for("a second later", |screen| age(screen) >= Some(1));
    top.see(&is_curve("▁▅█"));
    report(30);
    top.see(&is_curve("▁▅█▃"));
    top.press("q");
    assert!(top.end().0.success());
    daemon.stop();
}

#[test]
fn top_resumes_after_the_daemon_returns() {
    let daemon = daemon();
    let to = format!("tcp://{}:{STATS}", daemon.ip);
    daemon.tcp(STATS).say("{\"host\":\"before\",\"cpu_percent\":5}\n");
    let mut top = PtySession::take(&["--to", &to, "top", "--every", "100ms"]);
    top.see("1 machine, by host");
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: daemon.ip };
    test_dir.write_config(&format!("{USUAL}{BESIDE}"));
    daemon.stop();
    top.see("no daemon there; next try in ");
    top.see(" s, Enter: now | 1 machine, by host");
    // Known reports stay on the screen, and their age grows.
    top.wait_for("it is older", |screen| rows(screen)[1].starts_with("before") && age(screen) >= Some(2));
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    top.see("the daemon is back | 0 machines, by host");
    daemon.tcp(STATS).say("{\"host\":\"after\",\"cpu_percent\":5}\n");
    top.see("the daemon is back | 1 machine, by host");
    top.see("after ");
    top.press("s");
    top.wait_for("the note is read", |screen| is_at(screen, 23, "1 machine, by cpu"));
    top.press("q");
    assert!(top.end().0.success());
    daemon.stop();
}

#[test]
fn reconnecting_clients_do_not_delay_the_daemons_stop() {
    // Longer than any test waits.
    let slow = "[limits]\nlinger_timeout = \"10min\"\nshutdown_grace = \"10min\"\n";
    let daemon = Daemon::with(&format!("{slow}{USUAL}{BESIDE}"));
    let place = mux(&daemon);
    let pty = |arguments: &[&str]| PtySession::take(&[&["--to", &place], arguments].concat());
    let [chat, talk, watch, top] = [&["chat", "--name", "ann"][..], &["talk"], &["watch"], &["top"]].map(pty);
    chat.see("you are in the room as ann");
    talk.see("your lines go to your partner");
    watch.see("watch | all | "); // its beginning may scroll away while the other screens work
    top.see("0 machines");
    daemon.stop();
    for mut pty in [chat, talk, watch, top] {
        pty.press("\x03");
        assert!(pty.end().0.success());
    }
}
