//! Shows that each assertion can fail: the check finds an engine with exactly that fault, and the message names the fault.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::interval::Checks;
use super::*;
use crate::engine::effect::Effect;
use crate::engine::guest::Guest;
use crate::engine::limits::Settings;
use crate::engine::message::{
    Binding, Event, EventKind, Input, Output, RemoteAddress, Request, Timestamp, Transport,
};
use crate::engine::name::Name;
use crate::engine::pace::Pace;
use crate::engine::ready_list::{For, Membership};
use crate::engine::service::Service;
use crate::engine::timer_queue::{Timer, TimerQueue};

const NOW: Timestamp = Timestamp::at(0);
const REMOTE: RemoteAddress = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };

/// A connection that does not exist.
const GONE: ConnectionId = ConnectionId { index: 99, generation: 1 };

/// The existing connections: each in a service of its own, except two in the room.
pub(in crate::engine) const ANN: ConnectionId = ConnectionId { index: 0, generation: 1 };
pub(in crate::engine) const BOB: ConnectionId = ConnectionId { index: 1, generation: 1 };
pub(in crate::engine) const ASKER: ConnectionId = ConnectionId { index: 2, generation: 1 };
pub(in crate::engine) const TALKER: ConnectionId = ConnectionId { index: 3, generation: 1 };
/// Only in [`watched`].
pub(in crate::engine) const WATCHER: ConnectionId = ConnectionId { index: 4, generation: 1 };

fn binding(service: Service) -> Rc<Binding> {
    Rc::new(Binding { endpoint: "unix:/x".into(), service, transport: Transport::UNIX, allowed: None })
}

fn connect(engine: &mut Engine, peer: ConnectionId, service: Service, words: &[u8]) {
    engine.handle(NOW, Input::Opened { peer, binding: &binding(service), remote: REMOTE });
    engine.handle(NOW, Input::Bytes { peer, bytes: words, more: false });
    engine.handle(NOW, Input::Tick);
    while let Some(output) = engine.poll_output() {
        if let Output::Flush(peer) = output {
            let bytes = engine.outgoing(peer).len();
            engine.handle(NOW, Input::Sent { peer, bytes });
        }
    }
}

/// An engine with sessions of several kinds.
pub(in crate::engine) fn company() -> Engine {
    let mut engine = Engine::new(Settings::default());
    connect(&mut engine, ANN, Service::Chat, b"Ann\n");
    connect(&mut engine, BOB, Service::Chat, b"Bob\n");
    connect(&mut engine, ASKER, Service::Multiply, b"5 10\n");
    connect(&mut engine, TALKER, Service::Talk, b"");
    engine
}

/// The same engine with a watcher.
pub(in crate::engine) fn watched() -> Engine {
    let mut engine = company();
    connect(&mut engine, WATCHER, Service::Watch, b"all\n");
    engine
}

/// Breaks something, and checks that exactly this is found.
#[track_caller]
pub(in crate::engine) fn assert_found(mut engine: Engine, message: &str, breaks: impl FnOnce(&mut Engine)) {
    engine.check();
    breaks(&mut engine);
    assert_panics(message, || engine.check());
}

#[track_caller]
pub(in crate::engine) fn assert_panics(message: &str, check: impl FnOnce()) {
    let outcome = catch_unwind(AssertUnwindSafe(check)).expect_err("what is broken is not found");
    let said = match outcome.downcast::<String>() {
        Ok(said) => *said,
        Err(said) => said.downcast_ref::<&str>().unwrap().to_string(),
    };
    assert!(said.contains(message), "{message:?} was to be found, not {said}");
}

#[test]
fn check_finds_a_table_of_sessions_that_disagrees_with_itself() {
    assert_found(company(), "the count of sessions", |engine| engine.sessions.entries()[0] = None);
    assert_found(company(), "the last entry is empty", |engine| engine.sessions.entries().push(None));
    assert_found(company(), "is at index 0", |engine| engine.sessions.entries().swap(0, 2));
}

#[test]
fn check_finds_wrong_counts() {
    assert_found(company(), "the counts of connections", |engine| {
        engine.shared.connection_counts.count(Service::Multiply, REMOTE);
    });
    assert_found(company(), "memory that the queues of all hold", |engine| engine.shared.held += 1);
    assert_found(company(), "refused connections that linger", |engine| engine.shared.refused_lingering += 1);
}

#[test]
fn check_finds_entries_in_other_tables_of_peers_that_are_not_there() {
    assert_found(company(), "members of the room, and sessions", |engine| {
        engine.shared.room.join(GONE, Name::new("Eve").unwrap());
    });
    assert_found(watched(), "watchers, and sessions that watch", |engine| {
        let other = RemoteAddress::Process { uid: 2, gid: 2, pid: 2 };
        engine.shared.event_ring.enter(GONE, other, 9).unwrap();
    });
    assert_found(company(), "ends of lines that are taken", |engine| {
        engine.shared.talk.join(GONE);
    });
    assert_found(company(), "has a pace", |engine| engine.shared.paces.set(GONE, Pace::default()));
    assert_found(company(), "is asked for a passphrase", |engine| {
        engine.shared.guests.set(GONE, Guest::Known);
    });
    assert_found(company(), "reads nothing", |engine| engine.shared.unread.set(GONE, NOW));
    let mut stopping = company();
    stopping.handle(NOW, Input::Stop { by: NOW + Duration::from_secs(9) });
    assert_found(stopping, "is known to be drained", |engine| {
        engine.shared.stop.as_mut().unwrap().drained.insert(GONE);
    });
}

#[test]
fn check_finds_lists_that_disagree_with_their_bits() {
    assert_found(company(), "does not know that it is in a list", |engine| {
        engine.waiting.push(ASKER, &mut Membership::default());
    });
    assert_found(company(), "is in a list twice", |engine| {
        engine.reporting.push(ASKER, engine.sessions.membership(ASKER).unwrap());
        engine.reporting.push(ASKER, &mut Membership::default());
    });
    assert_found(company(), "the sessions that are marked as in a list", |engine| {
        ReadyList::new(For::Report).push(ASKER, engine.sessions.membership(ASKER).unwrap());
    });
    assert_found(company(), "so much is asked for one peer", |engine| {
        (0..=OUTPUTS_MAX).for_each(|_| engine.outputs.push(Output::Retry(ASKER)));
    });
}

#[test]
fn check_finds_deadlines_without_a_timer() {
    assert_found(company(), "nobody wakes", |engine| {
        let session = engine.sessions.get_mut(ASKER).unwrap();
        session.timer = Timer::default();
        TimerQueue::default().arm(ASKER, &mut session.timer, Some(NOW));
    });
    assert_found(company(), "the first deadline is nobody's", |engine| {
        engine.timers.arm(ASKER, &mut Timer::default(), Some(NOW));
    });
}

#[test]
fn check_finds_unfinished_work() {
    assert_found(company(), "effects were not applied", |engine| {
        engine.shared.effects.push_back(Effect::Ask(ASKER, Request::Reload));
    });
    assert_found(company(), "notes wait", |engine| {
        let event =
            Event { peer: None, binding: binding(Service::Chat), remote: REMOTE, what: EventKind::Opened };
        engine.shared.events.extend(vec![event; EVENTS_MAX + 1]);
    });
}

/// A few sessions are checked after each input, many sessions less often.
#[test]
fn debug_build_checks_after_inputs_in_proportion_to_sessions() {
    let mut checks = Checks::default();
    let due = |checks: &mut Checks, sessions| (0..12).filter(|_| checks.is_due(sessions)).count();
    assert_eq!([4, 5, 16, 48].map(|sessions| due(&mut checks, sessions)), [12, 6, 3, 1]);
    if cfg!(debug_assertions) {
        let mut engine = company();
        engine.shared.held += 1;
        assert_panics("memory that the queues of all hold", || engine.handle(NOW, Input::Tick));
    }
}
