//! Changes of a file's mode and group.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Gid, chownat, fstat};

use super::group::{find_group, group_name};
use crate::os_error::describe;

/// Changes the mode of a file, with `set_mode`, and its group. It is never looser than the new mode in between. If there is no
/// such group, or none is named, its group becomes `own`; without that, it keeps its group.
///
/// Returns deviations from the request, each as a line for the log.
///
/// # Errors
/// The file no longer belongs to us.
pub(super) fn change(
    file: BorrowedFd<'_>,
    name: impl fmt::Display,
    set_mode: impl Fn(u32) -> io::Result<()>,
    (mode, group): (u32, &str),
    own: Option<u32>,
) -> io::Result<Vec<String>> {
    let named = find_group(group);
    let mut gid = fstat(file)?.st_gid;
    let mut warnings = Vec::new();
    if let Some(wanted) = named.or(own).filter(|wanted| *wanted != gid) {
        set_mode(mode & 0o700)?;
        match chownat(file, "", None, Some(Gid::from_raw(wanted)), AtFlags::EMPTY_PATH) {
            Ok(()) => gid = wanted,
            Err(errno) => warnings.push(format!(
                "{name}: cannot be given to group {}: {}; it has group {}",
                group_name(wanted),
                describe(&errno.into()),
                group_name(gid),
            )),
        }
    }
    set_mode(mode)?;
    if named.is_none() && !group.is_empty() {
        warnings.push(format!("{name}: group {group} does not exist; using group {}", group_name(gid)));
    }
    Ok(warnings)
}
