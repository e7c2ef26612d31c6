//! Admission: an endpoint's lists of users and groups, and the share of each admitted client.

use std::cell::Cell;
use std::fs::{Permissions, set_permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use crate::harness::around::{as_user, is_root};
use crate::harness::healthy::Healthy;
use crate::harness::packets::Packets;
use crate::harness::process::by_the_thousand;
use crate::harness::{Client, Daemon, MULTIPLY, USUAL};
use ipcd::engine::Engine;
use ipcd::engine::allow::Allowed;
use ipcd::engine::limits::{PLACES_KEPT, Settings};
use ipcd::engine::message::{
    Binding, CloseReason, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;
use rustix::process::{Resource, Signal, getrlimit};

/// Two users that exist on no machine, and a group.
const ALICE: u32 = 64_001;
const BOB: u32 = 64_002;
const STUDENTS: u32 = 64_100;

const TOO_MANY: &str = "Error: too many connections, try again later\n";

// ---- the engine alone

fn binding(transport: Transport) -> Rc<Binding> {
    let allowed = Some(Allowed::new([ALICE], [STUDENTS]));
    Rc::new(Binding { endpoint: "unix:///s".into(), service: Service::Multiply, transport, allowed })
}

fn user(uid: u32, gid: u32) -> RemoteAddress {
    RemoteAddress::Process { uid, gid, pid: 1 }
}

/// What a client receives that is admitted, and its end if it does not close.
fn come(engine: &mut Engine, index: u32, remote: RemoteAddress) -> (String, Vec<Output>, Vec<EventKind>) {
    let peer = ConnectionId { index, generation: 1 };
    engine.handle(Timestamp::at(0), Input::Opened { peer, binding: &binding(Transport::UNIX), remote });
    let (mut heard, mut outputs) = (Vec::new(), Vec::new());
    for now in [0, 1_999_999, 2_000_000].map(Timestamp::at) {
        engine.handle(now, Input::Tick);
        while let Some(output) = engine.poll_output() {
            if let Output::Flush(_) = output {
                let bytes = engine.outgoing(peer).slices().concat();
                engine.handle(now, Input::Sent { peer, bytes: bytes.len() });
                heard.extend(bytes);
            } else {
                outputs.push(output);
            }
        }
    }
    let events = std::iter::from_fn(|| engine.poll_event()).map(|event| event.what).collect();
    (String::from_utf8(heard).unwrap(), outputs, events)
}

#[test]
fn unlisted_user_is_refused_and_its_lingering_takes_no_place() {
    let mut engine = Engine::new(Settings { connections_max: 2, owner: 990, ..Settings::default() });
    for (index, (uid, gid)) in [(BOB, BOB), (65534, 65534), (BOB, ALICE)].into_iter().enumerate() {
        let (heard, outputs, events) = come(&mut engine, index as u32, user(uid, gid));
        let peer = ConnectionId { index: index as u32, generation: 1 };
        assert_eq!(heard, format!("Error: user {uid} may not use this socket\n"));
        assert_eq!(outputs, [Output::ShutdownWrite(peer), Output::Close(peer)]);
        assert_eq!(events, [EventKind::Closed(CloseReason::NotAllowed)]);
    }
    let counters = *engine.counters().of(Service::Multiply);
    assert_eq!((counters.refused, counters.connections, engine.len()), (3, 0, 0));
    for (index, (uid, gid)) in [(ALICE, BOB), (BOB, STUDENTS)].into_iter().enumerate() {
        let (heard, _, events) = come(&mut engine, 10 + index as u32, user(uid, gid));
        assert_eq!((heard.as_str(), events), ("", vec![EventKind::Opened]));
    }
    for index in 0..=PLACES_KEPT {
        let (heard, ..) = come(&mut engine, 20 + index as u32, user(if index == 0 { 0 } else { 990 }, BOB));
        let words = if index == PLACES_KEPT { TOO_MANY } else { "" };
        assert_eq!(
            heard, words,
            "root and the owner may, as long as there are places that are kept for them"
        );
    }
}

#[test]
fn unlisted_users_datagram_gets_no_reply() {
    let mut engine = Engine::new(Settings { owner: 990, ..Settings::default() });
    let binding = binding(Transport::UDP);
    let mut ask = |uid, bytes: &[u8], address| {
        let remote = user(uid, BOB);
        let datagram = Input::Datagram { binding: &binding, remote, bytes, truncated: false, address };
        engine.handle(Timestamp::at(0), datagram);
        let replies = std::iter::from_fn(|| engine.poll_reply()).count();
        let refused = std::iter::from_fn(|| engine.poll_event())
            .any(|event| event.what == EventKind::Refused(CloseReason::NotAllowed));
        (replies, refused)
    };
    let own = Some(&b"/own"[..]);
    assert_eq!(ask(ALICE, b"5 10", own), (2, false));
    assert_eq!(ask(0, b"5 10", own), (2, false));
    assert_eq!(ask(BOB, b"5 10", own), (0, true));
    assert_eq!(ask(BOB, b"5 10", None), (0, true));
    assert_eq!(ask(BOB, b"Error: user 1 may not use this socket", own), (0, true));
    assert_eq!(engine.counters().of(Service::Multiply).refused, 3);
}

// ---- a daemon, and other users

/// A daemon whose directory everyone may enter; `{list}` stands for the lists.
fn open_to_all(config: &str, list: &str) -> Daemon {
    let daemon = Daemon::with(&config.replace("{list}", list));
    set_permissions(daemon.directory.path(), Permissions::from_mode(0o755)).unwrap();
    daemon
}

const LISTED: &str = r#"
[multiply]
mode = "0666"
allow_groups = [64100]
listen = [
    { endpoint = "unix://{dir}/users.sock", {list} },
    "unixseq://{dir}/group.seq",
    { endpoint = "unixgram://{dir}/users.gram", {list} },
]
[mux]
mode = "0666"
listen = ["unix://{dir}/ipcd.sock"]
"#;

#[test]
fn endpoint_list_decides_by_kernel_credentials() {
    if !is_root() {
        return;
    }
    let daemon = open_to_all(LISTED, "allow_users = [64001], allow_groups = []");
    let directory = daemon.directory.path();
    let mut watcher = daemon.unix();
    watcher.say("watch\nservice=multiply\n");
    watcher.hear("Watching: service=multiply\n");
    let connect = || Client::unix(&directory.join("users.sock"));
    let mut root = connect();
    root.say("5 10\n");
    root.hear("Data received\n50.0\n");
    let mut alice = as_user(ALICE, BOB, connect);
    alice.say("5 10\n");
    alice.hear("Data received\n50.0\n");
    for gid in [BOB, ALICE, STUDENTS] {
        let mut bob = as_user(BOB, gid, connect);
        bob.hear(format!("Error: user {BOB} may not use this socket\n"));
        bob.hear_end();
    }
    // The other endpoint has the service's list.
    let packets = || Packets::seq(&directory.join("group.seq"));
    let bob = as_user(BOB, STUDENTS, packets);
    bob.say("5 10");
    bob.hear("Data received");
    bob.hear("50.0");
    as_user(ALICE, BOB, packets).hear(format!("Error: user {ALICE} may not use this socket"));
    // Datagrams carry their sender's user too.
    let home = tempfile::tempdir().unwrap();
    set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
    let ask = |uid: u32| {
        as_user(uid, STUDENTS, || {
            let own = home.path().join(format!("client {uid}"));
            let client = Packets::gram(&directory.join("users.gram"), &own);
            client.say("6 7");
            client
        })
    };
    let bob = ask(BOB);
    let alice = ask(ALICE);
    alice.hear("Data received");
    alice.hear("42.0");
    bob.hear_nothing(); // datagrams are handled in order
    let line = daemon.wait_for_log("users.gram: pid ");
    assert!(line.starts_with("warning: ") && line.ends_with("refused: its user may not use this socket"));
    // Watchers see both kinds of refusal.
    let mut seen = String::new();
    while !(seen.contains("users.sock") && seen.contains("users.gram")) {
        seen.extend(
            watcher.hear_line().split_inclusive('\n').filter(|line| line.contains("refused: its user")),
        );
    }
    daemon.stop();
}

#[test]
fn reload_changes_the_list_for_newcomers_only() {
    if !is_root() {
        return;
    }
    let daemon = open_to_all(LISTED, "allow_users = [64001], allow_groups = []");
    let path = daemon.directory.path().join("users.sock");
    let connect = || Client::unix(&path);
    let mut alice = as_user(ALICE, ALICE, connect);
    alice.say("5 10\n");
    alice.hear("Data received\n50.0\n");
    daemon.write_config(&LISTED.replace("{list}", "allow_users = [64002], allow_groups = []"));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    as_user(ALICE, ALICE, connect).hear(format!("Error: user {ALICE} may not use this socket\n"));
    let mut bob = as_user(BOB, BOB, connect);
    for client in [&mut bob, &mut alice] {
        client.say("6 7\n");
        client.hear("Data received\n42.0\n");
    }
    // A list that cannot be read changes nothing.
    let since = daemon.log().len();
    daemon.write_config(&LISTED.replace("{list}", "allow_users = [\"nosuchuser\"]"));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "there is no user \"nosuchuser\"");
    daemon.wait_for_log_since(since, "reload failed, nothing has changed");
    as_user(ALICE, ALICE, connect).hear(format!("Error: user {ALICE} may not use this socket\n"));
    daemon.stop();
}

// ---- a share for each

/// The number of connections that one client may have here.
fn crowd() -> usize {
    getrlimit(Resource::Nofile)
        .maximum
        .map_or(10_000, |max| 10_000.min(usize::try_from(max).unwrap().saturating_sub(2000)))
}

/// Connects as often as possible and keeps all connections; returns those that are served.
fn take_everything(connect: impl Fn() -> Client) -> (usize, Vec<Client>) {
    let mut kept = Vec::new();
    let mut served = 0;
    for _ in 0..crowd() {
        let mut client = connect();
        let heard = if client.try_say(b"5 10\n") { client.recv() } else { TOO_MANY.into() };
        served += usize::from(heard.starts_with(b"Data received"));
        assert!(heard.starts_with(b"Data received") || heard == TOO_MANY.as_bytes(), "{heard:?}");
        kept.push(client);
    }
    (served, kept)
}

const SHARE: &str = "[limits]\nmax_connections_per_address = 50\nmax_refused_lingering = 64\n";

#[test]
fn address_with_10000_connections_gets_only_its_share() {
    let _one = by_the_thousand();
    let daemon = Daemon::with(&format!("{SHARE}{USUAL}"));
    let from = |last: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 77, 78, last), 0)).into()).unwrap();
        socket.connect(&daemon.address(MULTIPLY).into()).unwrap();
        Client::of(socket.into())
    };
    let healthy = Healthy::on(daemon.unix()); // all of loopback is one source
    let next = Cell::new(1); // whatever its address
    let (served, _kept) = take_everything(|| from(next.replace(next.get() % 250 + 1)));
    assert_eq!(served, 50);
    eprintln!("H {:.0?} at worst", healthy.end().last().unwrap());
    assert!(daemon.descriptors() < 50 + 64 + 50, "{}", daemon.descriptors());
    for _ in 0..20 {
        let mut other = daemon.unix();
        other.say("6 7\n");
        other.hear("Data received\n42.0\n");
    }
    daemon.stop();
}

#[test]
fn user_with_10000_connections_gets_only_its_share() {
    if !is_root() {
        return;
    }
    let _one = by_the_thousand();
    let daemon = open_to_all(&format!("{SHARE}{USUAL}mode = \"0666\"\n"), "");
    let connect = || daemon.unix();
    let healthy = Healthy::on(as_user(BOB, BOB, connect));
    let (served, _kept) = as_user(ALICE, ALICE, || take_everything(connect));
    assert_eq!(served, 50);
    eprintln!("H {:.0?} at worst", healthy.end().last().unwrap());
    let mut bob = as_user(BOB, BOB, connect);
    for client in [&mut bob, &mut connect()] {
        client.say("6 7\n");
        client.hear("Data received\n42.0\n");
    }
    daemon.stop();
}
