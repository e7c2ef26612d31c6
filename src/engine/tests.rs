use super::limits::READ_BYTES_MAX;
use super::message::Transport;
use super::*;

const REMOTE: RemoteAddress = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };

fn binding(service: Service) -> Rc<Binding> {
    Rc::new(Binding { endpoint: "unix:/x".into(), service, transport: Transport::UNIX, allowed: None })
}

#[test]
fn reply_is_urgent_and_room_lines_wait_for_the_end_of_the_turn() {
    let mut engine = Engine::new(Settings::default());
    let [ann, bob, asker] = [0, 1, 2].map(|index| ConnectionId { index, generation: 1 });
    let now = Timestamp::at(0);
    let bytes = |peer, bytes| Input::Bytes { peer, bytes, more: false };
    for (peer, service) in [(ann, Service::Chat), (bob, Service::Chat), (asker, Service::Multiply)] {
        engine.handle(now, Input::Opened { peer, binding: &binding(service), remote: REMOTE });
    }
    engine.handle(now, bytes(ann, b"Ann\n"));
    engine.handle(now, bytes(bob, b"Bob\n"));
    engine.handle(now, Input::Tick);
    while let Some(Output::Flush(peer)) = engine.poll_output() {
        let bytes = engine.outgoing(peer).len();
        engine.handle(now, Input::Sent { peer, bytes });
    }
    engine.handle(now, bytes(ann, b"hi\n"));
    assert_eq!(engine.poll_urgent(), None);
    engine.handle(now, bytes(asker, b"5 10\n"));
    assert_eq!(engine.poll_urgent(), Some(Output::Flush(asker)));
    engine.handle(now, bytes(bob, b"ho\n"));
    assert_eq!(engine.poll_urgent(), None);
    assert_eq!(engine.poll_output(), Some(Output::Flush(ann)));
    assert_eq!(engine.outgoing(ann).slices().concat(), b"Ann: hi\nBob: ho\n");
}

#[test]
fn connection_waiting_for_room_precedes_those_that_refill_it() {
    let mut engine = Engine::new(Settings::default());
    let (binding, now) = (binding(Service::Chat), Timestamp::at(0));
    let peers: Vec<ConnectionId> = (0..5).map(|index| ConnectionId { index, generation: 1 }).collect();
    let finish_turn = |engine: &mut Engine| {
        let mut heard = Vec::new();
        engine.handle(now, Input::Tick);
        while let Some(output) = engine.poll_output() {
            if let Output::Flush(peer) = output {
                let bytes = engine.outgoing(peer).slices().concat();
                engine.handle(now, Input::Sent { peer, bytes: bytes.len() });
                heard.extend(bytes);
            }
        }
        String::from_utf8(heard).unwrap()
    };
    for peer in &peers {
        engine.handle(now, Input::Opened { peer: *peer, binding: &binding, remote: REMOTE });
        let name = format!("m{}\n", peer.index);
        engine.handle(now, Input::Bytes { peer: *peer, bytes: name.as_bytes(), more: false });
    }
    finish_turn(&mut engine);
    let line = "x".repeat(1023) + "\n";
    let flood = line.repeat(READ_BYTES_MAX / line.len());
    let (quiet, loud) = peers.split_last().unwrap();
    let said = |engine: &mut Engine| {
        for peer in loud.iter().filter(|peer| engine.is_reading(**peer)).copied().collect::<Vec<_>>() {
            engine.handle(now, Input::Bytes { peer, bytes: flood.as_bytes(), more: true });
        }
    };
    said(&mut engine);
    engine.handle(now, Input::Bytes { peer: *quiet, bytes: b"hi\n", more: false });
    assert!(!engine.is_reading(*quiet), "there is no room for it");
    finish_turn(&mut engine);
    said(&mut engine);
    assert!(finish_turn(&mut engine).contains("m4: hi\n"));
}

#[test]
fn idle_session_is_small_and_the_table_shrinks_after_a_peak() {
    // Together with its entry in the reactor and its deadline, this stays within the promised 256 bytes.
    assert!(size_of::<Option<Session>>() <= 200, "{}", size_of::<Option<Session>>());
    let mut engine = Engine::new(Settings::default());
    let binding = binding(Service::Multiply);
    let peers = (0..300).map(|index| ConnectionId { index, generation: 1 });
    for peer in peers.clone() {
        engine.handle(Timestamp::at(0), Input::Opened { peer, binding: &binding, remote: REMOTE });
    }
    for peer in peers {
        engine.handle(Timestamp::at(1), Input::Lost { peer });
    }
    assert!(engine.sessions.end() == 0 && engine.sessions.capacity() < 128);
    assert_eq!(engine.poll_deadline(), None);
}
