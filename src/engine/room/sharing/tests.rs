//! The room that is shared: what its members hear of the log, of the connection, and of each other.

use super::super::super::limits::ROOM_BURST_BYTES;
use super::super::super::uplink::TEXT_BYTES_MAX;
use super::super::super::words;
use super::*;

mod house;

use house::{House, JOINED, LEFT, SAID, item, name, peer};

#[test]
fn newcomer_is_in_the_room_and_heard_at_its_place_in_the_log() {
    let mut house = House::whole();
    house.is_storing = false;
    assert!(house.room.enter(peer(1), name("ann"), "hello", None).is_none());
    house.turn();
    assert_eq!((house.room.len(), house.room.newcomer(peer(1))), (0, Some(("ann", "hello"))));
    assert!(house.room.has(&name("Ann")), "nobody else gets that name");
    house.is_storing = true;
    house.wait(3);
    let Some(Consequence::Joined(of, ann, rest)) = house.consequences.pop() else { panic!("not in") };
    assert_eq!((of, &*rest, house.room.newcomer(peer(1))), (peer(1), "hello", None));
    let bob = house.join(2, "bob");
    house.room.broadcast(ann, b"hi");
    assert_eq!((house.heard(ann), house.heard(bob)), ("bob has joined the chat!\n".into(), String::new()));
    house.turn();
    assert_eq!((house.heard(ann), house.heard(bob)), ("ann: hi\n".into(), "ann: hi\n".into()));
    assert_eq!(house.room.who(), "ann, bob (2)");
}

#[test]
fn audience_of_a_shared_room_is_on_all_machines_once_it_is_whole() {
    let mut house = House::new();
    assert_eq!(house.room.audience(), Audience::Later);
    house.connect();
    house.wait(3);
    house.join(1, "ann");
    assert_eq!(house.room.audience(), Audience::Everywhere(1, 1));
    house.others(&[item(JOINED, "bob", ""), item(JOINED, "cat", "")]);
    assert_eq!(house.room.audience(), Audience::Everywhere(3, 2));
    house.disconnect();
    house.wait(4);
    assert_eq!(house.room.audience(), Audience::Later);
    house.room.stop_sharing();
    assert_eq!(house.room.audience(), Audience::Here(1));
}

#[test]
fn newcomer_that_goes_before_its_place_leaves_at_once() {
    let mut house = House::new();
    house.room.enter(peer(1), name("ann"), "", None);
    house.room.forget_newcomer(peer(1));
    house.connect();
    house.turn();
    assert_eq!(house.entries(), [(JOINED, "ann".into()), (LEFT, "ann".into())]);
    assert_eq!((house.room.who(), house.room.len()), (" (0)".into(), 0));
    // Whoever wants its name meanwhile takes its place.
    let mut house = House::new();
    house.room.enter(peer(1), name("ann"), "", None);
    house.room.forget_newcomer(peer(1));
    house.room.enter(peer(2), name("Ann"), "", None);
    house.connect();
    house.turn();
    assert_eq!(house.entries(), [(JOINED, "ann".into())]);
    assert!(matches!(house.consequences[..], [Consequence::Joined(of, ..)] if of == peer(2)));
}

#[test]
fn join_of_a_client_lost_in_a_restart_is_followed_by_its_leaving() {
    let mut house = House::new();
    house.room.enter(peer(1), name("ann"), "", None);
    house.room.enter(peer(2), name("bob"), "hi", None);
    house.restart();
    assert!(house.room.wait_again(peer(7), "bob", "hi"), "bob's connection came through, ann's did not");
    house.connect();
    house.turn();
    assert_eq!(house.entries(), [(JOINED, "ann".into()), (JOINED, "bob".into()), (LEFT, "ann".into())]);
    assert_eq!(house.room.who(), "bob (1)");
    assert!(
        matches!(&house.consequences[..], [Consequence::Joined(of, _, rest)] if *of == peer(7) && &**rest == "hi")
    );
}

#[test]
fn clients_that_come_and_go_while_the_room_is_cut_off_are_bounded() {
    let mut house = House::new();
    let mut index = 0;
    while !house.room.is_crowded() {
        index += 1;
        house.room.enter(peer(index), name(&format!("n{index}")), &"x".repeat(1000), None);
        house.room.forget_newcomer(peer(index));
    }
    assert_eq!(index as usize, NEWCOMERS_GONE_MAX);
    let kept: usize = house.room.shared().unwrap().joining.iter().map(|newcomer| newcomer.rest.len()).sum();
    assert_eq!(kept, 0, "what they said behind their names is not kept");
    house.connect();
    house.wait(2);
    assert!(!house.room.is_crowded());
    assert_eq!(house.entries().len(), 2 * NEWCOMERS_GONE_MAX);
    assert_eq!(house.room.who(), " (0)");
}

#[test]
fn name_that_another_member_gets_in_the_log_is_refused() {
    let mut house = House::new();
    house.room.enter(peer(1), name("ann"), "", None);
    // The other one's joining stands before ours in the log.
    house.connect();
    let mut batch = vec![1];
    batch.extend([8; 16]);
    [1_u64, 0, 0].iter().for_each(|number| batch.extend_from_slice(&number.to_le_bytes()));
    batch.extend(item(JOINED, "Ann", ""));
    house.store(batch);
    house.turn();
    let [Consequence::NameTaken(of, taken, unsent)] = &house.consequences[..] else {
        panic!("{:?}", house.consequences)
    };
    assert_eq!((*of, &**taken, unsent.len()), (peer(1), "ann", 0));
    assert!(house.room.is_taken(&Key::new("ann")) && house.room.is_elsewhere(&Key::new("ann")));
    assert_eq!((house.room.who(), house.room.len()), ("Ann (1)".into(), 0));
}

#[test]
fn line_refused_by_the_log_is_reported_only_to_its_author() {
    let mut house = House::whole();
    let (ann, bob) = (house.join(1, "ann"), house.join(2, "bob"));
    house.heard(ann);
    house.room.broadcast(ann, &vec![b'x'; TEXT_BYTES_MAX + 1]);
    let heard = house.heard(ann);
    assert!(heard.starts_with("Error: your message was not accepted: it is longer than"), "{heard}");
    house.refusal = Some(r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds"}}"#);
    house.room.broadcast(ann, b"hello");
    house.wait(1); // it is sent again, with a request for an answer
    let heard = house.heard(ann);
    assert!(
        heard.starts_with("Error: your message was not accepted: the server does not store it"),
        "{heard}"
    );
    house.refusal = None;
    house.wait(2);
    house.room.emote(ann, "waves");
    house.turn();
    assert_eq!((house.heard(ann), house.heard(bob)), ("* ann waves\n".into(), "* ann waves\n".into()));
}

#[test]
fn cut_off_room_is_reported_once_and_so_is_its_return() {
    let mut house = House::whole();
    let ann = house.join(1, "ann");
    house.disconnect();
    house.wait(10);
    assert!(house.room.is_cut_off());
    assert_eq!(house.heard(ann), format!("{}\n", words::CUT_OFF));
    house.room.broadcast(ann, b"kept");
    house.connect();
    house.wait(1);
    assert_eq!(house.heard(ann), format!("ann: kept\n{}\n", words::WHOLE_AGAIN));
    // A short interruption is not told.
    house.disconnect();
    house.wait(2);
    house.connect();
    house.wait(5);
    assert_eq!((house.heard(ann), house.room.is_cut_off()), (String::new(), false));
}

#[test]
fn server_that_carried_the_room_and_falls_often_is_tried_at_once() {
    let mut house = House::whole();
    let ann = house.join(1, "ann");
    for _ in 0..8 {
        house.disconnect();
        let before = house.now;
        house.connect();
        let pause = house.now.since(before);
        assert!(pause <= std::time::Duration::from_millis(200), "{pause:?}");
        house.turn();
    }
    house.wait(5);
    assert_eq!(house.heard(ann), "", "nobody is told of so short a pause");
}

#[test]
fn members_who_say_too_much_while_the_room_is_cut_off_wait() {
    let mut house = House::whole();
    let ann = house.join(1, "ann");
    house.disconnect();
    let (mut said, line) = (0, [b'x'; 1000]);
    while house.room.fresh() < ROOM_BURST_BYTES {
        house.room.broadcast(ann, &line);
        said += 1;
    }
    assert!(house.room.is_full() && (1000..1100).contains(&said), "{said} lines");
    house.room.settle(1);
    assert!(house.room.fresh() >= ROOM_BURST_BYTES, "a turn later they still wait");
    // What was read before that is still taken, up to a bound, and then it is an error.
    let refused = loop {
        house.room.broadcast(ann, &line);
        said += 1;
        let heard = house.heard(ann);
        if !heard.is_empty() && !heard.starts_with(words::CUT_OFF) {
            break heard;
        }
    };
    assert!(
        refused.contains("too much waits to be sent") && (2000..2200).contains(&said),
        "{refused}: {said}"
    );
    assert!(house.room.proclaim("lunch").is_err(), "who says it for the teacher hears of it");
    house.connect();
    house.wait(2);
    assert!(!house.room.is_full() && house.room.proclaim("lunch").is_ok());
    house.turn();
    house.room.settle(1);
    assert_eq!(house.room.fresh(), 0);
    let stored = house.entries().iter().filter(|(kind, _)| *kind == SAID).count();
    assert_eq!(stored, said - 1, "all but the refused one, in order");
}

#[test]
fn messages_from_before_the_room_is_whole_are_history() {
    let mut house = House::new();
    house.room.set_history(2, 1000);
    house.others(&[item(JOINED, "eve", ""), item(SAID, "eve", "one"), item(SAID, "eve", "two")]);
    house.connect();
    house.turn();
    let ann = house.join(1, "ann");
    assert_eq!(house.room.history().collect::<Vec<_>>(), ["eve: one", "eve: two"]);
    assert_eq!((house.heard(ann), house.room.who()), (String::new(), "eve, ann (2)".into()));
    house.others(&[item(SAID, "eve", "three"), item(LEFT, "eve", "")]);
    assert_eq!(house.heard(ann), "eve: three\neve has left the chat.\n");
}

#[test]
fn undelivered_private_message_is_reported_to_its_sender() {
    let mut house = House::whole();
    let ann = house.join(1, "ann");
    house.others(&[item(JOINED, "eve", "")]);
    house.heard(ann);
    let sent = house.room.whisper_elsewhere(ann, &Key::new("EVE"), "psst");
    assert_eq!(sent, Some(Ok(())));
    house.turn();
    assert_eq!(house.heard(ann), "you (to eve): psst\n");
    house.wait(6);
    let heard = house.heard(ann);
    assert!(heard.starts_with("Error: your message to eve did not arrive: "), "{heard}");
    house.disconnect();
    assert!(matches!(house.room.whisper_elsewhere(ann, &Key::new("eve"), "psst"), Some(Err(_))));
    assert!(house.room.whisper_elsewhere(ann, &Key::new("ann"), "psst").is_none(), "she is here");
    assert!(house.room.shared().unwrap().whispers.is_empty());
}

#[test]
fn waiting_clients_join_when_the_room_is_no_longer_shared() {
    let mut house = House::whole();
    let ann = house.join(1, "ann");
    house.others(&[item(JOINED, "eve", "")]);
    house.heard(ann);
    house.is_storing = false;
    house.room.enter(peer(2), name("bob"), "hello", None);
    let consequences = house.room.stop_sharing();
    let [Consequence::Joined(of, _, rest)] = &consequences[..] else { panic!("{consequences:?}") };
    assert_eq!((*of, &**rest, house.room.who()), (peer(2), "hello", "ann, bob (2)".into()));
    house.room.broadcast(ann, b"hi");
    let heard = house.heard(ann);
    assert_eq!(heard, format!("{}\nbob has joined the chat!\nann: hi\n", words::ALONE));
}
