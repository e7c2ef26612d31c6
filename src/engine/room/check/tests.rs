use super::*;
use crate::engine::check::tests::{ANN, assert_found, assert_panics, company};
use crate::engine::name::Name;

/// Breaks something in a room with the members Ann and Bob.
#[track_caller]
fn assert_room_found(message: &str, breaks: impl FnOnce(&mut Room)) {
    assert_found(company(), message, |engine| breaks(&mut engine.shared.room));
}

#[test]
fn check_finds_a_member_that_the_room_disagrees_with() {
    assert_room_found("Ann was sent", |room| room.members[0].cursor += 1);
    assert_room_found("bytes of direct messages to Ann", |room| room.members[0].direct_bytes += 1);
    assert_room_found("Ann was collected, but is in no list", |room| room.members[0].is_listed = true);
    assert_panics("Ann is listed 2 times", || {
        let mut room = Room::default();
        let member_id = room.join(ANN, Name::new("Ann").unwrap());
        room.members[member_id.0].is_listed = true;
        room.check([ANN, ANN].iter());
    });
}

#[test]
fn check_finds_counts_and_names_that_are_not_its_members() {
    assert_room_found("members that are blocked", |room| room.blocked += 1);
    assert_room_found("bytes of direct messages", |room| room.direct_bytes += 1);
    assert_room_found("names, and members who have one", |room| {
        room.keys.insert(Name::new("Eve").unwrap().key, MemberId(0));
    });
    assert_room_found("Bob has another one's name", |room| {
        room.keys.insert(Name::new("Bob").unwrap().key, MemberId(0));
    });
}
