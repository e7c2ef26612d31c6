//! Groups of this system, for the files of endpoints.

use rustix::process::{getegid, geteuid, getgroups};

pub(super) fn find_group(name: &str) -> Option<u32> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    Some(uzers::get_group_by_name(name)?.gid())
}

/// A group's name, or its number if it has no name.
pub(super) fn group_name(gid: u32) -> String {
    match uzers::get_group_by_gid(gid) {
        Some(group) => group.name().to_string_lossy().into_owned(),
        None => gid.to_string(),
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
