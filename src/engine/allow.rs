//! Who may come in through a door. Knows users and groups by their numbers; has never seen a name or a socket.

use std::collections::BTreeSet;

use super::message::Origin;
use super::service::Service;

/// Who may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This user.
    User(u32),
    /// Somebody whom the kernel does not name.
    Unknown,
}

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

    /// Who may not come in, if that is so. Nobody is let in for a user whom the kernel does not name.
    pub fn refuses(&self, origin: Origin, owner: u32) -> Option<Refused> {
        let Origin::Process { uid, gid, .. } = origin else { return Some(Refused::Unknown) };
        let is_let_in = is_master(origin, owner) || self.users.contains(&uid) || self.groups.contains(&gid);
        (!is_let_in).then_some(Refused::User(uid))
    }
}

/// Whom the lists of a service let in; `None`: everybody. Those of watch, which shows what others say, let in nobody else
/// while they are empty.
pub fn listed(service: Service, lists: Allowed) -> Option<Allowed> {
    (service == Service::Watch || !lists.is_empty()).then_some(lists)
}

/// Whether it is root or `owner`, the daemon's own user: as the kernel says, so on a Unix socket alone.
pub fn is_master(origin: Origin, owner: u32) -> bool {
    matches!(origin, Origin::Process { uid, .. } if uid == 0 || uid == owner)
}

/// What somebody is told who may not come in.
pub fn refusal(refused: Refused) -> String {
    match refused {
        Refused::User(uid) => format!("Error: user {uid} may not use this socket"),
        Refused::Unknown => "Error: an unknown user may not use this socket".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::REFUSAL_BYTES;
    use crate::engine::message::NO_GROUP;

    #[test]
    fn root_the_owner_and_those_on_the_list_come_in_and_nobody_else() {
        let allowed = Allowed::new([1000], []).or(Allowed::new([1001], [50]));
        let refuses = |uid, gid| allowed.refuses(Origin::Process { uid, gid, pid: 1 }, 990);
        for (uid, gid) in [(0, 7), (990, 7), (1000, 7), (1001, 7), (1002, 50)] {
            assert_eq!(refuses(uid, gid), None, "{uid} {gid}");
        }
        for (uid, gid) in [(1002, 7), (50, 7), (7, 1000), (65534, 65534)] {
            assert_eq!(refuses(uid, gid), Some(Refused::User(uid)), "{uid} {gid}");
        }
        assert_eq!(
            allowed.refuses(Origin::Address("127.0.0.1:5".parse().unwrap()), 990),
            Some(Refused::Unknown)
        );
        assert!(Allowed::default().is_empty() && !allowed.is_empty());
    }

    #[test]
    fn root_and_the_owner_are_masters_and_nobody_from_the_network() {
        assert!(is_master(Origin::Process { uid: 0, gid: 1, pid: 1 }, 990));
        assert!(is_master(Origin::Process { uid: 990, gid: 1, pid: 0 }, 990));
        assert!(!is_master(Origin::Process { uid: 1000, gid: 1, pid: 1 }, 990));
        assert!(!is_master(Origin::Address("127.0.0.1:5".parse().unwrap()), 0));
    }

    #[test]
    fn whom_the_kernel_does_not_name_is_on_no_list_and_nobodys_equal() {
        let stranger = Origin::Unknown { pid: 7 };
        for owner in [0, 990, 65534, u32::MAX] {
            let everybody_known = Allowed::new([65534, u32::MAX], [65534]);
            assert_eq!(everybody_known.refuses(stranger, owner), Some(Refused::Unknown));
            assert!(!is_master(stranger, owner));
        }
        let without_group = Origin::Process { uid: 7, gid: NO_GROUP, pid: 0 };
        assert_eq!(Allowed::new([], [65534]).refuses(without_group, 990), Some(Refused::User(7)));
    }

    #[test]
    fn what_is_said_fits_where_refusals_wait() {
        for refused in [Refused::User(u32::MAX), Refused::Unknown] {
            assert!(refusal(refused).len() < REFUSAL_BYTES);
        }
    }
}
