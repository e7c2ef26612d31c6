#!/usr/bin/env bash
# memcache 0.21.0 (crates.io): the timeout in the URL, as in the README's example "memcache://127.0.0.1:12345?timeout=10", has no effect
# on the connection that connect() makes. It is set first, then ClientBuilder::build() replaces it by its own, which is none by default.
# With a server that answers "get" after 4 seconds and timeout=1: seen Ok after 4 seconds. Client::with_pool_size() with the same URL, or
# with_read_timeout() of the builder, gives WouldBlock after 1 second.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p probe/src
cat > probe/Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
memcache = { version = "=0.21.0", default-features = false }
TOML
cat > probe/src/main.rs <<'RS'
use memcache::{Client, MemcacheError};
use std::io::{BufRead, BufReader, Write};
use std::{net::TcpListener, thread, time::Duration, time::Instant};

/// Answers "version" at once and everything else after 4 seconds.
fn serve(listener: TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        thread::spawn(move || {
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let Ok(line) = line else { return };
                let answer = if line == "version" {
                    "VERSION 1.6.18\r\n"
                } else {
                    thread::sleep(Duration::from_secs(4));
                    "END\r\n"
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

fn ask(client: Result<Client, MemcacheError>) -> (String, bool) {
    let start = Instant::now();
    let answer = match client.unwrap().get::<String>("key") {
        Err(MemcacheError::IOError(error)) => format!("{:?}", error.kind()),
        other => format!("{other:?}"),
    };
    (answer, start.elapsed() >= Duration::from_secs(4))
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(|| serve(listener));
    let url = format!("memcache://{address}?protocol=ascii");
    let timed = format!("{url}&timeout=1");
    let builder = Client::builder().with_max_pool_size(1).with_read_timeout(Duration::from_secs(1));
    let seen = [
        ("connect(), timeout=1", ask(memcache::connect(timed.as_str()))),
        ("with_pool_size(), timeout=1", ask(Client::with_pool_size(timed.as_str(), 1))),
        ("with_read_timeout(1 s)", ask(builder.add_server(url.as_str()).unwrap().build())),
    ];
    for (name, (answer, waited)) in &seen {
        println!("{name}: {answer}, {} the answer", if *waited { "waited for" } else { "did not wait for" });
    }
    let expected = [("Ok(None)", true), ("WouldBlock", false), ("WouldBlock", false)];
    let seen = seen.map(|(_, (answer, waited))| (answer, waited));
    assert_eq!(seen, expected.map(|(answer, waited)| (answer.to_owned(), waited)), "this has changed");
}
RS
timeout 600 cargo run -q --manifest-path probe/Cargo.toml --target-dir target
