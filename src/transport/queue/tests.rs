//! Pairs of queues: what is there at an opening, a stop, a handover and after a crash.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno as NixErrno;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sys::stat::Mode;
use rustix::fs::{Mode as FileMode, fchmod};

use super::super::connection::Received;
use super::*;

/// A name that nobody else has; its queues are removed at the end.
struct Name(String);

impl Name {
    fn new() -> Name {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Name(format!("/ipcd-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    fn place(&self) -> ResolvedEndpoint {
        ResolvedEndpoint::Mq(self.0.clone().into())
    }

    fn open(&self) -> Queues {
        let (queues, warnings) = open(&self.place(), &options(0o660)).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        queues.keep();
        queues
    }

    /// Opens one of the queues as a client does.
    fn client(&self, end: &str) -> Result<OwnedFd, NixErrno> {
        let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK | MQ_OFlag::O_CLOEXEC;
        mq_open(format!("{}{end}", self.0).as_str(), flags, Mode::empty(), None).map(queue::owned)
    }

    /// Which of the three queues exist.
    fn names(&self) -> Vec<&'static str> {
        [".in", ".out", ".lock"].into_iter().filter(|end| self.client(end).is_ok()).collect()
    }

    fn make(&self, end: &str, messages: i64, bytes: i64) -> OwnedFd {
        let attributes = MqAttr::new(0, messages, bytes, 0);
        let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_CLOEXEC | MQ_OFlag::O_NONBLOCK;
        let name = format!("{}{end}", self.0);
        queue::owned(mq_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes)).unwrap())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        for end in [".in", ".out", ".lock"] {
            let _ = mq_unlink(format!("{}{end}", self.0).as_str());
        }
    }
}

fn options(mode: u32) -> Options {
    Options {
        backlog: 0,
        share_port: false,
        mode,
        group: String::new(),
        message_bytes: 0,
        message_timeout: std::time::Duration::ZERO,
        make_directory: None,
    }
}

fn mode_of(fd: &OwnedFd) -> u32 {
    fstat(fd).unwrap().st_mode & 0o7777
}

#[test]
fn each_queue_has_its_part_of_the_mode_and_its_owner_keeps_access() {
    let name = Name::new();
    for (mode, input, output) in
        [(0o660, 0o620, 0o640), (0o622, 0o622, 0o600), (0o000, 0o600, 0o600), (0o777, 0o622, 0o644)]
    {
        let (queues, _) = open(&name.place(), &options(mode)).unwrap();
        let modes = [".in", ".out", ".lock"].map(|end| mode_of(&name.client(end).unwrap()));
        assert_eq!(modes, [input, output, 0o710], "{mode:o}"); // the lock's mode says that both are ours
        drop(queues);
    }
}

#[test]
fn messages_keep_their_boundaries_and_a_long_one_goes_in_parts() {
    let name = Name::new();
    name.make(".out", 3, 4);
    let queues = name.open();
    let connection = queues.connection().unwrap();
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    assert_eq!(connection.receive(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    let input = name.client(".in").unwrap();
    for message in ["5 10", "", "x"] {
        queue::send(input.as_fd(), message.as_bytes()).unwrap();
        let packet = Received::Packet { count: message.len(), truncated: false };
        assert_eq!(connection.receive(&mut buffer).unwrap(), packet);
    }
    assert_eq!(connection.write(&["é".as_bytes(), b"abcd", b"ef"]).unwrap(), 8);
    assert_eq!(connection.write(&[b"x"]).unwrap(), 1);
    assert_eq!(connection.write(&[b"x"]).unwrap_err().kind(), ErrorKind::WouldBlock, "it is full");
    let output = name.client(".out").unwrap();
    for part in ["éab", "cdef", "x"].map(str::as_bytes) {
        let count = queue::receive(output.as_fd(), &mut buffer[..]).unwrap();
        assert_eq!(&buffer[..count], part);
    }
    assert!(!connection.has_failed());
}

#[test]
fn failed_start_and_stop_remove_what_ipcd_made_unless_messages_wait() {
    let name = Name::new();
    drop(open(&name.place(), &options(0o660)).unwrap());
    assert_eq!(name.names(), [""; 0], "a failed start");
    let queues = name.open();
    assert_eq!(name.names(), [".in", ".out", ".lock"]);
    drop(queues);
    assert_eq!(name.names(), [""; 0], "a stop");

    let queues = name.open();
    queue::send(name.client(".in").unwrap().as_fd(), b"later").unwrap();
    drop(queues);
    assert_eq!(name.names(), [".in", ".lock"], "somebody has a message in it");
    let queues = name.open();
    queue::receive(name.client(".in").unwrap().as_fd(), &mut [0; 8192]).unwrap();
    drop(queues);
    assert_eq!(name.names(), [""; 0], "it is known that ipcd made it");
}

#[test]
fn queue_of_another_owner_is_kept() {
    let name = Name::new();
    name.make(".in", 2, 100);
    drop(name.open());
    assert_eq!(name.names(), [".in"]);
    let queues = name.open();
    assert_eq!(queues.message_bytes_max(), 100);
    queues.discard();
    drop(queues);
    assert_eq!(name.names(), [".in"]);
}

#[test]
fn queues_of_a_killed_daemon_are_taken_over_and_those_handed_over_stay() {
    let name = Name::new();
    let queues = name.open();
    // As at a crash: the descriptors are closed, and nothing else happens.
    queues.hand_over();
    drop(queues);
    assert_eq!(name.names(), [".in", ".out", ".lock"]);
    drop(open(&name.place(), &options(0o660)).unwrap());
    assert_eq!(name.names(), [".in", ".out", ".lock"], "a start that fails leaves them to the next");
    drop(name.open());
    assert_eq!(name.names(), [""; 0]);
}

#[test]
fn two_daemons_never_share_queues() {
    let name = Name::new();
    let queues = name.open();
    let error = open(&name.place(), &options(0o660)).unwrap_err();
    assert!(error.is_in_use(), "{error}");
    let said = format!("address already in use (by pid {}", std::process::id());
    assert!(error.to_string().contains(&said), "{error}");
    assert!(!queues.is_orphaned(), "the second one has removed nothing");
    mq_unlink(format!("{}.out", name.0).as_str()).unwrap();
    assert!(queues.is_orphaned());
}

#[test]
fn foreign_lock_and_too_large_queue_are_reported_by_name() {
    let name = Name::new();
    let foreign = name.make(".lock", 2, 2);
    let error = open(&name.place(), &options(0o660)).unwrap_err().to_string();
    assert!(
        error.contains(&format!("the message queue {}.lock is not a lock of ipcd; remove it", name.0)),
        "{error}"
    );
    assert_eq!(name.names(), [".lock"]);
    drop(foreign);
    let large = QueueErrorKind::TooLarge("/x".into(), 1 << 20);
    assert!(
        large.to_string().contains("takes messages of 1048576 bytes, and ipcd at most 262144"),
        "{large}"
    );
}

#[test]
fn start_restores_the_mode_of_queues() {
    let name = Name::new();
    fchmod(name.make(".in", 1, 10), FileMode::from_raw_mode(0o666)).unwrap();
    let queues = name.open();
    assert_eq!(mode_of(&name.client(".in").unwrap()), 0o620);
    drop(queues);
}
