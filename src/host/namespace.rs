//! Whether others on this machine see what is in our IPC namespace (ipc_namespaces(7)).

use std::fs;

/// The inode of the namespace that a machine begins with (PROC_IPC_INIT_INO in the kernel's include/linux/proc_ns.h).
const FIRST: &str = "ipc:[4026531839]";

/// Whether we are in another IPC namespace than the machine's first one: in that of a container, or in one of our own
/// (`PrivateIPC=`, systemd.exec(5)).
pub fn is_another() -> bool {
    fs::read_link("/proc/self/ns/ipc").is_ok_and(|link| link.as_os_str() != FIRST)
}
