//! While nobody asks for anything, nothing wakes the daemon: it has no timer that only looks around.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, MULTIPLY, wait_until};

/// How long nothing must happen: many times longer than the daemon's short deadlines (`raw_gap`, the rest of a message), and
/// far shorter than those of idle clients, which wake it rightly.
const SILENCE: Duration = Duration::from_secs(3);

/// How often the daemon's threads have gone to sleep: each time follows something that woke them.
fn sleeps(daemon: &Daemon) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let counts = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        count.trim().parse::<u64>().unwrap()
    });
    counts.sum()
}

/// Waits until what has happened so far has no consequences any more, and then counts.
fn wake_ups(daemon: &Daemon) -> u64 {
    let (mut last, mut since) = (sleeps(daemon), Instant::now());
    wait_until("the daemon sleeps for half a second", || {
        let now = sleeps(daemon);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() >= Duration::from_millis(500)).then_some(())
    });
    sleep(SILENCE);
    sleeps(daemon) - last
}

#[test]
fn daemon_without_clients_is_never_woken() {
    let daemon = Daemon::usual();
    daemon.wait_for_log("is ready");
    assert_eq!(wake_ups(&daemon), 0);
}

#[test]
fn daemon_with_silent_clients_and_members_is_never_woken() {
    let daemon = Daemon::usual();
    let members: Vec<Client> = (0..50).map(|nth| Client::member(&daemon, &format!("m{nth}"))).collect();
    let mut clients: Vec<Client> = (0..50).map(|_| daemon.tcp(MULTIPLY)).collect();
    for client in &mut clients {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }
    assert_eq!(wake_ups(&daemon), 0);
    // The measure sees a client that does ask.
    let before = sleeps(&daemon);
    clients[0].say("5 10\n");
    clients[0].hear("Data received\n50.0\n");
    wait_until("the daemon has slept again", || (sleeps(&daemon) > before).then_some(()));
    drop(members);
}
