//! The process that holds a TCP port, a Unix socket or a lock, as far as /proc shows it.
//! Best effort, only for error messages: `None` means "not visible", never "no process".

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use procfs::net::{TcpNetEntries, TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};
use procfs::{FromBufReadSI, current_system_info};

/// The most processes to search for a socket: far more than such a machine runs, by estimate.
pub const PROCESSES_MAX: usize = 10_000;

/// The most descriptors to search, over all processes: about 20 ms of readlink(2), during which clients wait after a failed
/// reload.
pub const DESCRIPTORS_MAX: usize = 20_000;

/// A process that holds an address or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Its process id.
    pub pid: i32,
    /// Its name (proc_pid_comm(5)), control characters escaped. A process chooses its name itself.
    pub name: String,
}

impl PortOwner {
    /// Whether it is this process: it inherited the socket and does not use it.
    pub fn is_this_process(&self) -> bool {
        u32::try_from(self.pid) == Ok(std::process::id())
    }
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}, {}", self.pid, self.name)
    }
}

/// The most connections of a table to search, for the same reason: the kernel takes 2.4 µs to print one (Linux 6.18).
const CONNECTIONS_MAX: usize = 10_000;

/// How many of a process's descriptors are searched at first. Listeners are among them, because they are opened early.
const EARLY_DESCRIPTORS: usize = 100;

/// The process whose listener blocks `wanted`: on the same address, on a wildcard that covers it, or on an address
/// that it covers.
pub fn of_tcp(wanted: SocketAddr) -> Option<PortOwner> {
    // A machine without IPv6 has no tcp6 table.
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let of = |connections: usize| {
        let entries =
            tables.into_iter().filter_map(|table| entries_at(table, wanted.port(), connections)).flatten();
        among(entries.filter(|entry| (entry.state == TcpState::Listen) == (connections == 0)), wanted)
    };
    // A connection without SO_REUSEADDR can block it too; but a listener is more likely, and reading all connections takes long.
    of(0).or_else(|| of(CONNECTIONS_MAX))
}

fn among(entries: impl Iterator<Item = TcpNetEntry>, wanted: SocketAddr) -> Option<PortOwner> {
    // Without an inode: TIME_WAIT and similar, which no process has open.
    let rivals = entries.filter(|entry| entry.inode != 0);
    let rivals = rivals.filter_map(|entry| Some((entry.inode, rank(entry.local_address, wanted)?)));
    of_sockets(&rivals.collect())
}

/// The listeners of a table at this port, which come first (Linux, `tcp_seq_start`), and those of the first `connections`.
fn entries_at(table: &str, port: u16, mut connections: usize) -> Option<Vec<TcpNetEntry>> {
    const LISTENING: &str = "0A";
    let port = format!(":{port:04X}");
    let mut lines = BufReader::new(File::open(table).ok()?).lines();
    let mut text = lines.next()?.ok()?;
    for line in lines {
        let line = line.ok()?;
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        if state != LISTENING {
            let Some(left) = connections.checked_sub(1) else { break };
            connections = left;
        }
        if local.ends_with(&port) {
            text += "\n";
            text += &line;
        }
    }
    TcpNetEntries::from_buf_read(text.as_bytes(), current_system_info()).ok().map(|entries| entries.0)
}

/// The process whose datagram socket blocks `wanted`.
pub fn of_udp(wanted: SocketAddr) -> Option<PortOwner> {
    let v4 = procfs::net::udp().unwrap_or_default();
    let v6 = procfs::net::udp6().unwrap_or_default();
    let rivals = v4.iter().chain(&v6).filter(|entry| entry.inode != 0);
    let rivals = rivals.filter_map(|entry| Some((entry.inode, rank(entry.local_address, wanted)?)));
    of_sockets(&rivals.collect())
}

/// How directly a socket blocks `wanted`, the most direct first; `None` if it does not.
fn rank(local: SocketAddr, wanted: SocketAddr) -> Option<u8> {
    if local.port() != wanted.port() {
        return None;
    }
    let theirs = local.ip().to_canonical();
    let ours = wanted.ip();
    match (theirs, ours) {
        _ if theirs == ours => Some(0),
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
            (theirs.is_unspecified() || ours.is_unspecified()).then_some(1)
        }
        // `[::]` may serve both families; the table does not say.
        (IpAddr::V6(_), IpAddr::V4(_)) if theirs.is_unspecified() => Some(2),
        _ => None,
    }
}

/// The process with the Unix socket that is bound to `path`.
pub fn of_unix(path: &Path) -> Option<PortOwner> {
    let table = std::fs::read("/proc/net/unix").ok()?;
    of_sockets(&inodes_of(path, &table).map(|inode| (inode, 0)).collect())
}

/// The inode numbers of the Unix sockets that are bound to `path`, from the text of /proc/net/unix. The kernel writes a
/// path as it is, including blanks, line feeds and bytes that are not UTF-8 (procfs 0.18 ends it at the first blank, and
/// fails for the whole table on an unusual path): it is the rest of a line, or of several lines.
fn inodes_of<'a>(path: &'a Path, table: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
    const FIELDS: usize = 7;
    const INODE: usize = 6;
    let starts = memchr::memchr_iter(b'\n', table).map(|end| end + 1);
    starts.filter_map(move |start| {
        let mut rest = &table[start..];
        let mut inode = None;
        for field in 0..FIELDS {
            let begin = rest.iter().position(|byte| *byte != b' ')?;
            let length = memchr::memchr2(b' ', b'\n', &rest[begin..])?;
            let text = &rest[begin..begin + length];
            if field == INODE {
                inode = std::str::from_utf8(text).ok()?.parse().ok();
            }
            rest = &rest[begin + length..];
        }
        let bound = rest.strip_prefix(b" ")?.strip_prefix(path.as_os_str().as_bytes())?;
        let next = bound.strip_prefix(b"\n")?;
        let is_row = |line: &[u8]| {
            line.iter().position(|byte| !byte.is_ascii_hexdigit()) == memchr::memchr(b':', line)
        };
        inode.filter(|_| next.is_empty() || is_row(next)) // otherwise the path continues after a line feed
    })
}

/// The process that has locked the file with this inode number with flock(2).
pub(super) fn of_lock(inode: u64) -> Option<PortOwner> {
    let locks = procfs::locks().ok()?;
    locks.iter().filter(|lock| lock.inode == inode).find_map(|lock| of_pid(lock.pid?))
}

/// The process with this id, with its name.
pub(super) fn of_pid(pid: i32) -> Option<PortOwner> {
    let comm = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(&comm);
    let name = name.strip_suffix('\n').unwrap_or(&name);
    Some(PortOwner { pid, name: shown(name) })
}

/// The process that has one of these sockets open, by inode number: the one with the lowest rank, and of several the first in
/// /proc. All processes are searched once, whatever the number of sockets. A process with thousands of connections does not use
/// up what may be searched: the early descriptors of all processes come first.
fn of_sockets(ranks: &HashMap<u64, u8>) -> Option<PortOwner> {
    if ranks.is_empty() {
        return None;
    }
    let rank_of = |target: &FDTarget| match target {
        FDTarget::Socket(inode) => ranks.get(inode).copied(),
        _ => None,
    };
    let (mut left, mut long) = (DESCRIPTORS_MAX, Vec::new());
    let mut best: Option<(u8, i32)> = None;
    // How many were searched, and whether no other process can block it more directly.
    let mut search = |process: &Process, most: usize| {
        // Other users' descriptors are not visible, and processes may end at any time.
        let descriptors = process.fd().into_iter().flatten().flatten().take(most.min(left));
        let mut count = 0;
        for descriptor in descriptors {
            count += 1;
            if let Some(rank) = rank_of(&descriptor.target)
                && best.is_none_or(|(before, _)| rank < before)
            {
                best = Some((rank, process.pid));
                if rank == 0 {
                    break;
                }
            }
        }
        left -= count;
        (count, best.is_some_and(|(rank, _)| rank == 0))
    };
    let mut is_found = false;
    for process in procfs::process::all_processes().ok()?.take(PROCESSES_MAX).flatten() {
        let count;
        (count, is_found) = search(&process, EARLY_DESCRIPTORS);
        if is_found {
            break;
        }
        if count == EARLY_DESCRIPTORS {
            long.push(process);
        }
    }
    for process in long {
        if is_found {
            break;
        }
        (_, is_found) = search(&process, usize::MAX);
    }
    best.and_then(|(_, pid)| of_pid(pid))
}

/// A name that is safe to show: a process can name itself `\x1b[2J`, or use bidirectional controls.
fn shown(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\'' | '"' | '\\' => text.push(c),
            c => text.extend(c.escape_debug()), // everything that is not printable
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn our_pid() -> i32 {
        std::process::id().try_into().unwrap()
    }

    #[test]
    fn port_holder_is_named_even_on_a_wildcard() {
        for (theirs, wanted) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("127.0.0.1:0", "0.0.0.0"),
            ("0.0.0.0:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "127.0.0.1"), // std leaves V6ONLY off
        ] {
            let listener = TcpListener::bind(theirs).unwrap();
            let port = listener.local_addr().unwrap().port();
            let owner = of_tcp(SocketAddr::new(wanted.parse().unwrap(), port));
            assert_eq!(owner.map(|h| h.pid), Some(our_pid()), "{wanted} against {theirs}");
        }
    }

    #[test]
    fn unrelated_listener_is_not_blamed() {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(of_tcp(SocketAddr::from(([127, 0, 0, 3], port))), None);
        assert_eq!(of_tcp(SocketAddr::new("::1".parse().unwrap(), port)), None);
    }

    #[test]
    fn socket_file_holder_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        assert_eq!(of_unix(&path), None);
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(of_unix(&path).map(|h| h.pid), Some(our_pid()));
    }

    #[test]
    fn holder_is_named_whatever_its_paths() {
        use std::os::unix::ffi::OsStringExt;
        let directory = tempfile::tempdir().unwrap();
        let names = [&b"two words"[..], b" ends ", b"two\nlines", b"not UTF-8: \xff", b"plain"];
        let path = |name: &[u8]| directory.path().join(std::ffi::OsString::from_vec(name.to_vec()));
        let _listeners = names.map(|name| UnixListener::bind(path(name)).unwrap());
        for name in names {
            let owner = of_unix(&path(name));
            assert_eq!(owner.map(|h| h.pid), Some(our_pid()), "{}", name.escape_ascii());
        }
        assert_eq!(of_unix(&path(b"two")), None, "a path is compared whole");
    }

    #[test]
    fn holder_name_cannot_control_the_terminal() {
        assert_eq!(shown("a\u{1b}[2J\nb é"), "a\\u{1b}[2J\\nb é");
        assert_eq!(shown("a\u{202e}\u{9b}\u{200b}"), "a\\u{202e}\\u{9b}\\u{200b}");
    }
}
