//! An upgrade from ipcd 0.1.0: its record of connections, a JSON text in which every byte is a number, can still be read, and the
//! connections continue. Its configuration is valid too.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use crate::harness::manager::Manager;
use crate::harness::{CHAT, Client, MULTIPLY, STATS, TALK, TestDir};
use ipcd::host::fd_bundle;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};

/// A record of 0.1.0, except for the numbers of the descriptors, which are in braces, and the address.
const RECORD: &str = include_str!("upgrade/record-0.1.0.json");

/// Every key that 0.1.0 knew, with its default.
const CONFIGURATION: &str = include_str!("upgrade/ipcd-0.1.0.toml");

const CONFIG: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432"]
[chat]
listen = ["tcp://{ip}:33000"]
history = 5
[talk]
listen = ["tcp://{ip}:5000"]
[stats]
listen = ["tcp://{ip}:33001"]
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// A sealed record with a first line.
fn sealed(first_line: &str, body: &str) -> OwnedFd {
    let memory = memfd_create("ipcd-record", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let mut file = std::fs::File::from(memory);
    write!(file, "{first_line}\n{body}").unwrap();
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL).unwrap();
    file.into()
}

#[test]
fn connections_from_0_1_0_continue_after_the_upgrade() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let manager = Manager::new(&test_dir);
    // The descriptors of the old daemon, and those of its clients.
    let listener = TcpListener::bind((test_dir.ip, 0)).unwrap();
    let mut body = test_dir.fill(RECORD);
    let mut kept: Vec<OwnedFd> = Vec::new();
    let mut clients = ["ann", "bob", "half", "talker", "stats", "deaf", "mux", "fresh"].map(|name| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let end: OwnedFd = listener.accept().unwrap().0.into();
        body = body.replace(&format!("[{{{name}}},"), &format!("[{},", fstat(&end).unwrap().st_ino));
        kept.push(end);
        Client::of(client)
    });
    let record = sealed(&format!("ipcd-record 4 {} e75c418a", body.len()), &body);
    let fd_bundles = fd_bundle::pack(&kept.iter().map(AsFd::as_fd).collect::<Vec<_>>()).unwrap();
    drop(kept);
    let mut stored = vec![("ipcd-record".to_owned(), record)];
    stored.extend(fd_bundles.into_iter().map(|fd_bundle| ("ipcd-connections".to_owned(), fd_bundle)));

    let daemon = test_dir.start_with(&manager, stored);
    daemon.wait_for_log("8 connections from before the restart continue");
    let [ann, bob, half, talker, stats, deaf, mux, fresh] = &mut clients;
    bob.hear("ann: are you there?"); // this line was queued for it
    ann.say("here I am\n");
    ann.hear("ann: here I am\n");
    bob.hear("ann: here I am");
    half.say("0\n");
    half.hear("Data received\n50.0\n");
    deaf.hear("ta received\n1.0\n");
    stats.say("latest pc7\n");
    assert!(stats.hear_line().contains("\"cpu_percent\":5"));
    mux.say("\n");
    mux.hear("Data received\nError: expected two numbers, for example: 5 10\n");
    fresh.say("carol\n");
    fresh.hear(
        "Welcome carol! If you ever want to quit, type {quit} to exit.\nann: hi \"all\"\nann: here I am\n",
    );
    let mut partner = daemon.tcp(TALK);
    partner.hear("are you there?\n");
    partner.say("yes\n");
    talker.hear("yes\n");
    assert!(daemon.log().iter().all(|line| !line.contains("record")), "nothing was wrong with it");
    for port in [CHAT, MULTIPLY, STATS] {
        drop(daemon.tcp(port));
    }
    drop((clients, partner));
    daemon.stop();
}

#[test]
fn unknown_record_version_is_reported_and_the_daemon_starts() {
    for (first_line, why) in [
        ("ipcd-record 6", "it is of version 6, and this ipcd reads 4 and 5; they are closed"),
        ("ipcd-record 3 2 00000000", "it is of version 3, and this ipcd reads 4 and 5; they are closed"),
        ("ipcd-record 4 5 00000000", "it has 2 bytes, not 5; they are closed"),
        ("ipcd-record 5", "it is cut off; they are closed"),
    ] {
        let test_dir = TestDir::new();
        test_dir.write_config(CONFIG);
        let manager = Manager::new(&test_dir);
        let stored = vec![("ipcd-record".to_owned(), sealed(first_line, "{}"))];
        let daemon = test_dir.start_with(&manager, stored);
        let line = daemon.wait_for_log("the record of connections before the restart cannot be read: ");
        assert!(line.starts_with("warning: ") && line.ends_with(why), "{line}");
        drop(daemon.tcp(MULTIPLY));
        daemon.stop();
    }
}

#[test]
fn configuration_of_0_1_0_is_still_right() {
    let test_dir = TestDir::new();
    // This machine may have no such group.
    test_dir.write_config(&CONFIGURATION.replace("group = \"ipcd\"\n", ""));
    let check = test_dir.command().arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(0), "{said}");
    // Only keys that never had an effect on their service are told of.
    assert!(said.lines().all(|line| line.contains("has no effect under")), "{said}");
}
