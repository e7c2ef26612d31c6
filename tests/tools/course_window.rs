//! The course's chat window joins, talks, leaves, and notices the end of the daemon.

use rustix::process::Signal;

use crate::harness::program::Program;
use crate::harness::{CHAT, Daemon, USUAL, wait_until};
use crate::window::{Display, Window};
use crate::{CAVE, daemon, nc, welcome};

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_joins_talks_with_a_terminal_and_leaves() {
    let daemon = daemon();
    let display = Display::new();
    let mut bob = Program::start(nc(&[&daemon.ip.to_string(), &CHAT.to_string()]));
    bob.say("bob\n");
    bob.hear(&format!("{CAVE}{}\n", welcome("bob")));

    let mut window = Window::open(&display, &daemon);
    window.hear(CAVE).expect("its thread lives");
    window.send("alice");
    bob.hear("alice has joined the chat!\n");
    let mut all = format!("{CAVE}{}", welcome("alice"));
    window.hear(&all).expect("its thread lives");
    bob.say("hello alice\n");
    bob.hear("bob: hello alice\n");
    all.push_str("bob: hello alice");
    window.hear(&all).expect("its thread lives");
    window.send("hello bob");
    bob.hear("alice: hello bob\n");
    all.push_str("alice: hello bob");
    let shown = window.hear(&all).expect("its thread lives");
    assert!(shown.receives && shown.turns <= 4, "{shown:?}");

    window.send("{quit}");
    bob.hear("alice has left the chat.\n");
    // The window is gone, and so is its thread, which found the socket closed.
    let last = window.read();
    assert!(!last.receives && last.turns <= 5, "{last:?}");
    window.0.finish();
    bob.say("/who\n");
    bob.hear("In the room: bob (1)\n");
    daemon.stop();
}

/// When the daemon ends, the window gets a message, and its thread ends too.
#[track_caller]
fn assert_parted(mut daemon: Daemon, window: &mut Window, before: &str) {
    daemon.signal(Signal::TERM);
    let last = wait_until("the window's thread ends", || {
        let shown = window.look();
        assert!(shown.turns <= 4, "it spins: {shown:?}");
        (!shown.receives).then_some(shown)
    });
    let words = last.heard.strip_prefix(before).unwrap_or_else(|| panic!("{last:?}"));
    assert_eq!(words.trim_end(), "Server is shutting down.");
    assert!(daemon.wait().success());
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_notices_the_daemons_end_and_never_spins() {
    let daemon = daemon();
    let display = Display::new();
    let mut window = Window::open(&display, &daemon);
    window.hear(CAVE).expect("its thread lives");
    window.send("alice");
    let before = format!("{CAVE}{}", welcome("alice"));
    window.hear(&before).expect("its thread lives");
    assert_parted(daemon, &mut window, &before);
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_without_a_name_never_spins() {
    let daemon = daemon();
    let display = Display::new();
    let mut window = Window::open(&display, &daemon);
    window.hear(CAVE).expect("its thread lives");
    assert_parted(daemon, &mut window, CAVE);

    let daemon = Daemon::with(&USUAL.replace("[mux]", "name_timeout = \"1s\"\n[mux]"));
    let mut window = Window::open(&display, &daemon);
    let last = wait_until("the window's thread ends", || {
        let shown = window.look();
        assert!(shown.turns <= 4, "it spins: {shown:?}");
        (!shown.receives).then_some(shown)
    });
    assert_eq!(last.heard, format!("{CAVE}Error: no name for 1 s\n"));
    daemon.stop();
}
