//! Neither one connection nor ten thousand can disturb the others.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::fixture::{Chance, Fixture, answered, effort, is_full, owed, step_back};
use crate::harness::late::in_time;
use crate::harness::{
    BESIDE, CHAT, Client, HELLO, MULTIPLY, Probe, TIMEOUT, USUAL, is_sanitized, not_http, wait_until,
};

const REQUESTS: &str = "5 10\n";
const REPLIES: &str = "Data received\n50.0\n";

#[test]
fn repeated_connect_and_reset_leaks_nothing() {
    let fixture = Fixture::with(USUAL);
    let each = effort(2_500, 250_000);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let fixture = &fixture;
            scope.spawn(move || {
                step_back();
                let mut chance = Chance::new(worker);
                for _ in 0..each {
                    let port = chance.pick(&[MULTIPLY, MULTIPLY, CHAT]);
                    let Ok(stream) = TcpStream::connect(fixture.address(port)) else { continue };
                    let words = chance.pick(&["", "5 10\n", "5 1", "5 10\n5 10\nx\n"]);
                    if port == MULTIPLY {
                        let _ = (&stream).write(words.as_bytes());
                    }
                    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                }
            });
        }
    });
    // After all clients in the backlog; otherwise the daemon would accept the rest when it stops.
    answered(&mut fixture.tcp(MULTIPLY));
    drop(Client::member(&fixture, "last"));
    fixture.end(&format!("{} connections reset", 4 * each));
}

/// Clients of which each sends one byte a second, until told to stop, and one that sends an LF in time. Returns when they were told, after
/// they began. `None`: this process was too late for the one that finishes.
fn told_after(fixture: &Fixture, count: usize, seconds: u64) -> Option<Duration> {
    let mut finishing = fixture.tcp(MULTIPLY);
    answered(&mut finishing);
    let begun = Instant::now();
    let mut slow: Vec<Client> = (0..count).map(|_| fixture.tcp(MULTIPLY)).collect();
    for client in &mut slow {
        client.say("5 10\n1"); // a line client from the first burst on
        client.hear(REPLIES);
    }
    let told = std::thread::scope(|scope| {
        let sends = || {
            step_back();
            let mut first = None;
            for second in 1..seconds {
                let due = begun + Duration::from_secs(second);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                slow.iter_mut().for_each(|client| _ = client.try_say(b"1"));
                first.get_or_insert_with(Instant::now);
                _ = finishing.try_say(b"1");
            }
            let is_said = finishing.try_say(b" 2\n");
            if !is_said || first?.elapsed() >= Duration::from_secs(seconds) {
                return None;
            }
            let product = "1".repeat(seconds as usize - 1).parse::<f64>().unwrap() * 2.0;
            finishing.hear("Data received\n");
            assert_eq!(finishing.hear_line().parse(), Ok(product));
            let error = format!("Error: message not finished after {seconds} s\n");
            slow.iter_mut().for_each(|client| client.hear(&error));
            Some(begun.elapsed())
        };
        scope.spawn(sends).join().unwrap()
    })?;
    slow.iter_mut().for_each(Client::hear_end);
    Some(told)
}

#[test]
fn slow_writers_time_out_and_one_that_finishes_is_answered() {
    let (count, seconds) = effort((200, 3), (1_000, 30));
    let fixture = Fixture::with(&format!("[limits]\nmessage_timeout = \"{seconds}s\"\n{USUAL}"));
    let told = in_time(|| told_after(&fixture, count, seconds));
    assert!(told >= Duration::from_secs(seconds), "the deadline counts from the message's first byte");
    fixture.end(&format!("{count} slow writers, all told {told:.1?} after they began"));
}

#[test]
fn endless_line_gets_an_error_and_no_memory() {
    let bytes: usize = effort(64 << 20, 1 << 30);
    let fixture = Fixture::with(USUAL);
    let mut client = fixture.tcp(MULTIPLY);
    let before = fixture.own_bytes();
    client.say("1 1\n");
    client.hear("Data received\n1.0\n");
    let mut most = 0;
    let chunk = vec![b'1'; 1 << 20];
    let mut sent = 0;
    // The rest is read and dropped, until the line ends or has taken too long.
    while sent < bytes {
        client.say(&chunk);
        sent += chunk.len();
        most = most.max(fixture.own_bytes().saturating_sub(before));
    }
    client.hear("Error: message longer than 4096 bytes\n");
    client.say("\n5 10\n");
    client.hear("Data received\n50.0\n");
    drop(client);
    assert!(most <= 64 * 1024 || is_sanitized(), "{most} bytes more for {sent} bytes in a line");
    fixture.end(&format!("a line of {} MiB, {} KiB more meanwhile", sent >> 20, most / 1024));
}

#[test]
fn firehose_is_answered_in_order() {
    const COUNT: usize = 100_000;
    let fixture = Fixture::with(USUAL);
    let mut requests = String::new();
    let mut replies = String::new();
    for number in 0..COUNT {
        requests += &format!("{number} 3\n");
        replies += &format!("Data received\n{}.0\n", number * 3);
    }
    for _ in 0..effort(2, 20) {
        let stream = TcpStream::connect(fixture.address(MULTIPLY)).unwrap();
        let mut client = Client::of(stream.try_clone().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                step_back();
                (&stream).write_all(requests.as_bytes()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(|| {
                step_back();
                client.hear(&replies);
                client.hear_end();
            });
        });
    }
    fixture.end("100,000 requests in one write");
}

#[test]
fn reply_arrives_whole_while_the_client_still_sends() {
    let (count, workers) = (effort(1_000, 10_000), 8);
    let fixture = Fixture::with(&format!("[limits]\nlinger_timeout = \"1min\"\n{USUAL}{BESIDE}"));
    let whole = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (fixture, whole) = (&fixture, &whole);
            scope.spawn(move || {
                step_back();
                for _ in 0..count / workers {
                    let mut stream = TcpStream::connect(fixture.address(HELLO)).unwrap();
                    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                    stream.write_all(b"Hello from client\n").unwrap();
                    // More than the daemon will ever read, sent while it answers and closes.
                    for _ in 0..4 {
                        stream.write_all(&[b'x'; 8192]).unwrap();
                    }
                    let mut heard = Vec::new();
                    stream.read_to_end(&mut heard).expect("end of file and no reset");
                    assert_eq!(heard, b"Hello from server\n");
                    whole.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(whole.into_inner(), count);
    fixture.end(&format!("{count} of {count} replies whole"));
}

#[test]
fn client_that_never_closes_is_bounded_by_lingering() {
    let count = effort(200, 2_000);
    let fixture = Fixture::with(&format!("{USUAL}{BESIDE}"));
    let before = fixture.descriptors();
    let mut held: Vec<Client> = (0..count).map(|_| fixture.tcp(HELLO)).collect();
    for client in &mut held {
        client.say("Hello from client\n");
        client.hear("Hello from server\n");
        client.hear_end();
    }
    let begun = Instant::now();
    wait_until("all are closed by the daemon", || (fixture.descriptors() == before).then_some(()));
    let took = begun.elapsed();
    drop(held);
    fixture.end(&format!("{count} never closed, gone {took:.1?} after the last was told"));
}

/// Each batch of events has closes and, right after them, new clients in the same slots.
#[test]
fn reused_slot_never_gets_its_predecessors_bytes() {
    let (rounds, batch) = effort((40, 250), (4_000, 250));
    let fixture = Fixture::with(USUAL);
    let mut chance = Chance::new(11);
    let mut probe = Probe::new(&fixture);
    let mut wrong = 0;
    let mut old: Vec<(usize, TcpStream)> = Vec::new();
    let mut serial = 0;
    for _ in 0..rounds {
        // All of this waits in the kernel, and arrives as one batch.
        fixture.freeze();
        for (number, stream) in old.drain(..) {
            // Half of them have sent requests, whose answers reach nobody.
            if number % 2 == 0 {
                let _ = (&stream).write_all(format!("{number} 1\n{number} 1\n").as_bytes());
            }
            if chance.below(2) == 0 {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            }
        }
        for _ in 0..batch {
            serial += 1;
            let stream = TcpStream::connect(fixture.address(MULTIPLY)).unwrap();
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            (&stream).write_all(format!("{serial} 1\n").as_bytes()).unwrap();
            old.push((serial, stream));
        }
        fixture.thaw();
        for (number, stream) in &mut old {
            let reply = format!("Data received\n{number}.0\n");
            let mut heard = vec![0; reply.len()];
            stream.read_exact(&mut heard).unwrap();
            wrong += usize::from(heard != reply.as_bytes());
        }
        probe.wait();
    }
    assert_eq!(wrong, 0);
    drop((old, probe));
    fixture.end(&format!("{} places taken again, 0 bytes to the wrong peer", rounds * batch));
}

/// A browser's and a TLS client's first bytes, on a port of another protocol.
#[test]
fn foreign_protocol_gets_one_error_and_is_closed() {
    let fixture = Fixture::with(&format!("{USUAL}{BESIDE}"));
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let hellos: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP"),
        (b"POST /submit HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"OPTIONS * HTTP/1.0\n\n", "HTTP"),
        (tls, "TLS"),
    ];
    for _ in 0..effort(20, 500) {
        for (hello, name) in hellos {
            for (port, service, greeting) in [
                (MULTIPLY, "multiply", ""),
                (CHAT, "chat", "Greetings from the cave! Now type your name and press enter!\n"),
                (HELLO, "hello", ""),
            ] {
                let mut client = fixture.tcp(port);
                let ((), took) = owed(Some(fixture.pid()), || {
                    client.say(hello);
                    client.hear(greeting);
                    let error = format!("Error: this port speaks {service}, not {name}\n");
                    client.hear(if name == "HTTP" { not_http(service) } else { error });
                    client.hear_end();
                });
                assert!(took < Duration::from_secs(1), "{took:?}");
            }
        }
    }
    fixture.end("hellos of other protocols");
}

/// The longest time from the freeing of descriptors until the last of two hundred in the backlog is served.
const FREED_MAX: Duration = Duration::from_millis(150);

#[test]
fn descriptor_shortage_idles_then_serves_the_waiting() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let fixture = Fixture::with(USUAL).expect_in_log("cannot accept now").expect_in_log("endpoint errors");
    let limit = |files: u64| {
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let new = Rlimit { current: Some(files), maximum };
        prlimit(Some(Pid::from_raw(fixture.pid()).unwrap()), Resource::Nofile, new).unwrap();
    };
    let mut inside: Vec<Client> = (0..200).map(|_| fixture.tcp(MULTIPLY)).collect();
    inside.iter_mut().for_each(answered);
    limit(0);
    let mut waiting: Vec<Client> = (0..200).map(|_| fixture.tcp(MULTIPLY)).collect();
    waiting.iter_mut().for_each(|client| client.say(REQUESTS));
    fixture.wait_for_log("cannot accept now");
    let ticks = fixture.cpu_ticks();
    let quiet = Instant::now();
    // Time must pass: the daemon is observed beside the healthy client's hundred requests a second.
    std::thread::sleep(Duration::from_secs(1));
    let share = (fixture.cpu_ticks() - ticks) as f64 / 100.0 / quiet.elapsed().as_secs_f64();
    assert!(share < 0.15, "it idles: {share}");
    limit(10_000);
    let freed = Instant::now();
    let refused = waiting.iter_mut().filter_map(|client| {
        let heard = client.hear_line();
        (heard != "Data received").then(|| assert_eq!(heard, "Error: too many connections, try again later"))
    });
    let refused = refused.count();
    let after = freed.elapsed();
    assert!(after < FREED_MAX || !is_full(), "{after:?} after the freeing");
    inside.iter_mut().for_each(answered);
    drop((inside, waiting));
    fixture.end(&format!(
        "no descriptor left: {:.0} % of a processor; {refused} told, the other {} served {after:.0?} after the freeing",
        share * 100.0,
        200 - refused,
    ));
}
