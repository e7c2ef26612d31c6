//! Common tools, and the course's own programs, each with a real daemon.

#[cfg(feature = "tls")]
mod acme;
#[cfg(feature = "tls")]
#[path = "../protocol/tls/hook.rs"]
mod acme_hook;
mod autobahn;
mod course;
mod course_window;
mod crowd;
mod foreign;
#[path = "../harness/mod.rs"]
mod harness;
mod metrics;
mod netcat;
#[cfg(feature = "page")]
mod page;
#[cfg(all(feature = "nats", feature = "tls"))]
mod rooms;
mod telnet;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
#[path = "../protocol/tls/client.rs"]
#[allow(dead_code)] // each test program uses a part
mod tls_client;
mod websockets;
mod window;

use std::process::Command;

use crate::harness::program::{Program, command};
use crate::harness::{Daemon, USUAL};

const CAVE: &str = "Greetings from the cave! Now type your name and press enter!\n";
const WORDS: &str = "Message received. Thank you for connecting\r\n";

fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// The usual services with a longer gap: even if the machine stops a tool for a moment, its end of input directly follows its last
/// bytes, and its second recv() is in time.
fn daemon() -> Daemon {
    daemon_with_gap("300ms")
}

fn daemon_with_gap(gap: &str) -> Daemon {
    Daemon::talkative(&format!("[limits]\nraw_gap = \"{gap}\"\n{USUAL}"))
}

// ---- the tools

fn nc(arguments: &[&str]) -> Command {
    let help = Program::run(command("nc", ["-h"]), "");
    assert!(help.errors.contains("OpenBSD"), "nc is another netcat; this test needs netcat-openbsd");
    command("nc", arguments)
}

/// Runs a tool that must succeed with this output.
#[track_caller]
fn exchange(tool: Command, input: &str, expected: &str) {
    let name = tool.get_program().to_owned();
    let finished = Program::run(tool, input);
    assert_eq!(finished.output, expected, "from {name:?} for {input:?}; it complains: {}", finished.errors);
    assert!(finished.status.success(), "{name:?}: {finished:?}");
}
