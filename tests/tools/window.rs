//! The chat window of the course on a virtual display.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::harness::program::{Program, command};
use crate::harness::{CHAT, Daemon, TIMEOUT};

/// A virtual display.
pub struct Display {
    _server: Program,
    name: String,
}

impl Display {
    pub fn new() -> Display {
        let mut server = Program::start(command(
            "Xvfb",
            ["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"],
        ));
        let name = format!(":{}", server.hear_line());
        Display { _server: server, name }
    }
}

/// A Python with tkinter: Debian's own, or the one in PATH.
fn python_with_windows() -> &'static str {
    let has_it = |python: &&str| {
        let imported = Command::new(python).args(["-c", "import tkinter"]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    let found = ["/usr/bin/python3", "python3"].into_iter().find(has_it);
    found.expect("no python3 has tkinter; this test needs it: apt-get install python3-tk")
}

/// The course's chat window.
pub struct Window(pub Program);

/// A window's contents: the items of its list, how many calls of recv() in its thread have succeeded, and whether the thread still
/// runs.
/// that still runs.
#[derive(Debug, PartialEq)]
pub struct Shown {
    pub items: Vec<String>,
    pub heard: String,
    pub turns: u64,
    pub receives: bool,
}

impl Window {
    pub fn open(display: &Display, daemon: &Daemon) -> Window {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/chat_window.py");
        let mut window = Command::new(python_with_windows());
        window.arg(script).arg(daemon.ip.to_string()).arg(CHAT.to_string()).env("DISPLAY", &display.name);
        Window(Program::start(window))
    }

    pub fn send(&mut self, text: &str) {
        self.0.say(&format!("type {text}\nsend\n"));
    }

    pub fn read(&mut self) -> Shown {
        let shown: Value = serde_json::from_str(&self.0.hear_line()).unwrap();
        let items = shown["items"].as_array().unwrap();
        let items: Vec<String> = items.iter().map(|item| item.as_str().unwrap().to_owned()).collect();
        Shown {
            heard: items.concat(),
            items,
            turns: shown["turns"].as_u64().unwrap(),
            receives: shown["receives"] == true,
        }
    }

    pub fn look(&mut self) -> Shown {
        self.0.say("dump\n");
        self.read()
    }

    /// Waits until its list has exactly this, in the pieces in which it was received. `None`: its thread has died, as it does if a
    /// recv() ends inside a character.
    /// died, as it does if one recv() ends within a character.
    #[track_caller]
    pub fn hear(&mut self, expected: &str) -> Option<Shown> {
        let mut last = String::new();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let shown = self.look();
            if shown.heard == expected {
                return Some(shown);
            }
            if !shown.receives {
                return None;
            }
            last.clone_from(&shown.heard);
            let hopeless = !expected.starts_with(&last) || Instant::now() > deadline;
            assert!(!hopeless, "expected {expected:?}, the window shows {last:?}; {}", self.0.errors());
        }
    }
}
