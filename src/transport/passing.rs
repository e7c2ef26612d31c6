//! Descriptors that a peer sends along with data (SCM_RIGHTS, unix(7)): they are never accepted.

use std::os::fd::AsFd;

use nix::libc;
use nix::sys::socket::setsockopt;

/// SO_PASSRIGHTS of `asm-generic/socket.h`, since Linux 6.16; libc has no name for it yet.
const SO_PASSRIGHTS: libc::c_int = 83;

#[derive(Clone, Copy, Debug)]
struct PassRights;

// The only `unsafe` behind it is nix's own, and checked there.
nix::setsockopt_impl!(PassRights, libc::SOL_SOCKET, SO_PASSRIGHTS, bool, nix::sys::socket::sockopt::SetBool);

/// Makes the kernel refuse descriptors at the sender (EPERM), on this socket and on those that are accepted
/// from it.
///
/// It is not enough not to receive them: closing the last descriptor of a file then happens in this process, and can take as
/// long as the sender wants (a TCP socket with SO_LINGER and unsent bytes). Older kernels do not have this option.
pub(super) fn refuse_descriptors(socket: &impl AsFd) {
    // ENOPROTOOPT: an older kernel.
    let _ = setsockopt(socket, PassRights, &false);
}
