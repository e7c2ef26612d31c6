//! Who may come in through a door. Knows users and groups by their numbers; has never seen a name or a socket.

use std::collections::BTreeSet;

use super::message::Origin;

/// The user that stands for whoever the kernel does not name, as in /proc/sys/kernel/overflowuid.
const NOBODY: u32 = 65534;

/// Whom an endpoint lets in, beside root and the daemon's own user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

impl Allowed {
    /// These users, and those whose process has one of these groups.
    pub fn new(users: impl IntoIterator<Item = u32>, groups: impl IntoIterator<Item = u32>) -> Allowed {
        Allowed { users: users.into_iter().collect(), groups: groups.into_iter().collect() }
    }

    /// Whoever is in one of the two.
    pub fn or(mut self, other: Allowed) -> Allowed {
        self.users.extend(other.users);
        self.groups.extend(other.groups);
        self
    }

    /// Whether it names nobody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// The user who may not come in, if that is so.
    pub fn refuses(&self, origin: Origin, owner: u32) -> Option<u32> {
        let Origin::Process { uid, gid, .. } = origin else { return Some(NOBODY) };
        let is_let_in = uid == 0 || uid == owner || self.users.contains(&uid) || self.groups.contains(&gid);
        (!is_let_in).then_some(uid)
    }
}

/// What somebody is told who may not come in.
pub fn refusal(uid: u32) -> String {
    format!("Error: user {uid} may not use this socket")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::REFUSAL_BYTES;

    #[test]
    fn root_the_owner_and_those_on_the_list_come_in_and_nobody_else() {
        let allowed = Allowed::new([1000], []).or(Allowed::new([1001], [50]));
        let refuses = |uid, gid| allowed.refuses(Origin::Process { uid, gid, pid: 1 }, 990);
        for (uid, gid) in [(0, 7), (990, 7), (1000, 7), (1001, 7), (1002, 50)] {
            assert_eq!(refuses(uid, gid), None, "{uid} {gid}");
        }
        for (uid, gid) in [(1002, 7), (50, 7), (7, 1000), (NOBODY, NOBODY)] {
            assert_eq!(refuses(uid, gid), Some(uid), "{uid} {gid}");
        }
        assert_eq!(allowed.refuses(Origin::Address("127.0.0.1:5".parse().unwrap()), 990), Some(NOBODY));
        assert!(Allowed::default().is_empty() && !allowed.is_empty());
    }

    #[test]
    fn what_is_said_fits_where_refusals_wait() {
        assert!(refusal(u32::MAX).len() < REFUSAL_BYTES);
    }
}
