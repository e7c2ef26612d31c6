//! Answers to Unix datagrams go to a socket of the sender's own user and nowhere else. If they do not arrive, this is reported.

use std::fs::{self, Permissions, set_permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::harness::around::{as_user, in_namespaces, is_root, may_unshare};
use crate::harness::packets::Packets;
use crate::harness::{Client, Daemon, TIMEOUT, TestDir, wait_until};

/// Two users that no machine has.
const ALICE: u32 = 64_001;
const IPCD: u32 = 64_003;

const OPEN: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432", "unixgram://{dir}/multiply.gram"]
mode = "0666"
[mux]
listen = ["unix://{dir}/ipcd.sock"]
mode = "0666"
"#;

fn open_to_all() -> Daemon {
    let daemon = Daemon::with(OPEN);
    set_permissions(daemon.directory.path(), Permissions::from_mode(0o755)).unwrap();
    daemon
}

/// A directory in which everyone may create files.
fn common() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    directory
}

fn watcher(daemon: &Daemon) -> Client {
    let mut watcher = daemon.unix();
    watcher.say("watch\nservice=multiply json\n");
    assert!(watcher.hear_line().contains("\"watching\""));
    watcher
}

/// Expects that the next event about an answer tells watchers that it was dropped, for this reason.
#[track_caller]
fn sees_dropped(watcher: &mut Client, why: &str) {
    loop {
        let line = watcher.hear_line();
        assert!(!line.contains("\"reply\""), "never shown as sent: {line}");
        if line.contains("\"dropped\"") {
            assert!(line.contains(why), "{line}");
            return;
        }
    }
}

/// A Unix datagram client in another process, which the test controls.
struct Elsewhere {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Elsewhere {
    /// `prepare`: Python code that creates and binds `s`.
    fn new(mut command: Command, prepare: &str) -> Elsewhere {
        let code = format!(
            "import os, socket, sys\n\
             s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
             {prepare}\n\
             s.settimeout(20)\n\
             for line in sys.stdin:\n\
             \x20 word, _, rest = line.rstrip('\\n').partition(' ')\n\
             \x20 if word == 'send': s.sendto(b'5 10', rest); print('sent', flush=True)\n\
             \x20 if word == 'hear': print(s.recv(100).decode(), flush=True)\n"
        );
        let mut child =
            command.args(["-c", &code]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Elsewhere { child, said }
    }

    fn tell(&mut self, what: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn send(&mut self, daemon: &Daemon) {
        let to = daemon.directory.path().join("multiply.gram");
        assert_eq!(self.tell(&format!("send {}", to.display())), "sent");
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn receiver(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn hears_nothing(socket: &UnixDatagram) {
    let heard = socket.recv(&mut [0; 100]).map(|_| ());
    assert_eq!(heard.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn reply_goes_only_to_a_socket_of_the_senders_user() {
    if !is_root() {
        return;
    }
    let (daemon, home) = (open_to_all(), common());
    let own = home.path().join("own");
    let alice = as_user(ALICE, ALICE, || Packets::gram(&daemon.directory.path().join("multiply.gram"), &own));
    as_user(ALICE, ALICE, || alice.say("5 10"));
    alice.hear("Data received");
    alice.hear("50.0");
    // Her address is a path, whose file may be replaced.
    let secret = home.path().join("secret");
    let roots = receiver(&secret);
    set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let replace: [(&str, &dyn Fn()); 4] = [
        ("the file at that path is not a socket of the sender's user", &|| {
            fs::hard_link(&secret, &own).unwrap();
        }),
        ("the file at that path is not a socket of the sender's user", &|| {
            std::os::unix::fs::symlink(&secret, &own).unwrap();
        }),
        ("the file at that path is not a socket of the sender's user", &|| fs::write(&own, "").unwrap()),
        ("the daemon cannot see the socket's file", &|| ()),
    ];
    let mut watcher = watcher(&daemon);
    for (why, replace) in replace {
        fs::remove_file(&own).or_else(|_| fs::metadata(home.path()).map(drop)).unwrap();
        replace();
        let since = daemon.log().len();
        as_user(ALICE, ALICE, || alice.say("5 10"));
        let line = daemon.wait_for_log_since(since, &format!("answer to '{}' dropped: {why}", own.display()));
        assert!(line.starts_with("info: ") && line.contains(&format!("(uid {ALICE})")), "{line}");
        sees_dropped(&mut watcher, why);
    }
    hears_nothing(&roots);
    alice.hear_nothing();
    daemon.stop();
}

#[test]
fn relative_address_is_resolved_in_the_senders_directory() {
    let (daemon, home) = (open_to_all(), common());
    // Other processes of this test, and other daemons, may run at the same time.
    let name = format!("ipcd-test-{}", std::process::id());
    let here = std::env::current_dir().unwrap().join(&name);
    let ours = receiver(&here);
    let mut command = Command::new("python3");
    command.current_dir(home.path());
    let mut client = Elsewhere::new(command, &format!("s.bind('{name}')"));
    client.send(&daemon);
    let heard = [client.tell("hear"), client.tell("hear")];
    let silent = ours.recv(&mut [0; 100]).is_err();
    fs::remove_file(here).unwrap();
    assert_eq!((heard, silent), (["Data received".to_owned(), "50.0".to_owned()], true));
    daemon.stop();
}

#[test]
fn sender_outside_the_pid_namespace_has_a_user_but_no_relative_path() {
    if !is_root() || !may_unshare() {
        return;
    }
    let list = "listen = [{ endpoint = \"unixgram://{dir}/multiply.gram\", allow_users = [64001] }]";
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("[multiply]\nmode = \"0666\"\n{list}\n"));
    set_permissions(test_dir.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let command =
        in_namespaces(&["--pid", "--fork", "--mount-proc", "--kill-child"], "", &test_dir.command());
    let daemon = test_dir.start(command);
    let home = common();
    let gram = daemon.directory.path().join("multiply.gram");
    let alice = as_user(ALICE, ALICE, || {
        let alice = Packets::gram(&gram, &home.path().join("own"));
        alice.say("5 10");
        alice
    });
    alice.hear("Data received");
    alice.hear("50.0");
    let bob = as_user(ALICE + 1, ALICE, || {
        let bob = Packets::gram(&gram, &home.path().join("bob's"));
        bob.say("5 10");
        bob
    });
    let line = daemon.wait_for_log("refused: its user may not use this socket");
    assert!(line.contains(&format!("pid unknown (uid {})", ALICE + 1)), "{line}");
    bob.hear_nothing();
    let mut command = Command::new("python3");
    command.current_dir(home.path());
    let mut client = Elsewhere::new(command, "s.bind('relative')");
    client.send(&daemon);
    daemon.wait_for_log(
        "answer to 'relative' dropped: the path is relative, and the daemon cannot see the sender's directory",
    );
}

#[test]
fn abstract_address_is_answered_where_it_is_the_senders() {
    if !may_unshare() {
        return;
    }
    let daemon = open_to_all();
    let name = format!("ipcd-test-{}", std::process::id());
    // An address that the kernel chooses, and one of our own.
    for address in ["''".to_owned(), format!("'\\0{name}'")] {
        let mut client = Elsewhere::new(Command::new("python3"), &format!("s.bind({address})"));
        client.send(&daemon);
        assert_eq!([client.tell("hear"), client.tell("hear")], ["Data received", "50.0"]);
    }
    // In another network namespace, the same name belongs to another socket.
    let victim = {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let victim = UnixDatagram::bind_addr(&address).unwrap();
        victim.set_nonblocking(true).unwrap();
        victim
    };
    let command = in_namespaces(&["--net"], "", &Command::new("python3"));
    let mut client = Elsewhere::new(command, &format!("s.bind('\\0{name}')"));
    client.send(&daemon);
    daemon.wait_for_log(&format!(
        "answer to '{name}' dropped: the abstract address may belong to another process here"
    ));
    hears_nothing(&victim);
    daemon.stop();
}

/// A client as in textbooks: a socket file in /tmp, the usual umask, and a daemon that is not root.
#[test]
fn unwritable_socket_file_gets_no_reply_and_is_reported() {
    if !is_root() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir.write_config(OPEN);
    let command = test_dir.command_as(IPCD);
    fs::set_permissions(test_dir.directory.path(), Permissions::from_mode(0o777)).unwrap();
    let daemon = test_dir.start(command);
    let (home, mut watcher) = (common(), watcher(&daemon));
    let own = home.path().join("textbook");
    let alice = as_user(ALICE, ALICE, || {
        let alice = Packets::gram(&daemon.directory.path().join("multiply.gram"), &own);
        set_permissions(&own, Permissions::from_mode(0o755)).unwrap(); // all tests share the umask
        alice.say("5 10");
        alice
    });
    let why = "the daemon may not write to the socket's file";
    daemon.wait_for_log(&format!("answer to '{}' dropped: {why}", own.display()));
    sees_dropped(&mut watcher, why);
    alice.hear_nothing();
    // The remedy in the manual works.
    set_permissions(&own, Permissions::from_mode(0o777)).unwrap();
    as_user(ALICE, ALICE, || alice.say("5 10"));
    alice.hear("Data received");
    alice.hear("50.0");
    daemon.stop();
}

/// The same with PrivateTmp=: the daemon has another /tmp than the client.
#[test]
fn invisible_directorys_socket_file_gets_no_reply_and_is_reported() {
    if !may_unshare() {
        return;
    }
    let (test_dir, home) = (TestDir::new(), common());
    test_dir.write_config(OPEN);
    let hide = format!("mount -t tmpfs none '{}'", home.path().display());
    let command = in_namespaces(&["--mount"], &hide, &test_dir.command());
    let daemon = test_dir.start(command);
    let mut watcher = watcher(&daemon);
    let own = home.path().join("own");
    let client = Packets::gram(&daemon.directory.path().join("multiply.gram"), &own);
    client.say("5 10");
    let why = "the daemon cannot see the socket's file";
    daemon.wait_for_log(&format!("answer to '{}' dropped: {why}", own.display()));
    sees_dropped(&mut watcher, why);
    client.hear_nothing();
    daemon.stop();
}

/// In the daemon's view of the file system, the sender's path leads to an automounter that never answers. Anyone can have such an
/// address, from another mount namespace or by a symbolic link.
#[test]
fn path_that_would_block_the_kernel_delays_nobody() {
    if !may_unshare() {
        return;
    }
    let (test_dir, home) = (TestDir::new(), common());
    test_dir.write_config(OPEN);
    let auto = home.path().join("auto");
    fs::create_dir_all(auto.join("host")).unwrap();
    let (pipe, auto_shown) = (home.path().join("pipe").display().to_string(), auto.display());
    let mount = format!(
        "mkfifo '{pipe}'; exec 9<>'{pipe}'\n\
         mount -t autofs -o fd=9,pgrp=1,minproto=5,maxproto=5,indirect never '{auto_shown}'"
    );
    // Checks whether such a file exists. Without a lookup, nothing waits.
    let probe = in_namespaces(&["--mount"], &mount, &Command::new("true")).stderr(Stdio::null()).status();
    fs::remove_file(&pipe).unwrap();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("not tested: autofs cannot be mounted here");
        return;
    }
    let command = in_namespaces(&["--mount"], &mount, &test_dir.command());
    let daemon = test_dir.start(command);
    let client = Packets::gram(&daemon.directory.path().join("multiply.gram"), &auto.join("host/own"));
    client.say("5 10");
    let mut other = daemon.tcp(crate::harness::MULTIPLY);
    other.say("6 7\n");
    other.hear("Data received\n42.0\n");
    daemon.wait_for_log("dropped: the daemon cannot see the socket's file");
    daemon.stop();
}

/// Sends this many copies of a descriptor with a datagram that gets no answer.
fn pass(socket: &impl AsFd, file: &fs::File, count: usize) -> rustix::io::Result<usize> {
    let many = vec![file.as_fd(); count];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&many)));
    let bytes = [std::io::IoSlice::new(b"Data received")];
    sendmsg(socket, &bytes, &mut ancillary, SendFlags::empty())
}

/// Of ten thousand datagrams, each with as many descriptors as it can carry, the daemon keeps no descriptor.
#[test]
fn received_descriptors_are_never_accepted() {
    const DATAGRAMS: usize = 10_000;
    let daemon = open_to_all();
    let client =
        Packets::gram(&daemon.directory.path().join("multiply.gram"), &daemon.directory.path().join("own"));
    client.socket.set_write_timeout(Some(TIMEOUT)).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let before = daemon.descriptors();
    let (mut refused, mut taken) = (0, 0);
    for count in (0..DATAGRAMS).map(|index| [1, 14, 200][index % 3]) {
        match pass(&client.socket, &file, count) {
            Ok(_) => taken += 1,
            // SO_PASSRIGHTS: they cannot even be sent (Linux 6.16).
            Err(rustix::io::Errno::PERM) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    client.say("5 10");
    client.hear("Data received");
    client.hear("50.0");
    // The socket that was just answered is closed in a moment.
    let after = wait_until("as many descriptors as before", || {
        Some(daemon.descriptors()).filter(|after| *after == before)
    });
    println!(
        "{DATAGRAMS} datagrams, {refused} refused to be sent, {taken} taken: {before} descriptors before, {after} after"
    );
    daemon.stop();
}

/// On a kernel with that feature, nobody can even send one. Otherwise the daemon might be the last to close somebody else's file,
/// which can take as long as its owner likes.
#[test]
fn unix_sockets_of_all_types_refuse_descriptors_at_the_sender() {
    let streams = "\"unix://{dir}/multiply.sock\", \"unixseq://{dir}/multiply.seq\", \"unixgram";
    let daemon = Daemon::with(&OPEN.replace("\"unixgram", streams));
    let at = |name: &str| daemon.directory.path().join(name);
    let file = fs::File::open("/dev/null").unwrap();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut version = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let is_new = (version.next().unwrap_or(0), version.next().unwrap_or(0)) >= (6, 16);
    let stream = std::os::unix::net::UnixStream::connect(at("multiply.sock")).unwrap();
    let (seq, gram) = (Packets::seq(&at("multiply.seq")), Packets::gram(&at("multiply.gram"), &at("own")));
    for socket in [stream.as_fd(), seq.socket.as_fd(), gram.socket.as_fd()] {
        assert_eq!(pass(&socket, &file, 1) == Err(rustix::io::Errno::PERM), is_new, "{release}");
    }
    daemon.stop();
}
