//! The identity of a Unix socket's peer, from the kernel (SO_PEERCRED and SCM_CREDENTIALS, unix(7)). If the kernel does not
//! give it, it is unknown, and never a user.

use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use crate::engine::message::{NO_GROUP, RemoteAddress};

/// The number that the kernel gives for a user or group without a number in our user namespace, unless configured otherwise
/// (/proc/sys/kernel/overflowuid).
const OVERFLOW_ID: u32 = 65534;

/// The ids of a complete user namespace: all except -1.
const IDS: u64 = u32::MAX as u64;

/// The process that connected, or called listen(2) on the other end. pid 0 is a process outside our PID namespace; its user is
/// still the real one.
pub(super) fn of_peer(fd: &impl AsFd) -> RemoteAddress {
    match getsockopt(fd, PeerCredentials) {
        Ok(peer) => of(peer.uid(), peer.gid(), peer.pid()),
        Err(_) => RemoteAddress::Unknown { pid: 0 },
    }
}

/// The peer's identity. The overflow number is a real user only in a complete user namespace.
pub(super) fn of(uid: u32, gid: u32, pid: i32) -> RemoteAddress {
    static USERS: OnceLock<Ids> = OnceLock::new();
    static GROUPS: OnceLock<Ids> = OnceLock::new();
    let users = USERS.get_or_init(|| Ids::read("uid"));
    let groups = GROUPS.get_or_init(|| Ids::read("gid"));
    let pid = u32::try_from(pid).unwrap_or_default();
    match (users.known(uid), groups.known(gid)) {
        (Some(uid), gid) => RemoteAddress::Process { uid, gid: gid.unwrap_or(NO_GROUP), pid },
        (None, _) => RemoteAddress::Unknown { pid },
    }
}

/// The sender of a datagram. It is unknown for datagrams from before SO_PASSCRED was set.
pub(super) fn of_sender(uid: u32, gid: u32, pid: u32) -> RemoteAddress {
    match (uid, pid) {
        (OVERFLOW_ID, 0) => RemoteAddress::Unknown { pid: 0 },
        _ => of(uid, gid, pid.cast_signed()),
    }
}

/// Whether the numbers of users, or of groups, are reliable here.
#[derive(Debug, PartialEq, Eq)]
struct Ids {
    /// The overflow number, for all without a number.
    overflow: u32,
    /// Whether every user or group has a number.
    is_whole: bool,
}

impl Ids {
    /// Those of this process's user namespace (user_namespaces(7)). If they cannot be read, the namespace counts as incomplete.
    fn read(kind: &str) -> Ids {
        let overflow = std::fs::read_to_string(format!("/proc/sys/kernel/overflow{kind}"));
        let map = std::fs::read_to_string(format!("/proc/self/{kind}_map"));
        Ids::of(&overflow.unwrap_or_default(), &map.unwrap_or_default())
    }

    fn of(overflow: &str, map: &str) -> Ids {
        let counts = map.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok());
        Ids { overflow: overflow.trim().parse().unwrap_or(OVERFLOW_ID), is_whole: counts.sum::<u64>() >= IDS }
    }

    fn known(&self, id: u32) -> Option<u32> {
        (id != u32::MAX && (self.is_whole || id != self.overflow)).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn overflow_uid_is_a_user_only_if_all_uids_are_mapped() {
        for (map, is_whole) in [
            ("         0          0 4294967295\n", true),
            ("0 0 1\n1 1 4294967294\n", true), // systemd's PrivateUsers=full
            ("0 0 65536\n", false),            // its identity
            ("0 0 1\n990 990 1\n", false),     // and its yes
            ("", false),
            ("0 0 x\n", false),
        ] {
            let ids = Ids::of("65534\n", map);
            assert_eq!(ids.is_whole, is_whole, "{map}");
            assert_eq!(ids.known(65534).is_some(), is_whole, "{map}");
            assert_eq!((ids.known(990), ids.known(u32::MAX)), (Some(990), None), "{map}");
        }
        let other = Ids::of("4711\n", "0 0 65536\n");
        assert_eq!((other.known(4711), other.known(65534)), (None, Some(65534)));
        assert_eq!(Ids::of("", "").overflow, OVERFLOW_ID);
    }

    #[test]
    fn peer_of_a_socket_pair_is_this_process() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert_eq!(of_peer(&ours), RemoteAddress::Process { uid, gid, pid: std::process::id() });
    }
}
