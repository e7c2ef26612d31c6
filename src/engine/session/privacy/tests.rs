use crate::engine::check::tests::{ANN, BOB, watched};
use crate::engine::limits::RELIEF_REST_BYTES;
use crate::engine::message::{Input, Output, Timestamp};

const NOW: Timestamp = Timestamp::at(0);

/// Private messages are dropped with the rest, and the error that follows is not private.
#[test]
fn error_after_dropped_private_words_is_shown_to_watchers() {
    let mut engine = watched();
    engine.handle(NOW, Input::Blocked { peer: ANN });
    engine.handle(NOW, Input::Bytes { peer: BOB, bytes: b"/msg Ann a secret\n", more: false });
    engine.with(NOW, ANN, |session, _| {
        session.dialogue.outbox.mark_private();
        session.dialogue.outbox.push(&[b'x'; RELIEF_REST_BYTES + 1]);
    });
    engine.with(NOW, ANN, |session, shared| session.give_way(shared, NOW));
    engine.handle(NOW, Input::Writable { peer: ANN });
    let mut shown = String::new();
    engine.handle(NOW, Input::Tick);
    loop {
        while let Some(output) = engine.poll_output() {
            let Output::Flush(peer) = output else { continue };
            let bytes = engine.outgoing(peer).slices().concat();
            engine.handle(NOW, Input::Sent { peer, bytes: bytes.len() });
            if peer != ANN && peer != BOB {
                shown += &String::from_utf8_lossy(&bytes);
            }
        }
        if !engine.has_work() {
            break;
        }
        engine.handle(NOW, Input::Tick);
    }
    assert!(shown.contains("reply 'Error: too slow'"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
