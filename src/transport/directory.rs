//! The directory of `%t`, and the one that ipcd creates in it.

use crate::os_error::describe;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The mode of a directory for socket files: everyone may enter; a socket's own mode says who may connect.
const SOCKETS_MODE: u32 = 0o755;

/// The mode of a runtime directory in /tmp, the same as that of `$XDG_RUNTIME_DIR`.
const PRIVATE_MODE: u32 = 0o700;

/// The runtime directory, `%t` as in systemd.unit(5): `/run` for root, `$XDG_RUNTIME_DIR` for others; if that is
/// not set (no login session), `/tmp/ipcd-UID`, which is created if necessary.
///
/// The error says what is wrong with `/tmp/ipcd-UID` and what to do: in /tmp another user may have created it first, so
/// it must be our own directory that no other user can enter.
pub fn runtime_directory() -> Result<PathBuf, String> {
    let uid = rustix::process::geteuid().as_raw();
    runtime_directory_of(uid, std::env::var_os("XDG_RUNTIME_DIR").as_deref(), Path::new("/tmp"))
}

/// The same for a client, which creates nothing: where a daemon of this user would have its socket.
pub fn runtime_directory_if_there() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    if uid == 0 {
        return Some(PathBuf::from("/run"));
    }
    let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    session.or_else(|| Some(PathBuf::from(format!("/tmp/ipcd-{uid}"))).filter(|path| is_private(uid, path)))
}

/// The directory of an instance's files in `%t`: that of the path `ipcd/FILE`, or `ipcd-NAME/FILE`, in it. ipcd makes it.
pub fn of_instance(within_runtime: &Path) -> Option<&Path> {
    let directory = within_runtime.parent().filter(|directory| is_of_instance(directory.as_os_str()));
    directory.filter(|_| within_runtime.file_name().is_some())
}

/// Whether a directory with this name in `%t` is one of an instance.
pub fn is_of_instance(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name == b"ipcd"
        || name.strip_prefix(b"ipcd-").is_some_and(|name| !name.is_empty() && !name.contains(&b'/'))
}

/// Whether no other user can have put a socket there.
fn is_private(uid: u32, path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|it| it.is_dir() && it.uid() == uid && it.mode() & 0o077 == 0)
}

fn runtime_directory_of(uid: u32, session: Option<&OsStr>, temporary: &Path) -> Result<PathBuf, String> {
    if uid == 0 {
        return Ok(PathBuf::from("/run"));
    }
    // The specification says to ignore a relative path (XDG Base Directory Specification).
    match session.map(Path::new) {
        Some(session) if session.is_absolute() => Ok(session.to_owned()),
        _ => private(uid, temporary.join(format!("ipcd-{uid}"))),
    }
}

/// Creates `path` as a directory that only this user can enter, or checks that it is one.
fn private(uid: u32, path: PathBuf) -> Result<PathBuf, String> {
    let refused =
        |what: &str| Err(format!("{}: {what}; remove it, or set XDG_RUNTIME_DIR", path.to_string_lossy()));
    match DirBuilder::new().mode(PRIVATE_MODE).create(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return refused(&format!("cannot be created ({})", describe(&error))),
    }
    // Checked even if we have just created it, because it costs nothing.
    match fs::symlink_metadata(&path) {
        Err(error) => refused(&format!("cannot be examined ({})", describe(&error))),
        Ok(it) if it.is_symlink() => refused("is a symbolic link"),
        Ok(it) if !it.is_dir() => refused("is not a directory"),
        Ok(it) if it.uid() != uid => refused(&format!("belongs to another user (uid {})", it.uid())),
        Ok(it) if it.mode() & 0o077 != 0 => {
            refused(&format!("others may enter it (mode {:04o}, not {PRIVATE_MODE:04o})", it.mode() & 0o7777))
        }
        Ok(_) => Ok(path),
    }
}

/// Creates a directory for socket files; `false` if it already exists.
pub(super) fn make(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(SOCKETS_MODE).create(path) {
        Ok(()) => {
            // The umask may have removed bits that clients of other users need.
            fs::set_permissions(path, Permissions::from_mode(SOCKETS_MODE))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn instance_directory_is_ipcd_or_ipcd_with_a_name() {
        for (path, directory) in [
            ("ipcd/ipcd.sock", Some("ipcd")),
            ("ipcd-1/chat", Some("ipcd-1")),
            ("ipcd-/chat", None),
            ("ipcd", None),
            ("ipcd-1", None),
            ("ipcd-1/a/b", None),
            ("ipcdx/a", None),
            ("a/ipcd-1/b", None),
        ] {
            assert_eq!(of_instance(Path::new(path)), directory.map(Path::new), "{path}");
        }
    }

    const SOMEBODY: u32 = 4711;

    fn our_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn root_uses_run_and_a_session_its_runtime_directory() {
        let nowhere = Path::new("/nonexistent");
        let of = |uid, session: &str| runtime_directory_of(uid, Some(OsStr::new(session)), nowhere);
        assert_eq!(of(0, "/run/user/0"), Ok(PathBuf::from("/run")));
        assert_eq!(of(SOMEBODY, "/run/user/4711"), Ok(PathBuf::from("/run/user/4711")));
        for ignored in ["", "run/user/4711"] {
            assert!(of(SOMEBODY, ignored).unwrap_err().contains("/nonexistent/ipcd-4711: cannot be created"));
        }
    }

    #[test]
    fn private_directory_is_made_without_a_session_and_reused() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("ipcd-x");
        for _ in 0..2 {
            assert_eq!(private(our_uid(), path.clone()), Ok(path.clone()));
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        }
    }

    #[test]
    fn prepared_directory_of_another_user_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join(format!("ipcd-{SOMEBODY}"));
        let refused = |reason: &str| {
            let error = private(our_uid(), path.clone()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };

        fs::write(&path, "").unwrap();
        refused("is not a directory");
        fs::remove_file(&path).unwrap();

        let target = tempfile::tempdir().unwrap();
        symlink(target.path(), &path).unwrap();
        refused("is a symbolic link");
        fs::remove_file(&path).unwrap();

        fs::create_dir(&path).unwrap();
        for mode in [0o755, 0o710, 0o701] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            refused("others may enter it");
        }

        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        let error = private(our_uid() + 1, path.clone()).unwrap_err();
        assert!(error.contains("belongs to another user"), "{error}");
    }

    #[test]
    fn socket_directory_is_searchable_by_everyone() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("ipcd");
        assert!(make(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
        assert!(!make(&path).unwrap());
    }
}
