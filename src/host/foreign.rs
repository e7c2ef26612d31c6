//! Environment variables for another process: descriptors and a watchdog of a service manager that name a different
//! process (sd_listen_fds(3), sd_watchdog_enabled(3)). They are not used, and a warning says so: this is usually a
//! mistake.

use std::process;

use rustix::fs::{fstat, fstatfs};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

/// How to avoid this.
const REMEDY: &str = "start ipcd directly or with exec, not as a child of the process that systemd starts, and without PrivatePIDs= (systemd 257 then passes another number)";

/// The most names in a message.
const NAMES_MAX: usize = 8;

/// A line about descriptors that were passed to another process, if there are any.
pub fn descriptors() -> Option<String> {
    let variable = |name| std::env::var(name).ok();
    let (count, names) = (variable("LISTEN_FDS")?, variable("LISTEN_FDNAMES"));
    let by_number = of_descriptors(process::id(), &variable("LISTEN_PID")?, &count, names.as_deref());
    by_number.or_else(|| {
        let (told, own) = other_pidfd_id()?;
        Some(format!(
            "LISTEN_PIDFDID is {told}, but of this process it is {own}: {}",
            of_another(&count, names.as_deref())?
        ))
    })
}

/// `LISTEN_PIDFDID` (systemd 260 and later) and this process's own number, if they differ: then the variable was for an earlier
/// process with the same id. Also `None` if the kernel has no such numbers.
pub fn other_pidfd_id() -> Option<(u64, u64)> {
    let told: u64 = std::env::var("LISTEN_PIDFDID").ok()?.parse().ok()?;
    let own = pidfd_id()?;
    (told != own).then_some((told, own))
}

/// A number of this process that no other one has until the next boot.
fn pidfd_id() -> Option<u64> {
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    // PID_FS_MAGIC (linux/magic.h): since Linux 6.9 each process is an inode of a filesystem.
    let is_numbered = fstatfs(&pidfd).is_ok_and(|system| system.f_type == 0x5049_4446);
    is_numbered.then(|| fstat(&pidfd).ok().map(|inode| inode.st_ino)).flatten()
}

/// A line about a watchdog that expects another process, if there is one.
pub fn watchdog() -> Option<String> {
    std::env::var("WATCHDOG_USEC").ok()?;
    of_watchdog(process::id(), &std::env::var("WATCHDOG_PID").ok()?)
}

fn of_descriptors(ours: u32, pid: &str, count: &str, names: Option<&str>) -> Option<String> {
    let pid: u32 = pid.parse().ok().filter(|pid| *pid != ours)?;
    Some(format!("LISTEN_PID is {pid}, but this is process {ours}: {}", of_another(count, names)?))
}

/// `the 2 descriptors of LISTEN_FDS (ipcd.socket) are for that process …`; `None`: there are none.
fn of_another(count: &str, names: Option<&str>) -> Option<String> {
    let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
    let names: Vec<&str> = names.unwrap_or_default().split(':').filter(|name| !name.is_empty()).collect();
    let mut told: Vec<String> =
        names.iter().take(NAMES_MAX).map(|name| name.escape_default().to_string()).collect();
    if names.len() > NAMES_MAX {
        told.push("…".to_owned());
    }
    let names = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
    Some(format!(
        "the {count} descriptors of LISTEN_FDS{names} are for that process and are not used; {REMEDY}"
    ))
}

fn of_watchdog(ours: u32, pid: &str) -> Option<String> {
    let pid: u32 = pid.parse().ok().filter(|pid| *pid != ours)?;
    Some(format!(
        "WATCHDOG_PID is {pid}, but this is process {ours}: the watchdog (WatchdogSec=) expects signs of life from that process and gets none from ipcd; {REMEDY}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_for_another_process_are_reported_and_own_ones_are_not() {
        let line = of_descriptors(1, "4711", "2", Some("ipcd.socket:a\u{1b}")).unwrap();
        assert!(
            line.starts_with("LISTEN_PID is 4711, but this is process 1: the 2 descriptors of LISTEN_FDS (ipcd.socket, a\\u{1b}) are for that process"),
            "{line}"
        );
        let many = "x:".repeat(1000);
        assert!(
            of_descriptors(1, "4711", "1000", Some(&many)).unwrap().contains("x, x, …) are for that process")
        );
        assert!(of_descriptors(1, "4711", "2", None).unwrap().contains("LISTEN_FDS are for that process"));
        for (pid, count) in [("1", "2"), ("4711", "0"), ("x", "2"), ("4711", "x"), ("", "1")] {
            assert_eq!(of_descriptors(1, pid, count, None), None, "{pid} {count}");
        }
        assert!(of_watchdog(1, "4711").unwrap().starts_with("WATCHDOG_PID is 4711, but this is process 1: "));
        assert_eq!(of_watchdog(1, "1"), None);
    }
}
