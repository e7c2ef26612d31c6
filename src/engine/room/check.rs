//! The invariants of the room between any two inputs.

use super::super::message::ConnectionId;
use super::{Hearing, MemberId, Room};

impl Room {
    /// Asserts the invariants; `ready_members`: the list of members that can be offered something.
    pub fn check<'a>(&self, ready_members: impl Iterator<Item = &'a ConnectionId>) {
        let mut ready_members: Vec<&ConnectionId> = ready_members.collect();
        ready_members.sort_unstable();
        for (_, member) in &self.members {
            let (peer, name) = (&member.peer, &member.name.shown);
            let log = self.timeline.log.base..=self.timeline.log.end;
            assert!(log.contains(&member.cursor), "{name} was sent {} of {log:?}", member.cursor);
            let direct_messages: usize = member.direct_messages.iter().map(|direct| direct.bytes()).sum();
            assert_eq!(member.direct_bytes, direct_messages, "bytes of direct messages to {name}");
            let first = ready_members.partition_point(|other| *other < peer);
            let times = ready_members[first..].iter().take_while(|other| **other == peer).count();
            assert!(!member.is_listed || times > 0, "{name} was collected, but is in no list");
            assert!(!member.is_listed || times == 1, "{name} is listed {times} times");
        }
        let members = || self.members.iter().map(|(_, member)| member);
        let blocked = members().filter(|member| member.blocked).count();
        assert_eq!(self.blocked, blocked, "members that are blocked");
        let direct_messages: usize =
            members().filter(|member| !member.lossy).map(|member| member.direct_bytes).sum();
        assert_eq!(self.direct_bytes, direct_messages, "bytes of direct messages");
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

    /// How its messages go to a member, as far as the room knows.
    pub fn hearing(&self, member_id: MemberId) -> Hearing {
        self.members[member_id.0].hearing
    }
}

#[cfg(test)]
mod tests;
