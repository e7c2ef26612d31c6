//! Switching to another user, for a daemon that root starts. There is no way back.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use crate::os_error::describe;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, fchown, geteuid, initgroups, setresgid, setresuid, setuid};
use rustix::thread::set_no_new_privs;

/// A user of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl User {
    /// Finds the user to switch to (getpwnam(3)).
    ///
    /// # Errors
    /// There is no such user, it is root itself, or this process is neither root nor that user.
    pub fn find(name: &str) -> Result<User, String> {
        let shown = name.escape_debug();
        let found = nix::unistd::User::from_name(name)
            .map_err(|errno| format!("--user {shown}: cannot be looked up: {}", describe(&errno.into())))?;
        let Some(found) = found else {
            return Err(format!("--user {shown}: no such user; name one that exists"));
        };
        if found.uid.is_root() {
            return Err(format!("--user {shown}: that is root; name a user without privileges"));
        }
        if !geteuid().is_root() && geteuid() != found.uid {
            return Err(format!("--user {shown}: only root can switch to another user; leave it out"));
        }
        Ok(User { name: name.to_owned(), uid: found.uid, gid: found.gid })
    }

    /// Gives this user a file.
    ///
    /// # Errors
    /// Those of fchown(2).
    pub fn give(&self, file: &impl AsFd) -> io::Result<()> {
        Ok(fchown(file, Some(self.uid), Some(self.gid))?)
    }

    /// Switches to this user. In this order: supplementary groups, group ids, user ids (real, effective and saved), and
    /// PR_SET_NO_NEW_PRIVS, so that no later program gains privileges. Root's capabilities are lost with the user ids.
    ///
    /// # Errors
    /// A step failed; then this process must exit, because it has the rights of neither user completely.
    pub fn assume(&self) -> Result<(), String> {
        let failed = |what: &str, errno: Errno| {
            format!("cannot switch to user {}: {what}: {}", self.name, describe(&errno.into()))
        };
        if geteuid().is_root() {
            let name =
                std::ffi::CString::new(self.name.as_str()).map_err(|_| failed("name", Errno::EINVAL))?;
            initgroups(&name, self.gid).map_err(|errno| failed("initgroups", errno))?;
            setresgid(self.gid, self.gid, self.gid).map_err(|errno| failed("setresgid", errno))?;
            setresuid(self.uid, self.uid, self.uid).map_err(|errno| failed("setresuid", errno))?;
        }
        if setuid(Uid::from_raw(0)).is_ok() {
            return Err(failed("it could become root again", Errno::EPERM));
        }
        set_no_new_privs(true)
            .map_err(|error| format!("cannot give up privileges: {}", describe(&error.into())))
    }

    /// Its name, as given.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Creates a directory for this user that others may enter (mode 0755), unless something is there.
///
/// # Errors
/// Those of mkdir(2), except EEXIST, and of fchown(2).
pub fn make_directory(path: &std::path::Path, user: &User) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    match std::fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let directory = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
    directory.set_permissions(PermissionsExt::from_mode(0o755))?; // whatever the umask
    user.give(&directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_missing_user_are_refused() {
        for (name, reason) in [("root", "that is root"), ("no such\u{1b} user", "no such user")] {
            let error = User::find(name).unwrap_err();
            assert!(error.contains(reason) && !error.contains('\u{1b}'), "{error}");
        }
    }
}
