//! The sockets of the daemons of this machine.

use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use ipcd::transport::directory::{is_of_instance, runtime_directory_if_there};

/// The most daemons that are asked: far more than a machine has processors for.
const INSTANCES_MAX: usize = 256;

/// The runtime directories: systemd makes one for each service, the login manager one for each user.
const SYSTEM: &str = "/run";
const USERS: &str = "/run/user";

/// The runtime directories in which daemons may be.
fn directories() -> Vec<PathBuf> {
    let mut directories = vec![PathBuf::from(SYSTEM)];
    directories.extend(runtime_directory_if_there());
    // Only root may enter those of other users.
    let users = std::fs::read_dir(USERS).into_iter().flatten().flatten();
    directories.extend(users.map(|entry| entry.path()));
    directories.sort();
    directories.dedup();
    directories
}

/// The sockets of daemons of this machine.
pub(crate) fn all() -> Vec<PathBuf> {
    sockets(&directories())
}

/// The sockets of daemons in these directories: `ipcd/ipcd.sock`, and `ipcd-NAME/ipcd.sock`.
fn sockets(directories: &[PathBuf]) -> Vec<PathBuf> {
    let within = directories.iter().flat_map(|directory| std::fs::read_dir(directory).into_iter().flatten());
    let within = within.flatten().filter(|entry| {
        is_of_instance(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    let mut sockets: Vec<PathBuf> = within
        .map(|entry| entry.path().join("ipcd.sock"))
        // Not through a symbolic link, which could lead root to somebody else's socket.
        .filter(|path| std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()))
        .collect();
    // ipcd-10 comes after ipcd-9.
    sockets.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    sockets.truncate(INSTANCES_MAX);
    sockets
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_of_instances_are_found_in_the_order_of_their_numbers() {
        let base = tempfile::tempdir().unwrap();
        let mut kept = Vec::new();
        for name in ["ipcd-10", "ipcd-9", "ipcd", "ipcd-", "other"] {
            std::fs::create_dir(base.path().join(name)).unwrap();
            kept.push(UnixListener::bind(base.path().join(name).join("ipcd.sock")).unwrap());
        }
        std::fs::create_dir(base.path().join("ipcd-link")).unwrap();
        symlink(base.path().join("ipcd/ipcd.sock"), base.path().join("ipcd-link/ipcd.sock")).unwrap();
        symlink(base.path().join("ipcd"), base.path().join("ipcd-x")).unwrap();
        std::fs::create_dir(base.path().join("ipcd-file")).unwrap();
        std::fs::write(base.path().join("ipcd-file/ipcd.sock"), "").unwrap();
        let found = sockets(&[base.path().to_owned(), base.path().join("missing")]);
        let expected = ["ipcd", "ipcd-9", "ipcd-10"].map(|name| base.path().join(name).join("ipcd.sock"));
        assert_eq!(found, expected);
    }
}
