//! Groups of this system, for the files of endpoints.

use rustix::process::{getegid, geteuid, getgroups};

pub(super) fn find_group(name: &str) -> Option<u32> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    Some(uzers::get_group_by_name(name)?.gid())
}

/// A group as people know it: its name, or its number if it has none.
pub(super) fn group_name(gid: u32) -> String {
    match uzers::get_group_by_gid(gid) {
        Some(group) => group.name().to_string_lossy().into_owned(),
        None => gid.to_string(),
    }
}

/// Whether there is a group of that name.
pub fn exists(name: &str) -> bool {
    find_group(name).is_some()
}

/// Whether there is a group of that name to which we may give a file of ours (chown(2)): root to any, others to their own.
pub fn may_give_to(name: &str) -> bool {
    find_group(name).is_some_and(|gid| {
        geteuid().is_root()
            || getegid().as_raw() == gid
            || getgroups().is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == gid))
    })
}
