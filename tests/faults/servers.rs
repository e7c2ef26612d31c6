//! What answers as a server of NATS is none, or a broken one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use crate::harness::{Daemon, MULTIPLY, TestDir, wait_until};

const MIB: usize = 1024 * 1024;

const INFO: &str = "INFO {\"headers\":true,\"jetstream\":true,\"max_payload\":1048576}\r\n";

/// A daemon whose server is this function, which gets each connection after the greeting.
fn serve(server: impl Fn(TcpStream) + Send + 'static) -> (Daemon, JoinHandle<()>) {
    let test_dir = TestDir::new();
    let listener = TcpListener::bind((test_dir.ip, 4222)).unwrap();
    let thread = std::thread::spawn(move || server_of(listener, server));
    let daemon = test_dir.serve(
        "[nats]\nservers = [\"nats://{ip}:4222\"]\n[multiply]\nlisten = [\"tcp://{ip}:65432\"]\n\
         [chat]\nroom = \"class\"\nlisten = [\"tcp://{ip}:33000\"]\n",
    );
    (daemon, thread)
}

/// Takes connections until one says CONNECT and PING: the daemon leaves a server that is late.
fn server_of(listener: TcpListener, server: impl Fn(TcpStream)) {
    let mut stream = loop {
        let (mut stream, _) = listener.accept().unwrap();
        // Nothing more is read.
        let mut said = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        if stream.write_all(INFO.as_bytes()).is_ok()
            && said.next().is_some_and(|line| line.starts_with("CONNECT {"))
            && said.next().is_some_and(|line| line == "PING")
        {
            break stream;
        }
    };
    stream.write_all(b"PONG\r\n").unwrap();
    server(stream);
}

/// The daemon answers others, and has not grown much.
fn check(daemon: &Daemon, before: usize) {
    let mut client = daemon.tcp(MULTIPLY);
    for _ in 0..20 {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }
    let grown = daemon.own_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes");
}

#[test]
fn server_that_sends_endlessly_and_reads_nothing_is_dropped() {
    let pings = "PING\r\n".repeat(10_000);
    let (daemon, thread) = serve(move |mut stream| while stream.write_all(pings.as_bytes()).is_ok() {});
    let before = daemon.own_bytes();
    daemon.wait_for_log("the server does not read its input");
    check(&daemon, before);
    thread.join().unwrap();
}

#[test]
fn server_that_delivers_endlessly_delays_no_client() {
    let signs = "MSG ipcd.house.alive.x 2 0\r\n\r\n".repeat(2000);
    let strangers = format!("MSG ipcd.house.stats 4 1000\r\n{}\r\n", "x".repeat(1000)).repeat(50);
    let overlong = format!("MSG ipcd.house.stats 4 1000000000\r\n{}", "x".repeat(100_000));
    for words in [signs, strangers, overlong] {
        let (sent, mut sending) = std::sync::mpsc::sync_channel(0);
        let (daemon, thread) = serve(move |mut stream| {
            let mut bytes = 0;
            while stream.write_all(words.as_bytes()).is_ok() {
                bytes += words.len();
                let _ = sent.try_send(bytes);
            }
        });
        let before = daemon.own_bytes();
        let more_than = |bytes: usize, sending: &mut std::sync::mpsc::Receiver<usize>| {
            wait_until("it goes on sending", || sending.recv().ok().filter(|sent| *sent > bytes))
        };
        more_than(8 * MIB, &mut sending);
        check(&daemon, before);
        more_than(24 * MIB, &mut sending);
        check(&daemon, before);
        drop(daemon);
        drop(sending);
        thread.join().unwrap();
    }
}
