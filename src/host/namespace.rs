//! Whether other processes of this machine see our message queues (ipc_namespaces(7)).

use std::fs;

/// The inode of the namespace that a machine begins with (PROC_IPC_INIT_INO in the kernel's include/linux/proc_ns.h).
const FIRST: &str = "ipc:[4026531839]";

/// Set to `no` in a unit without a private namespace: in a container, nothing else shows this.
const PRIVATE: &str = "IPCD_PRIVATE_IPC";

/// Whether we are in another IPC namespace than the machine's first one: perhaps in one of our own (`PrivateIPC=`,
/// systemd.exec(5)).
pub fn is_another() -> bool {
    let is_said_not = std::env::var_os(PRIVATE).is_some_and(|value| value == "no");
    !is_said_not && fs::read_link("/proc/self/ns/ipc").is_ok_and(|link| link.as_os_str() != FIRST)
}
