//! `--to` with a host's name: all its addresses are tried, in bounded time, with clear errors.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{ipcctl, text};
use crate::harness::around::{in_namespaces, may_unshare, outcome};
use crate::harness::{Daemon, TestDir, wait_until};

/// ipcctl with these files for name lookups.
fn among(hosts: &str, resolver: IpAddr, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        let bind = |path: &Path| format!("mount --bind {} /etc/{name}", path.display());
        bind(&directory.path().join(name))
    };
    let prepare = [
        write("hosts", &format!("127.0.0.1 localhost\n{hosts}\n")),
        write("resolv.conf", &format!("nameserver {resolver}\noptions timeout:30 attempts:1\n")),
        write("nsswitch.conf", "hosts: files dns\n"),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.args(arguments);
    outcome(&mut in_namespaces(&["--mount"], &prepare.join("\n"), &command))
}

/// An address that neither accepts nor refuses a connection: the backlog is full, and nobody accepts.
fn black_hole(port: u16) -> (IpAddr, Socket, Vec<TcpStream>) {
    let ip = TestDir::new().ip;
    let address = SocketAddr::from((ip, port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        held.push(stream);
    }
    (ip.into(), socket, held)
}

#[test]
fn host_name_is_resolved_and_every_address_tried() {
    if !may_unshare() {
        return;
    }
    let daemon = Daemon::usual();
    let nobody = TestDir::new().ip;
    let (hole, _socket, _held) = black_hole(65432);
    let resolver = daemon.ip.into();
    for (hosts, to) in [
        (format!("{} teacher.local", daemon.ip), "tcp://teacher.local:65432"),
        (format!("{} teacher", daemon.ip), "teacher:65432"),
        // The first is refused at once, and the next one is tried.
        (format!("{nobody} teacher.local\n{} teacher.local", daemon.ip), "tcp://teacher.local:65432"),
        // The first does not answer, and is not waited for.
        (format!("{hole} teacher.local\n{} teacher.local", daemon.ip), "tcp://Teacher.Local:65432"),
    ] {
        let begun = Instant::now();
        let output = among(&hosts, resolver, &["--to", to, "multiply", "5", "10"]);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("50.0\n", ""), "{hosts} {to}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{hosts}: {:?}", begun.elapsed());
    }
    daemon.stop();
}

#[test]
fn unreachable_host_is_one_error_line_in_time() {
    if !may_unshare() {
        return;
    }
    let nobody = TestDir::new().ip;
    let (hole, _socket, _held) = black_hole(65432);
    let hosts = format!("{nobody} none.local\n{hole} hole.local\n{nobody} both.local\n{hole} both.local\n");
    // A name server that never answers.
    let resolver = TestDir::new().ip;
    let deaf = UdpSocket::bind((resolver, 53));
    let mut cases = vec![
        ("tcp://none.local:65432", 69, "no ipcd at tcp://none.local:65432: connection refused"),
        ("tcp://hole.local:65432", 75, "no ipcd at tcp://hole.local:65432: no answer within 2s; "),
        ("tcp://both.local:65432", 75, ": connection refused; no answer within 2s; "),
    ];
    match &deaf {
        Ok(_) => cases.push((
            "tcp://nobody.example:65432",
            75,
            "nobody.example: looking up its address timed out; ",
        )),
        Err(_) => eprintln!("not tested: only root can be a name server"),
    }
    for (to, status, says) in cases {
        let begun = Instant::now();
        let arguments = ["--to", to, "--timeout", "2s", "multiply", "5", "10"];
        let output = among(&hosts, resolver.into(), &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{to}: {said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
        assert!(begun.elapsed() < Duration::from_secs(25), "{to}: {:?}", begun.elapsed());
    }
    // Without a name server, the name is unknown at once.
    let nowhere = TestDir::new().ip;
    let output = among(&hosts, nowhere.into(), &["--to", "tcp://nobody.example:1", "multiply", "5", "10"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.starts_with("ipcctl: nobody.example: ") && said.contains("check the name, or give the address"),
        "{said}"
    );
}

#[test]
fn invalid_host_is_a_usage_error_with_a_correction() {
    for (to, says) in [
        (
            "tcp://a b:1",
            "a host is a name or an address, for example teacher.local, 192.168.1.7 or [fd00::7]",
        ),
        ("teacher.local", "the port is missing, for example tcp://teacher.local:65432 for multiply"),
        ("tcp://teacher.local", "the port is missing, for example tcp://teacher.local:65432"),
        ("udp://teacher.local:1", "chat needs a connection"),
    ] {
        let output = ipcctl(&["--to", to, "chat"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn missing_daemon_is_one_error_line_and_verbose_lists_attempts() {
    let free = {
        let listener = TcpListener::bind((TestDir::new().ip, 0)).unwrap();
        listener.local_addr().unwrap()
    };
    // A child that another test starts may have a copy of the listener until execve(2).
    wait_until("nobody listens", || TcpStream::connect(free).is_err().then_some(()));
    let to = format!("tcp://{free}");
    let output = ipcctl(&["--to", &to, "multiply", "5", "10"]);
    assert_eq!(text(&output.stderr), format!("ipcctl: no ipcd at {to}: connection refused\n"));
    assert_eq!(output.status.code(), Some(69));
    let output = ipcctl(&["--to", &to, "--verbose", "multiply", "5", "10"]);
    assert_eq!(
        text(&output.stderr),
        format!("ipcctl: tried {to}: connection refused\nipcctl: no ipcd at {to}: connection refused\n")
    );
    // No test's daemon has the default endpoints, but a user's daemon would.
    if !may_unshare() {
        return;
    }
    let here = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(arguments).env("XDG_RUNTIME_DIR", "/nonexistent");
        let prepare = "ip link set lo up; mount -t tmpfs none /run";
        outcome(&mut in_namespaces(&["--net", "--mount"], prepare, &command))
    };
    let output = here(&["multiply", "5", "10"]);
    let line = "ipcctl: no ipcd runs here; start one with 'ipcd', or give an endpoint with --to\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(69), line));
    let output = here(&["-v", "multiply", "5", "10"]);
    let said = text(&output.stderr);
    assert!(
        said.ends_with(line) && said.contains("tried tcp://127.0.0.1:65432: connection refused\n"),
        "{said}"
    );
    let output = here(&["reload"]);
    let line = "ipcctl: no ipcd runs here, or the one that runs has no [mux]; start one with 'ipcd', or add [mux] with listen = [\"unix://%t/ipcd/ipcd.sock\"] to its configuration and send it SIGHUP\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(69), line));
}
