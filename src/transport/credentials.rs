//! Who is at the other end of a Unix socket, as the kernel says.

use std::os::fd::AsFd;

use rustix::net::sockopt;

use crate::engine::message::Origin;

/// The user and the group of a process that the kernel does not name, as in /proc/sys/kernel/overflowuid.
pub(super) const UID_UNKNOWN: u32 = 65534;

/// Who connected to a Unix socket (SO_PEERCRED, unix(7)).
pub(super) fn process(fd: impl AsFd) -> Origin {
    match sockopt::socket_peercred(fd) {
        Ok(peer) => Origin::Process {
            uid: peer.uid.as_raw(),
            gid: peer.gid.as_raw(),
            pid: u32::try_from(peer.pid.as_raw_pid()).unwrap_or_default(),
        },
        // A process of a PID namespace that we do not see has no pid, which rustix has no value for.
        Err(_) => Origin::Process { uid: UID_UNKNOWN, gid: UID_UNKNOWN, pid: 0 },
    }
}
