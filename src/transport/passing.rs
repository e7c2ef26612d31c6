//! Descriptors that somebody passes along with what is said (SCM_RIGHTS, unix(7)): none is ever wanted here.

use std::os::fd::AsFd;

use nix::libc;
use nix::sys::socket::setsockopt;

/// SO_PASSRIGHTS of `asm-generic/socket.h`, since Linux 6.16; libc has no name for it yet.
const SO_PASSRIGHTS: libc::c_int = 83;

#[derive(Clone, Copy, Debug)]
struct PassRights;

// The one use of `unsafe` behind it is nix's own, and checked there.
nix::setsockopt_impl!(PassRights, libc::SOL_SOCKET, SO_PASSRIGHTS, bool, nix::sys::socket::sockopt::SetBool);

/// Has the kernel refuse descriptors already where they are sent (EPERM), on this socket and on those that are accepted
/// from it.
///
/// Not to receive them is not enough: the last descriptor of a file is then closed by us, and that can take as long as
/// somebody likes (a TCP socket with SO_LINGER and unsent bytes). On a kernel that has no such option that stays so.
pub(super) fn refuse_descriptors(socket: &impl AsFd) {
    // ENOPROTOOPT: an older kernel.
    let _ = setsockopt(socket, PassRights, &false);
}
