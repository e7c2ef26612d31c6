//! Groups of this system, for the files of endpoints.

use nix::unistd::{Gid, Group};
use rustix::process::{getegid, geteuid, getgroups};

pub(super) fn find_group(name: &str) -> Option<u32> {
    if name.is_empty() {
        return None; // a service of names, which nsswitch.conf(5) may list, takes as long to find that out as the rest of the start
    }
    Some(Group::from_name(name).ok()??.gid.as_raw())
}

/// A group's name, or its number if it has no name.
pub(super) fn group_name(gid: u32) -> String {
    match Group::from_gid(Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    }
}

/// Whether the group exists.
pub fn exists(name: &str) -> bool {
    find_group(name).is_some()
}

/// Whether the group exists and we may give our files to it (chown(2)): root to any group, others to their own groups.
pub fn may_give_to(name: &str) -> bool {
    find_group(name).is_some_and(|gid| {
        geteuid().is_root()
            || getegid().as_raw() == gid
            || getgroups().is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == gid))
    })
}
