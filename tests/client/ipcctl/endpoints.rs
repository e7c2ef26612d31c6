//! The client at endpoints of every kind: sockets of streams, packets and datagrams, and pairs of FIFOs and message queues.

use std::fs::File;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, mkfifoat};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{ipcctl, ipcctl_with, text};
use crate::harness::around::deserted;
use crate::harness::interrupted::uninterrupted;
use crate::harness::queues::Queues;
use crate::harness::{Daemon, TestDir, wait_until};

/// Multiply's answer to `6 7`, as two messages.
const REPLY: [&[u8]; 2] = [b"Data received", b"42.0"];

#[test]
fn unix_socket_selects_its_service_by_name_or_option() {
    let own = "[chat]\nlisten = [\"unix://{dir}/chat.sock\", \"unix://{dir}/room\"]\n";
    let daemon = Daemon::with(own);
    let place = |name: &str| format!("unix://{}", daemon.directory.path().join(name).display());
    for to in [&["--to", &place("chat.sock")][..], &["--to", &place("room"), "--direct"]] {
        let output = ipcctl_with(&[to, &["chat", "--name", "cron"]].concat(), "hi\n");
        assert_eq!(text(&output.stdout), "cron: hi\n", "{output:?}");
    }
    daemon.stop();
}

#[test]
fn chat_over_a_connectionless_endpoint_is_refused_at_once() {
    for to in ["udp://127.0.0.1:1", "unixgram:///nonexistent/g", "fifo:///nonexistent/f"] {
        let output = ipcctl_with(&["--to", to, "chat", "--name", "x"], "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains("chat needs a connection"), "{output:?}");
    }
}

#[test]
fn datagram_is_answered_over_udp_and_a_bound_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let path = directory.path().join("multiply.gram");
    let gram = UnixDatagram::bind(&path).unwrap();
    let places = [format!("udp://{}", udp.local_addr().unwrap()), format!("unixgram://{}", path.display())];
    let servers = [
        std::thread::spawn(move || {
            for _ in 0..2 {
                let mut buffer = [0; 100];
                let (count, from) = uninterrupted(|| udp.recv_from(&mut buffer)).unwrap();
                assert_eq!(&buffer[..count], b"6 7");
                REPLY.iter().for_each(|message| assert!(udp.send_to(message, from).is_ok()));
            }
        }),
        std::thread::spawn(move || {
            for _ in 0..2 {
                let mut buffer = [0; 100];
                let (count, from) = uninterrupted(|| gram.recv_from(&mut buffer)).unwrap();
                assert_eq!(&buffer[..count], b"6 7");
                REPLY.iter().for_each(|message| assert!(gram.send_to_addr(message, &from).is_ok()));
            }
        }),
    ];
    for to in &places {
        let output = ipcctl_with(&["--to", to, "multiply", "-"], "6 7\n6 7\n");
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n42.0\n", ""), "{to}");
        assert!(output.status.success());
    }
    servers.into_iter().for_each(|server| server.join().unwrap());
}

#[test]
fn lost_and_refused_datagrams_have_their_exit_status() {
    // On an address of its own, so that no other test takes the port when it is free.
    let silent = UdpSocket::bind((TestDir::new().ip, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    let to = format!("udp://{address}");
    let output = ipcctl(&["--to", &to, "--timeout", "50ms", "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    drop(silent);
    deserted(address);
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}

#[test]
fn packet_socket_sends_the_choice_first_then_a_packet_per_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ipcd.seq");
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let server = std::thread::spawn(move || {
        let (peer, _) = listener.accept().unwrap();
        for expected in [&b"multiply"[..], b"6 7"] {
            let mut buffer = [0; 100];
            let count = uninterrupted(|| (&peer).read(&mut buffer)).unwrap();
            assert_eq!(&buffer[..count], expected);
        }
        REPLY.iter().for_each(|message| assert!(peer.send(message).is_ok()));
    });
    let to = format!("unixseq://{}", path.display());
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n", ""));
    server.join().unwrap();
}

#[test]
fn fifo_pair_is_queried_and_stale_replies_are_skipped() {
    let daemon = Daemon::with("[multiply]\nlisten = [\"fifo://{dir}/multiply\"]\n");
    let path = |end: &str| daemon.directory.path().join(format!("multiply{end}"));
    let mut other = File::options().write(true).open(path(".in")).unwrap();
    other.write_all(b"1 1\n").unwrap();
    // The reply is there, and stays.
    let out = File::options().read(true).open(path(".out")).unwrap();
    let mut ready = [PollFd::new(&out, PollFlags::IN)];
    assert_eq!(poll(&mut ready, None).unwrap(), 1);
    let to = format!("fifo://{}", path("").display());
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], "6 7\n8 9\n");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n72.0\n", ""));
    let directory = tempfile::tempdir().unwrap();
    for end in ["in", "out"] {
        let path = directory.path().join(format!("multiply.{end}"));
        mkfifoat(CWD, path, Mode::RWXU).unwrap();
    }
    // Nobody reads there.
    let to = format!("fifo://{}", directory.path().join("multiply").display());
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    daemon.stop();
}

#[test]
fn message_queues_are_queried_and_stale_replies_are_skipped() {
    let queues = Queues::new("client");
    let daemon = Daemon::with(&format!("[multiply]\nmax_message = 100\nlisten = [\"mq://{}\"]\n", queues.0));
    queues.say("1 1");
    let to = format!("mq://{}", queues.0);
    let many: String = (0..50).map(|number| format!("{number} 2\n")).collect();
    let products: String = (0..50).map(|number| format!("{}.0\n", 2 * number)).collect();
    wait_until("a stale reply", || queues.try_hear());
    let output = ipcctl_with(&["--to", &to, "multiply", "-"], &many);
    assert_eq!((text(&output.stdout), text(&output.stderr)), (products.as_str(), ""));
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n", ""));
    daemon.stop();
    let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        text(&output.stderr).contains("no such message queue (a daemon with PrivateIPC=yes"),
        "{output:?}"
    );
}

#[test]
fn request_works_over_every_kind_of_endpoint() {
    let daemon = Daemon::with(
        r#"
        [multiply]
        listen = ["tcp://{ip}:65432", "udp://{ip}:65432", "unix://{dir}/multiply.sock", "unixseq://{dir}/multiply.seq",
            "unixgram://{dir}/multiply.gram", "fifo://{dir}/multiply", "shm://{dir}/multiply.shm"]
        [hello]
        listen = ["tcp://{ip}:8080", "udp://{ip}:8080", "unixgram://{dir}/hello.gram", "unixseq://{dir}/hello.seq", "shm://{dir}/hello.shm"]
        "#,
    );
    let directory = daemon.directory.path().display().to_string();
    let endpoint = |to: &str, service: &str, suffix: &str| match to {
        "tcp" | "udp" => {
            format!("{to}://{}", daemon.address(if service == "hello" { 8080 } else { 65432 }))
        }
        _ => format!("{to}://{directory}/{service}{suffix}"),
    };
    for (kind, suffix) in [
        ("tcp", ""),
        ("udp", ""),
        ("unix", ".sock"),
        ("unixseq", ".seq"),
        ("unixgram", ".gram"),
        ("fifo", ""),
        ("shm", ".shm"),
    ] {
        let to = endpoint(kind, "multiply", suffix);
        let output = ipcctl(&["--to", &to, "multiply", "6", "7"]);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("42.0\n", ""), "{to}");
        if !matches!(kind, "unix" | "fifo") {
            let to = endpoint(kind, "hello", suffix);
            let output = ipcctl(&["--to", &to, "hello"]);
            assert_eq!((text(&output.stdout), text(&output.stderr)), ("Hello from server\n", ""), "{to}");
        }
    }
    daemon.stop();
}

#[test]
fn room_and_a_long_list_of_requests_work_over_shared_memory() {
    let daemon = Daemon::with(
        "[multiply]\nlisten = [\"shm://{dir}/multiply.shm\", \"unix://{dir}/m.sock\"]\n[chat]\nlisten = [\"shm://{dir}/chat.shm\"]\n",
    );
    let to = |file: &str| format!("shm://{}", daemon.directory.path().join(file).display());
    let many: String = (0..20_000).map(|number| format!("{number} 2\n")).collect();
    let products: String = (0..20_000).map(|number| format!("{}.0\n", 2 * number)).collect();
    let output = ipcctl_with(&["--to", &to("multiply.shm"), "multiply", "-"], &many);
    assert!(text(&output.stdout) == products && output.stderr.is_empty(), "{}", text(&output.stderr));
    let output = ipcctl_with(&["--to", &to("chat.shm"), "chat", "--name", "zoe"], "hi\n");
    assert!(text(&output.stdout).contains("zoe: hi\n"), "{output:?}");
    let output = ipcctl(&["--to", &to("multiply.shm"), "greet"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = ipcctl(&["--to", &to("m.sock"), "--timeout", "300ms", "multiply", "6", "7"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    daemon.stop();
}

#[test]
fn overlong_line_still_gets_an_output_line() {
    let daemon =
        Daemon::with("[multiply]\nlisten = [\"tcp://{ip}:65432\", \"udp://{ip}:65432\"]\nmax_message = 64\n");
    let input = format!("1 2\n{}\n6 7\n", "1".repeat(65));
    let ask = |kind: &str| {
        let to = format!("{kind}://{}:65432", daemon.ip);
        let output = ipcctl_with(&["--to", &to, "multiply", "-"], &input);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let told = "2.0\nError: message longer than 64 bytes\n";
    for kind in ["udp", "tcp"] {
        assert_eq!(ask(kind), (format!("{told}42.0\n"), "ipcctl: 1 of 3 requests failed\n".to_owned()));
    }
    daemon.stop();
}
