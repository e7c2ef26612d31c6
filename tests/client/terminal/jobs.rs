//! Job control: while a screen is stopped, the terminal belongs to the shell, and when it continues, to the screen. If its window
//! is closed, a screen ends without a message.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::pty::{PtySession, mux, rows, terminal};
use crate::harness::{BESIDE, Daemon, USUAL, wait_until};

/// A process's name and state, from /proc/PID/stat: T is stopped.
fn stat(pid: i32) -> Option<(String, char)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.rsplit_once(") ")?;
    Some((name.split_once('(')?.1.to_owned(), rest.chars().next()?))
}

/// Whether the shell has its own screen, and waits for a line.
fn is_at_prompt(screen: &vt100::Screen) -> bool {
    let row = usize::from(screen.cursor_position().0);
    !screen.alternate_screen() && !screen.hide_cursor() && rows(screen)[row] == "ready$"
}

/// The ipcctl that a shell has started.
fn job_of(shell: i32) -> i32 {
    wait_until("ipcctl runs", || {
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        let mut pids = children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
        pids.find(|pid| stat(*pid).is_some_and(|(name, _)| name == "ipcctl"))
    })
}

/// A screen, with keys that change it at once: so the test knows that it reads the keyboard, in raw mode. Returns the screen
/// afterwards.
struct View {
    command: &'static str,
    first: &'static str,
    keys: &'static str,
    then: &'static str,
    undo: &'static str,
}

const VIEWS: [View; 3] = [
    View {
        command: "chat --name ann",
        first: "you are in the room as ann",
        keys: "abc",
        then: "> abc",
        undo: "\x15",
    },
    View { command: "watch", first: "q: quit", keys: "p", then: "| paused |", undo: "p" },
    View { command: "top", first: "by host", keys: "s", then: "by cpu", undo: "ssss" },
];

#[test]
fn stopped_screen_is_redrawn_however_it_was_stopped() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    for shell in [&["bash", "--norc", "--noprofile", "-i"][..], &["dash", "-i"]] {
        for View { command, first, keys, then, undo } in VIEWS {
            let mut pty = PtySession::shell(shell);
            pty.see("ready$");
            pty.press(&format!("ipcctl --to {} {command}\n", mux(&daemon)));
            pty.see(first);
            let job = job_of(pty.pid());
            for stop in [None, Some(Signal::STOP), Some(Signal::TSTP), None] {
                match stop {
                    // After Ctrl-Z the shell has the whole terminal again.
                    None => {
                        pty.press("\x1a");
                        pty.wait_for("the shell's prompt", is_at_prompt);
                    }
                    Some(signal) => kill_process(Pid::from_raw(job).unwrap(), signal).unwrap(),
                }
                wait_until("it is stopped", || stat(job).filter(|(_, state)| *state == 'T'));
                // The shell answers; if it can, it has restored the terminal's settings.
                pty.press("echo st\"\"ill here\n");
                pty.see("still here");
                pty.press("fg\n");
                pty.wait_for("the screen again", |screen| {
                    screen.alternate_screen()
                        && screen.contents().contains(if command == "top" {
                            "no machine reports yet"
                        } else {
                            first
                        })
                        && !screen.contents().contains("still here")
                });
                pty.press(keys);
                pty.see(then);
                pty.press(undo);
                pty.wait_for("it is undone", |screen| !screen.contents().contains(then));
            }
            pty.press("\x03");
            pty.wait_for("the shell again", is_at_prompt);
            pty.press("exit\n");
            let (status, _) = pty.end();
            assert!(status.success(), "{shell:?} {command}: {status}");
        }
    }
    daemon.stop();
}

#[test]
fn background_screen_waits_for_the_terminal() {
    let daemon = Daemon::usual();
    let mut pty = PtySession::shell(&["bash", "--norc", "--noprofile", "-i"]);
    pty.see("ready$");
    pty.press(&format!("ipcctl --to {} chat --name ann\n", mux(&daemon)));
    pty.see("you are in the room as ann");
    let job = job_of(pty.pid());
    pty.press("\x1a");
    pty.see("Stopped");
    pty.wait_for("the shell's prompt", is_at_prompt);
    wait_until("it is stopped", || stat(job).filter(|(_, state)| *state == 'T'));
    pty.press("bg\n");
    pty.wait_for("the job in the background", |screen| screen.contents().contains("ann &"));
    // It is continued in the background, and is stopped again when it draws. The shell notices that a little later; until then, its
    // `fg` would not continue the job.
    pty.press("until jobs | grep -q Stopped; do :; done; echo st\"\"opped again\n");
    pty.see("stopped again");
    pty.wait_for("the shell's prompt", is_at_prompt);
    pty.wait_for("the shell's screen", |screen| !screen.alternate_screen());
    pty.press("fg\n");
    pty.see("you are in the room as ann");
    pty.press("abc");
    pty.see_typed("abc", 3);
    pty.press("\x03");
    pty.wait_for("the shell again", is_at_prompt);
    pty.press("exit\n");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn ctrl_z_is_ignored_without_a_job_control_shell() {
    let daemon = Daemon::usual();
    // As in a window that was opened for this program alone.
    let mut pty = PtySession::session(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    pty.see("you are in the room as ann");
    pty.press("a\x1ab");
    pty.see_typed("ab", 2);
    pty.press("\x03");
    assert!(pty.end().0.success());
    daemon.stop();
}

#[test]
fn closed_window_ends_the_screen_without_a_panic() {
    let daemon = Daemon::with(&format!("{USUAL}{BESIDE}"));
    for View { command, first, .. } in VIEWS {
        for has_session in [false, true] {
            let (mut master, slave) = terminal();
            let end = || slave.try_clone().unwrap();
            let mut outer = Command::new(if has_session { "setsid" } else { "env" });
            if has_session {
                outer.arg("--ctty");
            }
            outer.arg(env!("CARGO_BIN_EXE_ipcctl")).args(["--to", &mux(&daemon)]).args(command.split(' '));
            let mut child =
                outer.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
            drop((outer, slave));
            let mut shown = Vec::new();
            while !String::from_utf8_lossy(&shown).contains(first) {
                let mut buffer = [0; 4096];
                let count = master.read(&mut buffer).unwrap();
                shown.extend_from_slice(&buffer[..count]);
            }
            drop(master);
            let status = wait_until("ipcctl ends", || child.try_wait().unwrap());
            let is_clean = status.code() == Some(1) || status.signal() == Some(Signal::HUP.as_raw());
            assert!(is_clean, "{command}, session {has_session}: {status}");
        }
    }
    daemon.stop();
}

#[test]
fn pasted_lines_join_with_spaces_and_the_wheel_scrolls() {
    let daemon = Daemon::usual();
    let mut ann = PtySession::take(&["--to", &mux(&daemon), "chat", "--name", "ann"]);
    ann.see("you are in the room");
    // In the form in which xterm, VTE and Windows send them.
    ann.press("\x1b[200~one\rtwo\r\nthree\nfour\x1b[201~");
    ann.see_typed("one two three four", 18);
    ann.press("\x15");
    let mut bob = crate::harness::Client::member(&daemon, "bob");
    (0..60).for_each(|number| bob.say(format!("line {number}\n")));
    ann.see("bob: line 59");
    ann.press("\x1b[<64;10;5M\x1b[<64;10;5M");
    ann.see("| 6 more below");
    ann.press("\x1b[<65;10;5M");
    ann.see("| 3 more below");
    // Mouse events are not taken for typed text.
    ann.press("\x1b[<0;10;5M\x1b[<0;10;5m\x1b[<35;11;5Mx");
    ann.see_typed("x", 1);
    ann.press("\x03");
    assert!(ann.end().0.success());
    daemon.stop();
}
