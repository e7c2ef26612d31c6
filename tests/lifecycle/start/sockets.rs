//! Starts when something is already at the path of a Unix socket.

use std::collections::BTreeSet;
use std::fs::{self};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Answers, SOCKET, refused, terminate};
use crate::harness::around::{Helper, failure, in_namespaces, is_root, may_unshare, stale_socket};
use crate::harness::healthy::Healthy;
use crate::harness::{Daemon, TestDir, wait_until};
use rustix::process::Signal;

#[test]
fn stale_socket_file_is_replaced_and_removed_at_the_end() {
    let test_dir = TestDir::new();
    test_dir.write_config(SOCKET);
    stale_socket(&test_dir.socket());
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    daemon.unix().hear_answer();
    let directory = daemon.directory.path().to_owned();
    let names = || fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    let mut daemon = daemon;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert_eq!(names(), ["ipcd.toml"]);
}

#[test]
fn live_socket_is_left_alone() {
    let test_dir = TestDir::new();
    test_dir.write_config(SOCKET);
    let path = test_dir.socket();
    let owner = Helper::on_unix(&path);
    let before = fs::symlink_metadata(&path).unwrap().ino();
    assert_eq!(
        refused(&test_dir, 69),
        format!(
            "ipcd: unix://{}: address already in use (by {}); stop it or choose another path under [mux] in {}",
            path.display(),
            owner.shown(),
            test_dir.config_file().display()
        )
    );
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), before);
    assert_eq!(test_dir.names(), ["ipcd.sock", "ipcd.toml"]);
    crate::harness::Client::unix(&path).hear("still here");
}

#[test]
fn anything_but_a_socket_is_never_removed() {
    for (what, make) in [
        ("a regular file", (|path| fs::write(path, "precious").unwrap()) as fn(&Path)),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a symbolic link", |path| symlink("elsewhere", path).unwrap()),
    ] {
        let test_dir = TestDir::new();
        test_dir.write_config(SOCKET);
        make(&test_dir.socket());
        let before = fs::symlink_metadata(test_dir.socket()).unwrap();
        let said = refused(&test_dir, 69);
        let expected =
            format!("ipcd: unix://{}: there is {what}, not a socket; ", test_dir.socket().display());
        assert!(said.starts_with(&expected), "{said}");
        let after = fs::symlink_metadata(test_dir.socket()).unwrap();
        assert_eq!((before.ino(), before.len(), before.mtime()), (after.ino(), after.len(), after.mtime()));
        assert_eq!(test_dir.names(), ["ipcd.sock", "ipcd.toml"]);
    }
}

#[test]
fn link_to_a_live_socket_is_not_replaced() {
    let daemon = Daemon::usual();
    let healthy = Healthy::on(daemon.unix());
    let test_dir = TestDir::new();
    test_dir.write_config(SOCKET);
    symlink(daemon.socket(), test_dir.socket()).unwrap();
    assert!(refused(&test_dir, 69).contains("a symbolic link"));
    healthy.end();
    daemon.unix().hear_answer();
    daemon.stop();
}

#[test]
fn missing_or_read_only_directory_is_named() {
    let test_dir = TestDir::new();
    test_dir.write_config("[mux]\nlisten = [\"unix://{dir}/none/s\"]\n");
    let none = test_dir.directory.path().join("none");
    assert!(
        refused(&test_dir, 69).contains(&format!("directory {} does not exist; create it", none.display()))
    );
    assert!(!none.exists());

    if may_unshare() {
        fs::create_dir(&none).unwrap();
        let none = none.display();
        let prepare = format!("mount --bind {none} {none}; mount -o remount,bind,ro {none}");
        let said = failure(&mut in_namespaces(&["--mount"], &prepare, &test_dir.command()), 69);
        assert!(said.contains(&format!("cannot write in the directory {none}: ")), "{said}");
        assert_eq!(said.matches('\n').count(), 1, "{said}");
    }
}

#[test]
fn mode_and_group_are_right_from_creation() {
    let test_dir = TestDir::new();
    let group = "daemon"; // every Debian has this group, and only root can give it a file
    let gid =
        nix::unistd::Group::from_name(group).unwrap().filter(|_| is_root()).map(|group| group.gid.as_raw());
    let ours = rustix::process::getegid().as_raw();
    let mut cases = vec![("mode = \"0600\"\ngroup = \"no-such-group\"", vec![(0o600, ours)], 6)];
    cases.push(("mode = \"0666\"\ngroup = \"no-such-group\"", vec![(0o666, ours)], 6));
    if let Some(gid) = gid {
        // Until the group is right, nobody else may connect.
        let seen = vec![(0o600, ours), (0o600, gid), (0o660, gid)];
        cases.push(("mode = \"0660\"\ngroup = \"daemon\"", seen, 6));
    }
    for (keys, allowed, starts) in cases {
        test_dir.write_config(&format!("{SOCKET}{keys}\n"));
        let (path, over, looks) = (test_dir.socket(), AtomicBool::new(false), AtomicUsize::new(0));
        let seen = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut seen = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    if let Ok(it) = fs::symlink_metadata(&path) {
                        seen.insert((it.mode() & 0o7777, it.gid()));
                    }
                    looks.fetch_add(1, Ordering::Relaxed);
                }
                seen
            });
            // The current one may have begun earlier.
            let look = |what: &str| {
                let before = looks.load(Ordering::Relaxed);
                wait_until(what, || (looks.load(Ordering::Relaxed) > before + 1).then_some(()));
            };
            look("the watcher looks");
            for _ in 0..starts {
                let mut one = Helper(test_dir.command().stderr(Stdio::null()).spawn().unwrap());
                wait_until("it listens", || UnixStream::connect(&path).ok());
                look("the watcher sees the socket");
                terminate(&mut one);
                assert!(!path.exists());
            }
            over.store(true, Ordering::Relaxed);
            watcher.join().unwrap()
        });
        assert!(seen.iter().all(|it| allowed.contains(it)), "{seen:?} with {keys}");
        assert!(seen.contains(allowed.last().unwrap()));
    }
}
