//! The client in WebSockets on the page's endpoints.

use super::text;
use crate::harness::program::{Finished, Program, command};
use crate::harness::{Daemon, USUAL};

const PAGE: &str = "[stats]\nlisten = [\"tcp://{ip}:33001\"]\n[hello]\nlisten = [\"tcp://{ip}:8080\"]\n\
     [page]\nlisten = [\"http://{ip}:33080\", \"http+unix://{dir}/page.sock\"]\n";

fn ipcctl(to: &str, arguments: &[&str], input: &str) -> Finished {
    let mut client = command(env!("CARGO_BIN_EXE_ipcctl"), ["--to", to]);
    client.args(arguments);
    Program::run(client, input)
}

#[test]
fn every_service_for_everybody_is_reached_in_a_websocket() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    let endpoints = [
        format!("ws://{}:33080", daemon.ip),
        format!("http://{}:33080", daemon.ip),
        format!("http+unix://{}/page.sock", daemon.directory.path().display()),
    ];
    let many: String = (0..500).map(|number| format!("{number} 2\n")).collect();
    let products: String = (0..500).map(|number| format!("{}.0\n", number * 2)).collect();
    let long = "x".repeat(4000);
    for to in &endpoints {
        for (arguments, input, output) in [
            (&["multiply", "5", "10"][..], "", "50.0\n"),
            (&["multiply", "-"], &many, &products),
            (&["greeting"], "", ""),
            (&["hello"], "", "Hello from server"),
            (
                &["chat", "--name", "cron"],
                &format!("hi\n{long}\nho\n"),
                &format!("cron: hi\ncron: {long}\ncron: ho\n"),
            ),
            (&["top", "--once", "--json"], "", "[]\n"),
        ] {
            let finished = ipcctl(to, arguments, input);
            assert!(
                finished.status.success() && finished.errors.is_empty(),
                "{to} {arguments:?}: {finished:?}"
            );
            let is_right = finished.output.starts_with(output) && !finished.output.is_empty();
            assert!(is_right, "{to} {arguments:?}: {finished:?}");
        }
        let finished = ipcctl(to, &["multiply", "5", "x"], "");
        let told = (finished.status.code(), finished.errors.as_str());
        assert_eq!(told, (Some(1), "ipcctl: not a number: 'x'\n"), "{to}");
    }
    daemon.stop();
}

#[test]
fn refused_websocket_is_an_error_that_says_why() {
    let config = USUAL.replace("[multiply]\n", "[multiply]\nmax_connections = 1\n");
    let daemon = Daemon::with(&format!("{config}{PAGE}"));
    let mut held = daemon.tcp(65432);
    held.say("1 1\n");
    held.hear("Data received\n1.0\n");
    let web = format!("ws://{}:33080", daemon.ip);
    for (to, arguments, words) in [
        (&web, &["multiply", "5", "10"][..], "too many connections"),
        (&web, &["status"], "wrong token"),
        (&web, &["bench"], "bench does not measure WebSockets"),
        (&web, &["reload"], "only the daemon's Unix socket takes orders"),
        (&format!("ws://{}:33000", daemon.ip), &["multiply", "5", "10"], "does not speak HTTP/1.1"),
        (&format!("ws://{}:33001", daemon.ip), &["multiply", "5", "10"], "this port speaks stats, not HTTP"),
        (&format!("ws://{}:33082", daemon.ip), &["multiply", "5", "10"], "no ipcd at http://"),
    ] {
        let finished = ipcctl(to, arguments, "");
        assert!(
            !finished.status.success() && finished.errors.contains(words),
            "{to} {arguments:?}: {finished:?}"
        );
        assert_eq!(text(finished.output.as_bytes()), "", "{to} {arguments:?}");
    }
    daemon.stop();
}
