use super::*;
use crate::engine::Engine;
use crate::engine::check::tests::{ANN, ASKER, BOB, TALKER, WATCHER, assert_found, company, watched};
use crate::engine::message::{CloseReason, ConnectionId, Timestamp};
use crate::engine::session::dialogue::Sending;
use crate::engine::timer_queue::Timer;

const NOW: Timestamp = Timestamp::at(0);

fn session(engine: &mut Engine, peer: ConnectionId) -> &mut Session {
    engine.sessions.get_mut(peer).unwrap()
}

#[test]
fn check_finds_a_session_that_disagrees_with_itself() {
    assert_found(company(), "is not served, and its bytes are kept", |engine| {
        let session = session(engine, ASKER);
        session.dialogue.phase = Phase::Lingering(CloseReason::Served, NOW);
        session.intake.keep(b"5");
    });
    assert_found(company(), "has nothing that could wait", |engine| {
        session(engine, ASKER).intake.stall();
    });
    assert_found(company(), "what the reactor was told of reading", |engine| {
        session(engine, ASKER).intake.paused = true;
    });
    assert_found(company(), "the memory of its queues", |engine| session(engine, ASKER).dialogue.held += 1);
    assert_found(company(), "is to be woken at", |engine| session(engine, ASKER).timer = Timer::default());
}

#[test]
fn check_finds_a_session_that_the_tables_know_otherwise() {
    assert_found(company(), "whether it is blocked, and when", |engine| {
        session(engine, ASKER).dialogue.sending = Sending::Blocked;
    });
    assert_found(company(), "is another member of the room", |engine| {
        let member_id = session(engine, BOB).member_id().unwrap();
        session(engine, ANN).dialogue.state = State::Chat(Ok(member_id));
    });
    assert_found(company(), "is blocked, here or in the room", |engine| {
        session(engine, ANN).intake.paused = true;
        session(engine, ANN).dialogue.sending = Sending::Blocked;
        engine.shared.unread.set(ANN, NOW);
    });
    assert_found(watched(), "watches in secret", |engine| engine.shared.event_ring.leave(WATCHER));
    assert_found(company(), "has another one's end of a line", |engine| {
        let end = session(engine, TALKER).pair_end().unwrap();
        engine.shared.talk.leave(end);
    });
}
