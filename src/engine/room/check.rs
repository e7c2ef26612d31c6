//! The invariants of the room between any two inputs.

use super::super::message::ConnectionId;
use super::{MemberId, Room};

impl Room {
    /// Asserts the invariants; `ready_members`: the list of members that can be offered something.
    pub fn check<'a>(&self, ready_members: impl Iterator<Item = &'a ConnectionId>) {
        let mut ready_members: Vec<&ConnectionId> = ready_members.collect();
        ready_members.sort_unstable();
        for (_, member) in &self.members {
            let (peer, name) = (&member.peer, &member.name.shown);
            let log = self.timeline.log.base..=self.timeline.log.end;
            assert!(log.contains(&member.cursor), "{name} has heard {} of {log:?}", member.cursor);
            let asides: usize = member.asides.iter().map(|aside| aside.bytes()).sum();
            assert_eq!(member.aside_bytes, asides, "what was said to {name} alone");
            let first = ready_members.partition_point(|other| *other < peer);
            let times = ready_members[first..].iter().take_while(|other| **other == peer).count();
            assert!(!member.called || times > 0, "{name} was collected, but is in no list");
            assert!(!member.called || times == 1, "{name} was called {times} times");
        }
        let members = || self.members.iter().map(|(_, member)| member);
        let blocked = members().filter(|member| member.blocked).count();
        assert_eq!(self.blocked, blocked, "members that are blocked");
        let asides: usize = members().filter(|member| !member.lossy).map(|member| member.aside_bytes).sum();
        assert_eq!(self.aside_bytes, asides, "what was said to members alone");
        assert_eq!(self.keys.len(), self.members.len(), "names, and members who have one");
        for (index, member) in &self.members {
            let holder = self.keys.get(&member.name.key);
            assert_eq!(holder, Some(&MemberId(index)), "{} has another one's name", member.name.shown);
        }
    }

    /// Whether the kernel accepts nothing for a member, as far as the room knows.
    pub fn is_blocked(&self, member_id: MemberId) -> bool {
        self.members[member_id.0].blocked
    }
}

#[cfg(test)]
mod tests;
