//! Tests of the room alone: what members hear, in which order, and its memory.

use super::super::limits::DIRECT_MESSAGE_BYTES;
use super::log::CHUNK;
use super::*;

fn peer(index: u32) -> ConnectionId {
    ConnectionId { index, generation: 1 }
}

/// A line without a speaker.
fn say(room: &mut Room, line: &str) {
    room.proclaim(line).unwrap();
}

fn join(room: &mut Room, index: u32) -> MemberId {
    room.join(peer(index), Name::new(&format!("m{index}")).unwrap())
}

#[test]
fn line_cut_at_a_chunk_boundary_is_still_recognized() {
    let mut room = Room::default();
    let (member_id, other) = (join(&mut room, 1), join(&mut room, 2));
    room.set_lossy(member_id);
    drain(&mut room, member_id, 100);
    say(&mut room, &"x".repeat(2 * CHUNK));
    drain(&mut room, other, CHUNK);
    // The message takes the rest of the first chunk and nothing of the next one.
    let Offer::Log { from, .. } = room.offer(member_id) else { panic!("nothing to hear") };
    room.sent(member_id, CHUNK - from as usize);
    room.set_blocked(member_id, true);
    (0..3).for_each(|_| assert!(room.settle(2 * CHUNK).is_empty()));
    say(&mut room, "the last");
    room.settle(10);
    assert_eq!(room.take_skipped(), 1, "the last alone: what was begun is finished");
    let heard = drain(&mut room, member_id, 100);
    assert!(heard.ends_with("x\n") && heard.len() > CHUNK, "{}", heard.len());
}

#[test]
fn many_short_private_lines_count_with_their_overhead() {
    let mut room = Room::default();
    let member_id = join(&mut room, 1);
    drain(&mut room, member_id, 100);
    room.set_blocked(member_id, true);
    let backlog = 64 * 1024;
    let mut count = 0;
    while room.settle(backlog).is_empty() {
        room.send_to(member_id, "x");
        count += 1;
    }
    assert_eq!(count, backlog / (2 + DIRECT_MESSAGE_BYTES) + 1);
    let (member, words) = (&room.members[member_id.0], count * 2);
    // Each has an entry, and its text is in the allocator's smallest block.
    assert!(member.direct_messages.capacity() * size_of::<DirectMessage>() + count * 32 <= backlog * 3 / 2);
    assert_eq!((room.behind(member_id), room.direct_bytes()), (words, words + count * DIRECT_MESSAGE_BYTES));
    assert_eq!(drain(&mut room, member_id, 100).len(), words);
    assert_eq!((room.behind(member_id), room.direct_bytes()), (0, 0));
}

/// Everything that the member can be sent, in pieces of at most `step` bytes.
fn drain(room: &mut Room, member_id: MemberId, step: usize) -> String {
    let mut heard = Vec::new();
    loop {
        let mut piece = Vec::new();
        match room.offer(member_id) {
            Offer::Nothing => return String::from_utf8(heard).unwrap(),
            Offer::DirectMessage(text) => piece.extend_from_slice(text),
            Offer::Log { from, to, .. } => {
                let mut slices = [&[][..]; 2];
                let count = room.slices(from, to, &mut slices);
                slices[..count].iter().for_each(|slice| piece.extend_from_slice(slice));
            }
        }
        piece.truncate(step);
        room.sent(member_id, piece.len());
        heard.extend_from_slice(&piece);
    }
}

#[test]
fn all_members_hear_the_same_order_at_any_reading_speed() {
    for step in [1, 3, 7, 100_000] {
        let mut room = Room::default();
        let (line, bare) = (join(&mut room, 1), join(&mut room, 2));
        say(&mut room, "m1: a");
        room.send_to(line, "to you alone");
        say(&mut room, "m2: b");
        room.send_to(bare, "to me alone");
        let long = "x".repeat(3 * CHUNK);
        say(&mut room, &long);
        assert_eq!(
            drain(&mut room, line, step),
            format!("m2 has joined the chat!\nm1: a\nto you alone\nm2: b\n{long}\n")
        );
        let mut lines = Vec::new();
        while !matches!(room.offer(bare), Offer::Nothing) {
            let each = |line: &[u8], _: bool| lines.push(String::from_utf8(line.to_vec()).unwrap());
            room.take_lines(bare, step, each);
        }
        assert_eq!(lines, ["m1: a", "m2: b", "to me alone", &long]);
    }
}

#[test]
fn lines_seen_by_all_are_freed_and_laggards_are_named() {
    let mut room = Room::default();
    let (fast, slow) = (join(&mut room, 1), join(&mut room, 2));
    for _ in 0..100 {
        say(&mut room, &"y".repeat(1000));
        drain(&mut room, fast, CHUNK);
        assert_eq!(room.settle(1 << 20), []);
    }
    assert_eq!(room.settle(50_000), [], "it was not offered anything yet");
    assert_eq!(room.settle(50_000), [], "and nothing has happened since");
    room.set_blocked(slow, true);
    assert_eq!(room.settle(100_000), [peer(2)]);
    let mut unsent = Vec::new();
    room.sent(slow, 10);
    room.drop_member(slow, &mut unsent);
    assert_eq!(unsent, "y".repeat(990).into_bytes().into_iter().chain([b'\n']).collect::<Vec<_>>());
    drain(&mut room, fast, CHUNK);
    room.trim_log();
    assert_eq!(room.log_bytes(), CHUNK);
    assert_eq!(room.timeline.log.base, room.timeline.log.end, "the next message comes where the first did");
}

#[test]
fn speech_has_its_name_prefix_across_chunks_and_in_history() {
    let mut room = Room::default();
    let member_id = join(&mut room, 1);
    room.broadcast(member_id, b"nobody asked for a history");
    room.set_history(2, CHUNK);
    drain(&mut room, member_id, CHUNK);
    let mut expected = String::new();
    for number in 0..2 * CHUNK / 100 {
        room.broadcast(member_id, format!("{number:90}").as_bytes());
        expected += &format!("m1: {number:90}\n");
    }
    room.emote(member_id, "waves");
    assert!(drain(&mut room, member_id, CHUNK) == expected + "* m1 waves\n");
    let last = 2 * CHUNK / 100 - 1;
    assert_eq!(room.history().collect::<Vec<_>>(), [format!("m1: {last:90}"), "* m1 waves".to_owned()]);
}

#[test]
fn history_is_bounded_in_messages_and_bytes() {
    let mut room = Room::default();
    say(&mut room, "forgotten: nobody asked for a history");
    room.set_history(3, 20);
    ["a: 1", "b: 2", "c: 3", "d: 4"].iter().for_each(|line| say(&mut room, line));
    assert_eq!(room.history().collect::<Vec<_>>(), ["b: 2", "c: 3", "d: 4"]);
    say(&mut room, "e: a longer one");
    assert_eq!(room.history().collect::<Vec<_>>(), ["d: 4", "e: a longer one"]);
    room.set_history(1, 20);
    assert_eq!(room.history().collect::<Vec<_>>(), ["e: a longer one"]);
}

#[test]
fn private_lines_use_no_memory_once_heard() {
    let mut room = Room::default();
    let member_id = join(&mut room, 1);
    for _ in 0..1000 {
        room.send_to(member_id, "psst");
    }
    assert_eq!(room.direct_bytes(), room.direct_bytes_of(member_id));
    drain(&mut room, member_id, CHUNK);
    assert_eq!((room.direct_bytes(), room.members[member_id.0].direct_messages.capacity()), (0, 0));
    room.send_to(member_id, "psst");
    room.drop_member(member_id, &mut Vec::new());
    assert_eq!(room.direct_bytes(), 0, "nor does one who is gone");
}

#[test]
fn leaving_member_is_sent_its_unseen_lines() {
    let mut room = Room::default();
    let (a, b) = (join(&mut room, 1), join(&mut room, 2));
    say(&mut room, "m1: hi");
    room.send_to(b, "psst");
    let mut unsent = Vec::new();
    room.leave(b, &mut unsent);
    assert_eq!(unsent, b"m1: hi\npsst\n");
    assert_eq!(drain(&mut room, a, 5), "m2 has joined the chat!\nm1: hi\nm2 has left the chat.\n");
    assert_eq!(room.who(), "m1 (1)");
    assert_eq!(room.peers().collect::<Vec<_>>(), [peer(1)]);
}
