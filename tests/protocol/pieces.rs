//! Beginners' programs that send without line ends, or in pieces, many times in a row while other threads use all processors: none
//! gets a wrong reply, and none gets two messages in one recv() that is called in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, MULTIPLY, Stream, TIMEOUT, show};

/// Bursts closer than this belong together, and two replies are this far apart.
const GAP: Duration = Duration::from_millis(20);

/// A program that sends like this, its input, and the number of its recv() calls.
struct Program {
    name: &'static str,
    sends: &'static [&'static [u8]],
    hears: &'static [&'static [u8]],
    is_one_by_one: bool,
}

const RAW: &[&[u8]] = &[b"Data received", b"50.0"];
const STRINGS: &[&[u8]] = &[b"Data received\0", b"50.0\0"];
const LINES: &[&[u8]] = &[b"Data received\n50.0\n"];

const PROGRAMS: [Program; 12] = [
    Program { name: "raw", sends: &[b"5 10"], hears: RAW, is_one_by_one: true },
    Program { name: "Rust's write!", sends: &[b"5", b" ", b"1", b"0"], hears: RAW, is_one_by_one: true },
    Program { name: "two sends", sends: &[b"5 1", b"0"], hears: RAW, is_one_by_one: true },
    Program { name: "three sends", sends: &[b"5", b" ", b"10"], hears: RAW, is_one_by_one: true },
    Program { name: "C string", sends: &[b"5 10\0"], hears: STRINGS, is_one_by_one: true },
    Program {
        name: "C array",
        sends: &[b"5 10\0\0\0\0\0\0\0\0\0\0\0\0"],
        hears: STRINGS,
        is_one_by_one: true,
    },
    Program { name: "newline apart", sends: &[b"5 10", b"\n"], hears: LINES, is_one_by_one: false },
    Program {
        name: "Java's writeBytes",
        sends: &[b"5", b" ", b"1", b"0", b"\n"],
        hears: LINES,
        is_one_by_one: false,
    },
    Program {
        name: "Java's writeUTF",
        sends: &[b"\0\x045 10"],
        hears: &[b"\0\x0dData received\0\x0450.0"],
        is_one_by_one: false,
    },
    Program {
        name: "C#'s BinaryWriter",
        sends: &[b"\x04", b"5 10"],
        hears: &[b"\x0dData received\x0450.0"],
        is_one_by_one: false,
    },
    Program {
        name: "Free Pascal's WriteAnsiString",
        sends: &[b"\x04\0\0\0", b"5 10"],
        hears: &[b"\x0d\0\0\0Data received\x04\0\0\x0050.0"],
        is_one_by_one: false,
    },
    Program {
        name: "PuTTY",
        sends: &[b"\xff\xfb\x1f", b"5 10\r\n"],
        hears: &[b"\xff\xfe\x1fData received\r\n50.0\r\n"],
        is_one_by_one: false,
    },
];

/// Runs a program once; returns whether the run counts. If the machine has delayed the program's next send or recv() by a whole
/// gap, no promise applies.
fn run(daemon: &Daemon, program: &Program) -> bool {
    let mut client = daemon.tcp(MULTIPLY);
    let Stream::Tcp(stream) = &client.stream else { panic!("a TCP client was expected") };
    stream.set_nodelay(true).unwrap();
    let start = Instant::now();
    program.sends.iter().for_each(|bytes| client.say(bytes));
    if program.sends.len() > 1 && start.elapsed() >= GAP {
        return false;
    }
    // The acknowledgement may have been sent before a string's NUL arrived.
    for message in program.hears {
        if program.is_one_by_one {
            let first = start.elapsed();
            let heard = client.recv();
            if heard != *message && (start.elapsed() >= GAP || first >= GAP) {
                assert_eq!(show(&heard), show(&program.hears.concat()), "{}", program.name);
                return false;
            }
            assert_eq!(show(&heard), show(message), "{}", program.name);
        } else {
            client.hear(message);
        }
    }
    hears_nothing_more(&mut client, program.name);
    true
}

#[track_caller]
fn hears_nothing_more(client: &mut Client, name: &str) {
    client.half_close();
    assert_eq!(show(&client.hear_rest()), "", "{name}");
}

/// Runs each program this many times while other threads use all processors.
fn run_all(times: usize) {
    let daemon = Daemon::usual();
    let is_done = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let _stop = Stop(&is_done);
        for program in &PROGRAMS {
            let (mut counted, mut late, begun) = (0, 0, Instant::now());
            while counted < times {
                match run(&daemon, program) {
                    true => counted += 1,
                    false => late += 1,
                }
                let is_patient = late < 20 + 3 * times || begun.elapsed() < TIMEOUT;
                assert!(is_patient, "{}: {late} late, {counted} in time", program.name);
            }
            println!(
                "{}: {counted} in a row, {late} that were kept from their recv() or send()",
                program.name
            );
        }
    });
    daemon.stop();
}

/// Ends the busy threads with the test, whatever happens.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn sends_in_pieces_get_right_answers_on_a_busy_machine() {
    run_all(12);
}

#[test]
#[ignore = "takes minutes: the same 200 times each"]
fn sends_in_pieces_get_right_answers_200_times() {
    run_all(200);
}
