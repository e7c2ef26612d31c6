use std::rc::Rc;

use super::*;
use crate::engine::limits::Settings;
use crate::engine::message::{Binding, Input, Output, RemoteAddress, Transport};
use crate::engine::record::{BindingOf, SavedLog, SavedSession};
use crate::engine::service::Service;

const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };
const OTHER: ConnectionId = ConnectionId { index: 1, generation: 1 };
const NOW: Timestamp = Timestamp::at(0);
const REPLY: &[u8] = b"Data received\n50.0\n";

fn binding() -> Rc<Binding> {
    let (service, transport) = (Service::Multiply, Transport::UNIX);
    Rc::new(Binding { endpoint: "unix:/x".into(), service, transport, allowed: None })
}

fn connect(engine: &mut Engine, peer: ConnectionId) {
    let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
    engine.handle(NOW, Input::Opened { peer, binding: &binding(), remote });
    say(engine, peer, b"5 10\n");
    assert_eq!(hear(engine, peer, usize::MAX), REPLY);
}

fn say(engine: &mut Engine, peer: ConnectionId, bytes: &[u8]) {
    engine.handle(NOW, Input::Bytes { peer, bytes, more: false });
}

/// Does what the engine asks for; its peer's kernel takes so many bytes at a time.
fn hear(engine: &mut Engine, peer: ConnectionId, at_most: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    while let Some(output) = engine.poll_urgent() {
        if output != Output::Flush(peer) {
            continue;
        }
        loop {
            let bytes = engine.outgoing(peer).slices().concat();
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len().min(at_most);
            heard.extend_from_slice(&bytes[..count]);
            engine.handle(NOW, Input::Sent { peer, bytes: count });
        }
    }
    heard
}

/// Two clients that have had their first reply.
fn company() -> Engine {
    let mut engine = Engine::new(Settings::default());
    connect(&mut engine, PEER);
    connect(&mut engine, OTHER);
    engine
}

#[test]
fn replies_are_lent_counted_and_leave_nothing_behind() {
    let mut engine = company();
    let before = *engine.counters().of(Service::Multiply);
    say(&mut engine, PEER, b"5 10\n5 10\n");
    assert!(engine.lent.is_new() && engine.has_work());
    assert_eq!((engine.held_bytes(), engine.outgoing(PEER).slices()), (0, &[REPLY.repeat(2).as_slice()][..]));
    assert_eq!(hear(&mut engine, PEER, usize::MAX), REPLY.repeat(2));
    assert!(!engine.has_work() && engine.outgoing(PEER).is_empty());
    let after = *engine.counters().of(Service::Multiply);
    let grown = (after.messages, after.bytes_in - before.bytes_in, after.bytes_out - before.bytes_out);
    assert_eq!(grown, (before.messages + 2, 10, 2 * REPLY.len() as u64));
}

#[test]
fn replies_that_are_sent_in_part_are_queued_and_follow() {
    let mut engine = company();
    for at_most in 1..=REPLY.len() + 1 {
        say(&mut engine, PEER, b"5 10\n");
        assert!(engine.lent.is_new());
        assert_eq!(hear(&mut engine, PEER, at_most), REPLY, "{at_most} at a time");
    }
}

#[test]
fn reply_sent_in_part_stays_whole_when_all_queues_are_full() {
    let mut engine = Engine::new(Settings { queued_bytes_max: 64, ..Settings::default() });
    connect(&mut engine, PEER);
    say(&mut engine, PEER, &b"5 10\n".repeat(9));
    let sent = engine.outgoing(PEER).slices().concat()[..3].to_vec();
    engine.handle(NOW, Input::Sent { peer: PEER, bytes: sent.len() });
    let heard = String::from_utf8([sent, hear(&mut engine, PEER, 3)].concat()).unwrap();
    assert_eq!(heard, "Data received\nError: too slow\n");
}

#[test]
fn replies_are_queued_when_something_else_comes_before_they_are_sent() {
    let mut engine = company();
    say(&mut engine, PEER, b"5 10\n");
    say(&mut engine, OTHER, b"5 10\n");
    say(&mut engine, PEER, b"5 10\n");
    engine.handle(NOW, Input::Blocked { peer: OTHER });
    assert!(engine.held_bytes() > 0 && !engine.is_reading(OTHER));
    assert_eq!(hear(&mut engine, PEER, usize::MAX), REPLY.repeat(2));
    engine.handle(NOW, Input::Writable { peer: OTHER });
    assert_eq!(hear(&mut engine, OTHER, 3), REPLY);
    say(&mut engine, PEER, b"5 10\n");
    engine.handle(NOW, Input::Lost { peer: PEER });
    assert!(engine.outgoing(PEER).is_empty());
    let left = std::iter::from_fn(|| engine.poll_urgent()).collect::<Vec<_>>();
    assert!(left.contains(&Output::Close(PEER)) && !engine.has_work(), "{left:?}");
}

#[test]
fn replies_that_were_not_sent_go_to_the_process_after_a_restart() {
    let mut engine = company();
    say(&mut engine, PEER, b"5 10\n");
    assert!(engine.lent.is_new());
    let (saved, mut runs) = engine.sessions.get(PEER).unwrap().save(&engine.shared, 0).unwrap();
    runs[1].push(engine.lent.bytes());
    let mut saved: SavedSession = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
    saved.binding = BindingOf::Binding(binding());
    saved.outbox.fill(runs[1].concat());
    let mut next = Engine::new(Settings::default());
    next.restore(NOW, (Vec::new(), SavedLog::default()), vec![(PEER, saved)], Vec::new());
    assert_eq!(hear(&mut next, PEER, usize::MAX), REPLY);
}
