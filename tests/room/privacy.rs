//! Private messages of two members stay private: neither a watcher nor the log has their text, in whatever way it was sent. Also:
//! who may watch at all.

use std::collections::HashMap;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use crate::harness::around::{as_user, is_root};
use crate::harness::{BESIDE, CHAT, Client, Daemon, TALK, USUAL};
use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport};
use ipcd::engine::record::piece::Piece;
use ipcd::engine::record::reader;
use ipcd::engine::service::Service;

const SECRET: &str = "sesame";

const ALICE: u32 = 64_001;
const BOB: u32 = 64_002;
const TEACHERS: u32 = 64_100;

/// Watchers of both kinds, which begin before the first message.
fn watchers(daemon: &Daemon) -> [Client; 2] {
    ["all", "json"].map(|filter| {
        let mut watcher = daemon.unix();
        watcher.say(format!("watch\n{filter}\n"));
        assert!(watcher.hear_line().contains("atching"));
        watcher
    })
}

/// Reads all events until somebody says `that is all`, and asserts that they do not contain the secret.
fn see(daemon: &Daemon, watchers: [Client; 2]) -> [Vec<String>; 2] {
    Client::member(daemon, "zoe").say("that is all\n");
    let seen = watchers.map(|mut watcher| {
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains("message") && line.contains("that is all")) {
            lines.push(watcher.hear_line());
        }
        lines
    });
    daemon.wait_for_log("joined as zoe");
    for line in seen.iter().flatten().chain(&daemon.log()) {
        assert!(!line.contains(SECRET), "{line}");
    }
    seen
}

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

#[test]
fn whisper_text_is_in_no_watch_and_no_log() {
    let daemon = Daemon::talkative(USUAL);
    let watchers = watchers(&daemon);
    let (mut alice, mut bob) = (Client::member(&daemon, "alice"), Client::member(&daemon, "bob"));
    alice.hear("bob has joined the chat!\n");
    alice.say(format!("/msg bob {SECRET}\n")); // 15 bytes
    bob.hear(format!("alice (to you): {SECRET}\n"));
    alice.hear(format!("you (to bob): {SECRET}\n"));
    // Meant as private messages, but wrong.
    for (said, heard) in [
        (format!("/mgs bob {SECRET}\n"), "Error: unknown command: /mgs (try /help)\n".to_owned()),
        (format!("/msg {SECRET}\n"), format!("Error: nobody here is called '{SECRET}' (try /who)\n")),
    ] {
        alice.say(said);
        alice.hear(heard);
    }
    alice.say("hello\n");
    bob.hear("alice: hello\n");
    // Before it has a name: alone, and in one burst with the name.
    let mut carol = daemon.tcp(CHAT);
    carol.say(format!("/msg bob {SECRET}\n"));
    carol.hear("Greetings from the cave! Now type your name and press enter!\nError: a name has");
    let mut dave = daemon.tcp(CHAT);
    dave.say(format!("dave/msg bob {SECRET}, {SECRET} and {SECRET}"));
    bob.hear(format!("dave has joined the chat!\ndave (to you): {SECRET}, {SECRET} and {SECRET}\n"));
    drop((alice, bob, carol, dave));
    for lines in see(&daemon, watchers) {
        assert_eq!(count(&lines, "(private, 15 bytes)"), 3, "{lines:#?}"); // two of alice's, and carol's
        assert_eq!(count(&lines, "(private, 22 bytes)"), 1, "{lines:#?}"); // bob's input from alice
        assert_eq!(count(&lines, "a /msg that reached nobody"), 1, "{lines:#?}");
        assert_eq!(count(&lines, "unknown command: /mgs"), 2, "{lines:#?}"); // the error, and the reply
        assert!(count(&lines, "alice: hello") >= 2, "{lines:#?}"); // messages to all are shown
    }
    daemon.stop();
}

// ---- the engine alone

/// An engine whose peers accept their output when the test calls [`send`](Stage::send).
struct Stage(Engine);

const WATCHER: ConnectionId = ConnectionId { index: 0, generation: 1 };
const ANN: ConnectionId = ConnectionId { index: 1, generation: 1 };
const BEN: ConnectionId = ConnectionId { index: 2, generation: 1 };

impl Stage {
    fn new() -> Stage {
        Stage(Engine::new(Settings::default()))
    }

    fn come(&mut self, peer: ConnectionId, service: Service, says: &str) {
        let binding =
            Binding { endpoint: "unix:///s".into(), service, transport: Transport::UNIX, allowed: None };
        let remote = RemoteAddress::Process { uid: 0, gid: 0, pid: peer.index };
        self.0.handle(Timestamp::at(0), Input::Opened { peer, binding: &Rc::new(binding), remote });
        self.say(peer, says);
    }

    fn say(&mut self, peer: ConnectionId, text: &str) {
        self.0.handle(Timestamp::at(0), Input::Bytes { peer, bytes: text.as_bytes(), more: false });
    }

    /// The engine after a restart.
    fn restart(self) -> Stage {
        let mut bytes = Vec::new();
        let mut write = |piece: Piece<'_>| {
            let (start, runs) = piece.parts();
            bytes.extend(start);
            runs.for_each(|run| bytes.extend(run));
        };
        let mut handover = self.0.hand_over(Timestamp::at(0));
        write(handover.head());
        let peers: Vec<ConnectionId> = handover.peers().collect();
        peers.iter().filter_map(|peer| handover.session(*peer, 0)).for_each(&mut write);
        write(handover.end());
        let record = reader::read(&bytes).unwrap();
        let sessions = record.sessions.into_iter().map(|(_, session)| session);
        let mut after = Stage::new();
        let present = peers.into_iter().zip(sessions).collect();
        after.0.restore(Timestamp::at(0), (record.history, record.log), present, Vec::new());
        after
    }

    /// All peers accept everything, in pieces of this many bytes; returns what each has received.
    fn send(&mut self, piece: usize) -> HashMap<ConnectionId, String> {
        let mut heard: HashMap<ConnectionId, Vec<u8>> = HashMap::new();
        for _ in 0..3 {
            self.0.handle(Timestamp::at(0), Input::Tick);
            while let Some(output) = self.0.poll_output() {
                let Output::Flush(peer) = output else { continue };
                loop {
                    let mut bytes = self.0.outgoing(peer).slices().concat();
                    bytes.truncate(piece);
                    if bytes.is_empty() {
                        break;
                    }
                    self.0.handle(Timestamp::at(0), Input::Sent { peer, bytes: bytes.len() });
                    heard.entry(peer).or_default().extend(bytes);
                }
            }
        }
        heard.into_iter().map(|(peer, bytes)| (peer, String::from_utf8(bytes).unwrap())).collect()
    }
}

#[test]
fn queued_whisper_stays_private_on_leave_restart_and_in_pieces() {
    for piece in [1, 3, 7, 4096] {
        for restarted in [false, true] {
            let mut stage = Stage::new();
            stage.come(ANN, Service::Chat, "ann\n");
            stage.come(BEN, Service::Chat, "ben\n");
            stage.send(4096);
            stage.say(ANN, "hello\n/msg ben sesame\n");
            if restarted {
                stage = stage.restart();
            } else {
                stage.say(BEN, "/quit\n");
            }
            stage.come(WATCHER, Service::Watch, "all\n");
            let heard = stage.send(piece);
            assert!(heard[&BEN].contains("ann (to you): sesame\n"), "{heard:?}");
            let seen = &heard[&WATCHER];
            assert!(seen.contains("(private, "), "{seen}");
            // Not even in the pieces of displayed replies, joined.
            let shown = seen.lines().filter_map(|line| line.split_once("reply '")?.1.strip_suffix('\''));
            let shown = shown.collect::<String>();
            assert!(shown.contains("hello"), "{piece} {restarted}: {shown}");
            assert!(!shown.contains("sesame"), "{piece} {restarted}: {shown}");
        }
    }
}

// ---- a daemon

#[test]
fn talk_text_is_in_no_watch_and_no_log() {
    for config in [format!("{USUAL}{BESIDE}"), format!("{USUAL}default = \"talk\"\n{BESIDE}")] {
        let daemon = Daemon::talkative(&config);
        let watchers = watchers(&daemon);
        let mut first = daemon.tcp(TALK);
        first.say(format!("{SECRET}\n"));
        // Its text counts as a message once it is sent to a partner.
        daemon.wait_for_log(&format!(":{TALK}: 127.0.0.1:"));
        let mut second = daemon.unix();
        // If talk is the mux's default service, the first message is sent in it.
        second.say(if config.contains("default") {
            format!("{SECRET}\n")
        } else {
            format!("talk\n{SECRET}\n")
        });
        second.hear(format!("{SECRET}\n"));
        first.hear(format!("{SECRET}\n"));
        second.say(SECRET); // the end of the line never comes
        drop(second);
        first.hear(format!("{SECRET}\n"));
        first.hear_end();
        drop(first);
        for lines in see(&daemon, watchers) {
            assert!(count(&lines, "(private, 6 bytes)") >= 4, "{lines:#?}");
        }
        daemon.stop();
    }
}

#[test]
fn unfinished_message_appears_in_no_hint() {
    let daemon = Daemon::with(&format!("[limits]\nmessage_timeout = \"300ms\"\n{USUAL}"));
    let mut alice = Client::member(&daemon, "alice");
    let mut watcher = daemon.unix();
    watcher.say("watch\nall\n");
    watcher.hear("Watching: all\n");
    alice.say(format!("/msg bob {SECRET}"));
    let hint = loop {
        let line = watcher.hear_line();
        assert!(!line.contains(SECRET), "{line}");
        if line.contains("hint: ") {
            break line;
        }
    };
    assert!(hint.contains("'(private, 15 bytes)' has no newline"), "{hint}");
    drop((alice, watcher));
    daemon.stop();
}

// ---- who may watch

fn open_to_all(config: &str) -> Daemon {
    let daemon = Daemon::with(config);
    set_permissions(daemon.directory.path(), Permissions::from_mode(0o755)).unwrap();
    daemon
}

const OPEN: &str = r#"
[mux]
mode = "0666"
listen = ["unix://{dir}/ipcd.sock"]
[watch]
mode = "0666"
listen = ["unix://{dir}/watch.sock"]
"#;

const NOT_WATCH: &str = "Error: watch is only for root, the daemon's own user, and those in allow_users or allow_groups under [watch]";
const NOT_STATUS: &str = "Error: status is only for root, the daemon's own user, and those in allow_users or allow_groups under [status]";

/// What a user receives that selects a service on the mux and sends a message.
fn choose(daemon: &Daemon, (uid, gid): (u32, u32), words: &str) -> String {
    let mut client = as_user(uid, gid, || daemon.unix());
    client.say(words);
    client.hear_line()
}

#[test]
fn watch_is_for_root_and_owner_and_status_for_all_unless_listed() {
    if !is_root() {
        return;
    }
    let daemon = open_to_all(OPEN);
    let on_its_own = |uid| {
        let mut client = as_user(uid, BOB, || Client::unix(&daemon.directory.path().join("watch.sock")));
        client.say("all\n");
        client.hear_line()
    };
    for user in [(ALICE, ALICE), (BOB, TEACHERS)] {
        assert_eq!(choose(&daemon, user, "watch\n"), NOT_WATCH);
        assert!(choose(&daemon, user, "status\n").starts_with("{\"schema\":1"));
        assert_eq!(on_its_own(user.0), format!("Error: user {} may not use this socket", user.0));
    }
    let mut bob = as_user(BOB, BOB, || daemon.unix());
    bob.say("help\n");
    bob.hear("multiply\ngreeting\nchat\nhello\ntalk\nstats\nstatus\n");
    bob.say("control\n");
    bob.hear("Error: control is only for root and the daemon's own user, on a Unix socket\n");
    assert_eq!(choose(&daemon, (0, 0), "watch\nall\n"), "Watching: all");
    assert_eq!(on_its_own(0), "Watching: all");
    daemon.wait_for_log(&format!("(uid {ALICE}): error reply: {}", &NOT_WATCH["Error: ".len()..]));

    // A reload changes it.
    let lists = "allow_users = [64001]\nallow_groups = [64100]\n";
    daemon.write_config(&format!("{OPEN}{lists}[status]\n{lists}"));
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("reloaded");
    for user in [(ALICE, ALICE), (BOB, TEACHERS)] {
        assert_eq!(choose(&daemon, user, "watch\nall\n"), "Watching: all");
        assert!(choose(&daemon, user, "status\n").starts_with("{\"schema\":1"));
    }
    assert_eq!(choose(&daemon, (BOB, BOB), "watch\n"), NOT_WATCH);
    assert_eq!(choose(&daemon, (BOB, BOB), "status\n"), NOT_STATUS);
    daemon.stop();
}

#[test]
fn user_takes_a_quarter_of_watch_places_and_others_find_theirs() {
    if !is_root() {
        return;
    }
    let daemon = open_to_all(&format!("{OPEN}allow_users = [64001, 64002]\n"));
    let come = |uid: u32| {
        let mut client = as_user(uid, uid, || daemon.unix());
        client.say("watch\nall\n");
        let heard = client.hear_line();
        (client, heard)
    };
    let mut watching = Vec::new();
    for uid in [ALICE, BOB, 0] {
        for _ in 0..4 {
            let (client, heard) = come(uid);
            assert_eq!(heard, "Watching: all", "{uid}");
            watching.push(client);
        }
        let (_, heard) = come(uid);
        assert_eq!(heard, "Error: your user already has 4 watchers, the most for one user; end one of them");
    }
    drop(watching);
    daemon.stop();
}

#[test]
fn watch_on_a_network_endpoint_is_a_configuration_error() {
    let test_dir = crate::harness::TestDir::new();
    test_dir.write_config("[watch]\nlisten = [\"tcp://{ip}:33002\"]\n");
    let said = crate::harness::around::failure(&mut test_dir.command(), 78);
    let right = format!(
        "tcp://{}:33002: watch is only for users whom the kernel identifies: root, the daemon's own, and those in allow_users or allow_groups; give it a Unix endpoint",
        test_dir.ip
    );
    assert!(said.contains(&right), "{said}");
}

#[test]
fn log_names_who_requests_a_reload_or_handover() {
    let daemon = Daemon::usual();
    let mut client = daemon.unix();
    client.say("control\nreload\n");
    client.hear("OK\n");
    client.say("handover\n");
    client.hear("Error: there is no service manager");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("SIGHUP asks for a reload");
    let who =
        format!("ipcd.sock: pid {} (uid {}): ", std::process::id(), rustix::process::geteuid().as_raw());
    for what in ["asks for a reload", "asks for a handover"] {
        let line = daemon.wait_for_log(&format!("{who}{what}"));
        assert!(line.starts_with("info: "), "{line}");
    }
    let log = daemon.log();
    let at = |what: &str| log.iter().position(|line| line.contains(what)).unwrap();
    assert!(at("(uid") < at("reloaded: "), "who asks stands before what comes of it");
    drop(client);
    daemon.stop();
}
