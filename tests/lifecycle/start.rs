//! How ipcd starts; and how it does not, and what it says then.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::around::{Helper, failure, in_namespaces, is_root, may_unshare, outcome};
use crate::harness::healthy::Healthy;
use crate::harness::packets::Packets;
use crate::harness::{Client, Daemon, Ground, MULTIPLY, USUAL, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const SOCKET: &str = "[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n";

fn ipcd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcd"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    command
}

/// The one line that a failed start says, warnings aside.
#[track_caller]
fn refused(ground: &Ground, status: i32) -> String {
    let text = failure(&mut ground.command(), status);
    let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    text.trim_end().to_owned()
}

fn terminate(helper: &mut Helper) {
    kill_process(Pid::from_raw(helper.0.id() as i32).unwrap(), Signal::TERM).unwrap();
    let status = wait_until("it ends", || helper.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

// ---- the command line

#[test]
fn help_and_version_go_to_standard_output() {
    for (argument, text) in [("--help", "--config"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = outcome(&mut ipcd(&[argument]));
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains(text));
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn usage_error_is_one_line_and_status_2() {
    for (arguments, text) in [
        (&["--konfig", "x"][..], "--config"),
        (&["--config"], "--config"),
        (&["--log-level", "loud"], "loud"),
        (&["extra"], "extra"),
        (&["--check", "--check"], "--check"),
    ] {
        let said = failure(&mut ipcd(arguments), 2);
        assert!(said.starts_with("ipcd: ") && said.contains(text), "{said}");
        assert_eq!(said.matches('\n').count(), 1, "{said}");
    }
}

#[test]
fn check_says_ok_and_opens_nothing() {
    let daemon = Daemon::usual();
    let before: BTreeSet<_> =
        fs::read_dir(daemon.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let file = daemon.directory.path().join("ipcd.toml");
    let output = outcome(&mut ipcd(&["--check", "--config", file.to_str().unwrap()]));
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(0), format!("OK: {}\n", file.display()).as_bytes())
    );
    assert!(output.stderr.is_empty());
    let after: BTreeSet<_> =
        fs::read_dir(daemon.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(before, after);
    daemon.stop();
}

#[test]
fn check_and_start_report_every_error_with_its_place() {
    let ground = Ground::new();
    ground.write_config(
        "[multiply]\nlisten = [\"tcp://{ip}:70000\"]\nbacklock = 5\n[limits]\nmax_message = \"4XB\"\n[caht]\n[log]\nlevel = \"loud\"\n",
    );
    let file = ground.config_file();
    let check = failure(ground.command().arg("--check"), 78);
    let places: Vec<&str> =
        check.lines().map(|line| line.strip_prefix(file.to_str().unwrap()).unwrap()).collect();
    let lines: Vec<u32> = places.iter().map(|it| it.split(':').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(lines, [2, 3, 5, 6, 8], "{check}");
    for place in &places {
        let column: u32 = place.split(':').nth(2).unwrap().parse().unwrap();
        assert!(column > 0 && place.splitn(4, ':').nth(3).unwrap().starts_with(' '), "{place}");
    }
    assert!(places[0].contains("a port is 1 to 65535") && places[1].contains("backlog"), "{check}");
    assert_eq!(failure(&mut ground.command(), 78), check);
}

#[test]
fn non_configuration_file_is_refused_at_once() {
    let ground = Ground::new();
    let at = |name: &str| ground.directory.path().join(name);
    fs::create_dir(at("directory")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::File::create(at("huge")).unwrap().set_len(1 << 30).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::write(at("latin1"), b"# caf\xe9\n").unwrap();
    let latin1 = format!("{}:1:6: ", at("latin1").display());
    for (name, says) in [
        ("missing", "no such file"),
        ("directory", "is a directory"),
        ("fifo", "is a FIFO"),
        ("huge", "is too large"),
        ("loop", "too many symbolic links"),
        ("latin1", latin1.as_str()),
    ] {
        for check in [true, false] {
            let mut command = ipcd(&["--config", at(name).to_str().unwrap()]);
            if check {
                command.arg("--check");
            }
            let said = failure(&mut command, 78);
            assert!(said.contains(at(name).to_str().unwrap()) && said.contains(says), "{said}");
            assert_eq!(said.matches('\n').count(), 1, "{said}");
        }
    }
}

// ---- ports

#[test]
fn port_in_use_is_reported_with_its_holder() {
    let ground = Ground::new();
    ground.write_config(USUAL);
    let holder = Helper::on_tcp(ground.ip, MULTIPLY);
    assert_eq!(
        refused(&ground, 69),
        format!(
            "ipcd: tcp://{}:65432: address already in use (by {}); stop it or choose another port under [multiply] in {}",
            ground.ip,
            holder.shown(),
            ground.config_file().display()
        )
    );
    assert_eq!(ground.names(), ["ipcd.toml"], "a start that fails removes what it had made");
}

#[test]
fn all_endpoints_in_use_are_reported_together() {
    let daemon = Daemon::usual();
    let healthy = [Healthy::on(daemon.tcp(MULTIPLY)), Healthy::on(daemon.unix())];
    let mut again = ipcd(&["--config", daemon.directory.path().join("ipcd.toml").to_str().unwrap()]);
    let said = failure(&mut again, 69);
    // All of them by one other ipcd: that is one thing to say.
    let file = daemon.directory.path().join("ipcd.toml");
    assert_eq!(
        said,
        format!(
            "ipcd: ipcd runs already (pid {}) and has tcp://{}:65432 and 3 more; stop it, or choose other ports and paths in {}\n",
            daemon.pid(),
            daemon.ip,
            file.display()
        )
    );
    // What is in the way of the rest is told, each for itself, when somebody else has something.
    let other = Ground::new();
    let holder = Helper::on_tcp(other.ip, MULTIPLY);
    std::fs::write(
        other.config_file(),
        std::fs::read_to_string(&file).unwrap().replacen(&daemon.ip.to_string(), &other.ip.to_string(), 1),
    )
    .unwrap();
    let said = failure(&mut other.command(), 69);
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].contains(&holder.shown()), "{said}");
    for (line, service) in lines.iter().zip(["multiply", "greeting", "chat", "mux"]) {
        assert!(line.contains(&format!("under [{service}] in ")), "{line}");
        assert_eq!(
            line.contains(&format!("(by pid {}, ipcd)", daemon.pid())),
            service != "multiply",
            "{line}"
        );
    }
    healthy.into_iter().for_each(|one| drop(one.end()));
    daemon.unix().hear_answer();
    daemon.stop();
}

trait Answers {
    fn hear_answer(self);
}

impl Answers for crate::harness::Client {
    #[track_caller]
    fn hear_answer(mut self) {
        self.say("5 10\n");
        self.hear("Data received\n50.0\n");
    }
}

// ---- Unix sockets

#[test]
fn stale_socket_file_is_replaced_and_removed_at_the_end() {
    let ground = Ground::new();
    ground.write_config(SOCKET);
    drop(UnixListener::bind(ground.socket()).unwrap());
    let command = ground.command();
    let daemon = ground.start(command);
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
    let ground = Ground::new();
    ground.write_config(SOCKET);
    let path = ground.socket();
    let holder = Helper::on_unix(&path);
    let before = fs::symlink_metadata(&path).unwrap().ino();
    assert_eq!(
        refused(&ground, 69),
        format!(
            "ipcd: unix://{}: address already in use (by {}); stop it or choose another path under [mux] in {}",
            path.display(),
            holder.shown(),
            ground.config_file().display()
        )
    );
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), before);
    assert_eq!(ground.names(), ["ipcd.sock", "ipcd.toml"]);
    crate::harness::Client::unix(&path).hear("still here");
}

#[test]
fn anything_but_a_socket_is_never_removed() {
    for (what, make) in [
        ("a regular file", (|path| fs::write(path, "precious").unwrap()) as fn(&Path)),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a symbolic link", |path| symlink("elsewhere", path).unwrap()),
    ] {
        let ground = Ground::new();
        ground.write_config(SOCKET);
        make(&ground.socket());
        let before = fs::symlink_metadata(ground.socket()).unwrap();
        let said = refused(&ground, 69);
        let expected = format!("ipcd: unix://{}: there is {what}, not a socket; ", ground.socket().display());
        assert!(said.starts_with(&expected), "{said}");
        let after = fs::symlink_metadata(ground.socket()).unwrap();
        assert_eq!((before.ino(), before.len(), before.mtime()), (after.ino(), after.len(), after.mtime()));
        assert_eq!(ground.names(), ["ipcd.sock", "ipcd.toml"]);
    }
}

#[test]
fn link_to_a_live_socket_is_not_replaced() {
    let daemon = Daemon::usual();
    let healthy = Healthy::on(daemon.unix());
    let ground = Ground::new();
    ground.write_config(SOCKET);
    symlink(daemon.socket(), ground.socket()).unwrap();
    assert!(refused(&ground, 69).contains("a symbolic link"));
    healthy.end();
    daemon.unix().hear_answer();
    daemon.stop();
}

#[test]
fn missing_or_read_only_directory_is_named() {
    let ground = Ground::new();
    ground.write_config("[mux]\nlisten = [\"unix://{dir}/none/s\"]\n");
    let none = ground.directory.path().join("none");
    assert!(refused(&ground, 69).contains(&format!("there is no directory {}; make it", none.display())));
    assert!(!none.exists());

    if may_unshare() {
        fs::create_dir(&none).unwrap();
        let none = none.display();
        let prepare = format!("mount --bind {none} {none}; mount -o remount,bind,ro {none}");
        let said = failure(&mut in_namespaces(&["--mount"], &prepare, &ground.command()), 69);
        assert!(said.contains(&format!("cannot write in the directory {none}: ")), "{said}");
        assert_eq!(said.matches('\n').count(), 1, "{said}");
    }
}

#[test]
fn mode_and_group_are_right_from_creation() {
    let ground = Ground::new();
    let group = "daemon"; // every Debian has it; only root can give a file to it
    let gid = uzers::get_group_by_name(group).filter(|_| is_root()).map(|group| group.gid());
    let ours = rustix::process::getegid().as_raw();
    let mut cases = vec![("mode = \"0600\"\ngroup = \"no-such-group\"", vec![(0o600, ours)], 6)];
    cases.push(("mode = \"0666\"\ngroup = \"no-such-group\"", vec![(0o666, ours)], 6));
    if let Some(gid) = gid {
        // Until the group is the right one, it is not let in.
        let seen = vec![(0o600, ours), (0o600, gid), (0o660, gid)];
        cases.push(("mode = \"0660\"\ngroup = \"daemon\"", seen, 6));
    }
    for (keys, allowed, starts) in cases {
        ground.write_config(&format!("{SOCKET}{keys}\n"));
        let (path, over, looks) = (ground.socket(), AtomicBool::new(false), AtomicUsize::new(0));
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
            // The one that is under way may have begun before.
            let look = |what: &str| {
                let before = looks.load(Ordering::Relaxed);
                wait_until(what, || (looks.load(Ordering::Relaxed) > before + 1).then_some(()));
            };
            look("the watcher looks");
            for _ in 0..starts {
                let mut one = Helper(ground.command().stderr(Stdio::null()).spawn().unwrap());
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

// ---- machines and users

/// Runs Python in the network and file systems that a daemon sees.
fn with_its_eyes(daemon: &Daemon, code: &str) -> String {
    let mut command = Command::new("nsenter");
    command.args(["--target", &daemon.pid().to_string(), "--net", "--mount", "python3", "-c", code]);
    let output = outcome(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn localhost_is_ipv4_with_a_warning_without_ipv6() {
    if !may_unshare() {
        return;
    }
    let ground = Ground::new();
    ground.write_config("[multiply]\nlisten = [\"tcp://localhost:65432\"]\n");
    let prepare = "ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
    let command = in_namespaces(&["--net"], prepare, &ground.command());
    let daemon = ground.start(command);
    let warning = daemon.wait_for_log("warning: ");
    assert!(warning.ends_with("tcp://localhost:65432 is tcp://127.0.0.1:65432 alone"), "{warning}");
    let code = "import socket\ns = socket.create_connection(('127.0.0.1', 65432))\n\
                s.sendall(b'5 10\\n'); s.shutdown(1)\n\
                print(s.makefile().read(), end='')";
    assert_eq!(with_its_eyes(&daemon, code), "Data received\n50.0\n");
    daemon.stop();
}

#[test]
fn default_endpoints_are_localhost_and_the_unix_socket() {
    if !may_unshare() {
        return;
    }
    let ground = Ground::new();
    let prepare =
        "ip link set lo up; mount -t tmpfs tmpfs /run; [ ! -d /etc/ipcd ] || mount -t tmpfs tmpfs /etc/ipcd";
    let command = in_namespaces(&["--net", "--mount"], prepare, &ipcd(&[]));
    let daemon = ground.start(command);
    let code = "import os, socket, stat\n\
        def say(s, words):\n  s.sendall(words); s.shutdown(1); return s.makefile('rb').read()\n\
        for host in '127.0.0.1', '::1':\n\
        \x20 print(say(socket.create_connection((host, 65432)), b'5 10\\n'))\n\
        \x20 print(say(socket.create_connection((host, 9999)), b''))\n\
        \x20 print(say(socket.create_connection((host, 33000)), b'quit\\n')[:9])\n\
        u = socket.socket(socket.AF_UNIX); u.connect('/run/ipcd/ipcd.sock')\n\
        print(say(u, b'2 3\\n'))\n\
        print(oct(stat.S_IMODE(os.stat('/run/ipcd').st_mode)), oct(stat.S_IMODE(os.stat('/run/ipcd/ipcd.sock').st_mode)))";
    let each =
        "b'Data received\\n50.0\\n'\nb'Message received. Thank you for connecting\\r\\n'\nb'Greetings'\n";
    let expected = format!("{each}{each}b'Data received\\n6.0\\n'\n0o755 0o660\n");
    assert_eq!(with_its_eyes(&daemon, code), expected);
    daemon.stop();
}

/// A user that nobody is, and whose directory in /tmp is removed.
struct Nobody(u32);

impl Nobody {
    fn new(number: u32) -> Nobody {
        Nobody(1_000_000 + (std::process::id() % 1_000_000) * 10 + number)
    }

    fn directory(&self) -> std::path::PathBuf {
        format!("/tmp/ipcd-{}", self.0).into()
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.directory());
    }
}

const PERCENT_T: &str =
    "[mux]\nlisten = [\"unix://%t/ipcd/ipcd.sock\"]\n[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n";

#[test]
fn percent_t_is_the_users_runtime_directory() {
    if !is_root() {
        return;
    }
    let (ground, user) = (Ground::new(), Nobody::new(0));
    ground.write_config(PERCENT_T);
    let session = ground.directory.path().join("session");
    fs::create_dir(&session).unwrap();
    std::os::unix::fs::chown(&session, Some(user.0), Some(user.0)).unwrap();
    let command = || {
        let mut command = ground.command_as(user.0);
        command.env("XDG_RUNTIME_DIR", &session);
        command
    };
    let holder = Helper::on_tcp(ground.ip, MULTIPLY);
    failure(&mut command(), 69);
    assert_eq!(fs::read_dir(&session).unwrap().count(), 0, "a start that fails removes what it had made");
    drop(holder);

    let command = command();
    let mut daemon = ground.start(command);
    crate::harness::Client::unix(&session.join("ipcd/ipcd.sock")).hear_answer();
    assert!(!user.directory().exists());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert_eq!(fs::read_dir(&session).unwrap().count(), 0);
}

#[test]
fn percent_t_is_a_private_directory_in_tmp_without_a_session() {
    if !is_root() {
        return;
    }
    let (ground, user) = (Ground::new(), Nobody::new(1));
    ground.write_config(PERCENT_T);
    let command = ground.command_as(user.0);
    let daemon = ground.start(command);
    let it = fs::symlink_metadata(user.directory()).unwrap();
    assert_eq!((it.mode() & 0o7777, it.uid()), (0o700, user.0));
    crate::harness::Client::unix(&user.directory().join("ipcd/ipcd.sock")).hear_answer();
    daemon.stop();
}

#[test]
fn prepared_tmp_directory_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let (ground, user) = (Ground::new(), Nobody::new(2));
    ground.write_config(PERCENT_T);
    fs::create_dir(user.directory()).unwrap();
    fs::set_permissions(user.directory(), Permissions::from_mode(0o777)).unwrap();
    let said = failure(&mut ground.command_as(user.0), 69);
    assert!(
        said.starts_with(&format!("ipcd: {}: belongs to another user (uid 0)", user.directory().display())),
        "{said}"
    );
    assert_eq!(said.matches('\n').count(), 1, "{said}");
    assert_eq!(fs::read_dir(user.directory()).unwrap().count(), 0);
}

#[test]
fn classroom_configuration_serves_all_its_endpoints() {
    let ground = Ground::new();
    let text = include_str!("../../etc/classroom.toml");
    let local = text.replace("tcp://localhost", "tcp://{ip}").replace("udp://localhost", "udp://{ip}");
    ground.write_config(&local.replace("%t/ipcd", "{dir}"));
    let command = ground.command();
    let daemon = ground.start(command);
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    let mut hello = daemon.tcp(8080);
    hello.say("hi\n");
    hello.hear("Hello from server\n");
    let (mut one, mut other) = (daemon.tcp(5000), daemon.tcp(5000));
    one.say("hi\n");
    other.hear("hi\n");
    let mut mux = daemon.unix();
    mux.say("greeting\n");
    mux.hear("Message received. Thank you for connecting\r\n");
    let file = |name: &str| daemon.directory.path().join(name);
    let packets = [
        Packets::udp(daemon.address(MULTIPLY)),
        Packets::seq(&file("multiply.seq")),
        Packets::gram(&file("multiply.gram"), &file("client")),
    ];
    for client in packets {
        client.say("5 10");
        client.hear("Data received");
        client.hear("50.0");
    }
    let mut member = Client::member(&daemon, "alice");
    fs::write(daemon.directory.path().join("chat.in"), "build finished\n").unwrap();
    member.hear("chat: build finished\n");
    daemon.stop();
}
