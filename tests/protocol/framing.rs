//! The detection of the kind of client: the table in ipcd-protocol(7) row by row, on real connections and in real time.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::harness::late::{SECOND, in_time};
use crate::harness::{CHAT, Client, Daemon, MULTIPLY, Probe, Stream, USUAL, wait_until};

const GAP: Duration = Duration::from_millis(60);
const CAVE: &str = "Greetings from the cave! Now type your name and press enter!";
const COUNT: &str = "Error: expected two numbers, for example: 5 10";

/// A daemon with a `raw_gap` of [`GAP`], and these `limits`.
fn daemon(limits: &str) -> Daemon {
    Daemon::with(&format!("[limits]\nraw_gap = \"60ms\"\n{limits}\n{USUAL}"))
}

/// Sends nothing for this time, which is what the test is about, and until a daemon that is late has noticed.
fn pause(probe: &mut Probe, time: Duration) {
    std::thread::sleep(time);
    probe.wait();
}

/// A daemon with a `raw_gap` so long that this process can nearly always call recv() in it.
fn unhurried() -> Daemon {
    Daemon::with(&format!("[limits]\nraw_gap = \"250ms\"\n{USUAL}"))
}

const UNHURRIED: Duration = Duration::from_millis(250);

/// Expects these messages, each in one recv().
#[track_caller]
fn recv_each(client: &mut Client, messages: &[&str]) {
    messages.iter().for_each(|message| client.recv_message(message, GAP));
}

/// Expects that nothing has come.
#[track_caller]
fn hear_nothing(client: &mut Client) {
    assert!(has_heard_nothing(client), "expected silence");
}

fn has_heard_nothing(client: &mut Client) -> bool {
    let Stream::Tcp(stream) = &mut client.stream else { panic!("a TCP client was expected") };
    stream.set_nonblocking(true).unwrap();
    let outcome = stream.read(&mut [0; 1024]);
    stream.set_nonblocking(false).unwrap();
    outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Types this, with pauses between the bytes. `last`: before the byte that was typed before. Returns whether the daemon has read each byte
/// within a second of the one before.
fn types(client: &mut Client, probe: &mut Probe, text: &str, last: &mut Instant) -> bool {
    text.chars().all(|letter| {
        std::thread::sleep(2 * GAP);
        let typed = Instant::now();
        client.say(letter.to_string());
        probe.wait();
        std::mem::replace(last, typed).elapsed() < SECOND
    })
}

fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

#[test]
fn raw_client_gets_the_acknowledgement_at_once_and_the_result_later() {
    let daemon = daemon("");
    let mut client = daemon.tcp(MULTIPLY);
    let start = Instant::now();
    client.say("5 10");
    recv_each(&mut client, &["Data received"]);
    recv_each(&mut client, &["50.0"]);
    assert!(start.elapsed() >= GAP);
    for (request, reply) in [("3 4", "12.0"), ("abc", COUNT), ("5", COUNT), ("\n\n2 ** 3", "8.0")] {
        let start = Instant::now();
        client.say(request);
        recv_each(&mut client, &["Data received", reply]);
        assert!(start.elapsed() >= GAP, "two recv() a gap apart");
    }
    client.say("3 4\n\n \n5 6\r\n7 8");
    recv_each(&mut client, &["Data received", "12.0", "Data received", "30.0", "Data received", "56.0"]);
    client.half_close();
    client.hear_end();
}

#[test]
fn lf_within_the_gap_makes_a_line_and_the_reply_continues() {
    let daemon = Daemon::with(&format!("[limits]\nraw_gap = \"10s\"\n{USUAL}"));
    for (rest, reply) in
        [("\n", "\n50.0\n"), ("0\r\n", "\n500.0\n"), ("x\n", "\nError: not a number: '10x'\n")]
    {
        let mut client = daemon.tcp(MULTIPLY);
        client.say("5 10");
        recv_each(&mut client, &["Data received"]);
        client.say(rest);
        recv_each(&mut client, &[reply]);
        client.say("3 4\n");
        client.hear("Data received\n12.0\n");
    }
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    recv_each(&mut client, &["Data received"]);
    client.half_close();
    client.hear("\n50.0\n");
    client.hear_end();
}

#[test]
fn each_further_burst_restarts_the_gap_and_stays_a_message() {
    let gap = Duration::from_millis(300);
    let daemon = Daemon::with(&format!("[limits]\nraw_gap = \"300ms\"\n{USUAL}"));
    let mut probe = Probe::new(&daemon);
    // On a busy machine the second burst may come more than a gap after the first. Then this tries again.
    let mut client = wait_until("the second burst comes within the gap", || {
        let (mut client, first) = (daemon.tcp(MULTIPLY), Instant::now());
        client.say("5 10");
        recv_each(&mut client, &["Data received"]);
        std::thread::sleep(gap / 2); // the test is about the pause
        let second = Instant::now();
        client.say("3 4");
        probe.wait();
        if first.elapsed() >= gap {
            return None;
        }
        recv_each(&mut client, &["50.0"]);
        assert!(second.elapsed() >= gap, "{:?}", second.elapsed());
        Some(client)
    });
    recv_each(&mut client, &["Data received", "12.0"]);
}

#[test]
fn silence_after_an_incomplete_burst_sends_its_error_raw() {
    let daemon = daemon("");
    let start = Instant::now();
    let mut clients = ["abc", "5 x", "5 10 20", "5 ^ 2"].map(|request| {
        let mut client = daemon.tcp(MULTIPLY);
        client.say(request);
        client
    });
    for client in &mut clients {
        recv_each(client, &["Data received"]);
        assert!(start.elapsed() >= SECOND);
    }
    for client in &mut clients {
        let error = String::from_utf8(client.recv()).unwrap();
        assert!(error.starts_with("Error: ") && !error.ends_with('\n'), "{error:?}");
        client.say("5 10");
        recv_each(client, &["Data received", "50.0"]);
    }
}

#[test]
fn request_in_pieces_is_raw_once_complete_and_silent() {
    let daemon = unhurried();
    let mut probe = Probe::new(&daemon);
    for pieces in [&["5", " ", "1", "0"][..], &["5 1", "0"], &["5 ", "10"]] {
        in_time(|| {
            let (mut client, mut last) = (daemon.tcp(MULTIPLY), Instant::now());
            // Each piece is read within the gap after the one before.
            let is_quick = pieces.iter().all(|piece| {
                let said = Instant::now();
                client.say(piece);
                probe.wait();
                std::mem::replace(&mut last, said).elapsed() < UNHURRIED
            });
            let start = Instant::now();
            is_quick.then(|| client.hear("Data received50.0")).filter(|()| start.elapsed() < SECOND)
        });
    }
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    probe.wait();
    client.say("3 4");
    client.hear("Data received50.0Data received12.0");
}

#[test]
fn two_numbers_in_two_sends_get_their_error_after_a_second() {
    let daemon = daemon("");
    let mut probe = Probe::new(&daemon);
    // On a busy machine the second may come a second after the first. Then this tries again.
    wait_until("both come within a second", || {
        let (mut client, first) = (daemon.tcp(MULTIPLY), Instant::now());
        client.say("12");
        pause(&mut probe, 3 * GAP);
        let second = Instant::now();
        client.say("34");
        probe.wait();
        if first.elapsed() >= SECOND {
            return None;
        }
        client.hear(format!("Data received{COUNT}"));
        assert!(second.elapsed() >= SECOND);
        Some(())
    });
}

#[test]
fn byte_by_byte_typing_has_five_seconds_to_end_the_line() {
    let daemon = daemon("");
    let mut probe = Probe::new(&daemon);
    let (mut client, is_silent) = in_time(|| {
        let (mut client, begun) = (daemon.tcp(MULTIPLY), Instant::now());
        client.say("5");
        pause(&mut probe, SECOND + 3 * GAP);
        let (is_silent, mut last) = (has_heard_nothing(&mut client), Instant::now());
        // Once the request is complete, a second of silence ends it.
        let has_typed = types(&mut client, &mut probe, " 10\n", &mut last);
        (has_typed && begun.elapsed() < 5 * SECOND).then_some((client, is_silent))
    });
    assert!(is_silent);
    client.hear("Data received\n50.0\n");
    client.say("3 4\n");
    client.hear("Data received\n12.0\n");
}

#[test]
fn raw_client_becomes_a_line_client_when_a_burst_ends_with_lf() {
    let daemon = daemon("");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    recv_each(&mut client, &["Data received", "50.0"]);
    client.say("3 4\n");
    client.hear("Data received\n12.0\n");
    client.say("5 6");
    pause(&mut Probe::new(&daemon), 3 * GAP); // it is a message only when its LF has come
    hear_nothing(&mut client);
    client.say("\n");
    client.hear("Data received\n30.0\n");

    let mut client = daemon.tcp(CHAT);
    client.hear(format!("{CAVE}\n"));
    client.say("eve");
    client.hear(welcome("eve"));
    client.say("hi");
    client.hear("eve: hi");
    client.say("ho\n");
    client.hear("eve: ho\n");
}

#[test]
fn line_end_in_a_second_send_waits_for_no_delayed_ack() {
    let daemon = daemon("");
    let mut client = daemon.tcp(MULTIPLY);
    let Stream::Tcp(stream) = &client.stream else { panic!("a TCP client was expected") };
    stream.set_nodelay(false).unwrap(); // the kernel holds the second send until the first one is acknowledged
    let mut exchange = || {
        let start = Instant::now();
        client.say("5 10");
        client.say("\n");
        client.hear("Data received\n50.0\n");
        start.elapsed()
    };
    exchange(); // the first send is never held
    wait_until("one is answered before the kernel's 40 ms", || {
        (exchange() < Duration::from_millis(20)).then_some(())
    });
}

#[test]
fn byte_order_mark_is_dropped_and_decides_nothing() {
    let daemon = daemon("");
    let mut client = daemon.tcp(CHAT);
    client.hear(format!("{CAVE}\n"));
    client.say(b"\xef\xbb\xbf");
    pause(&mut Probe::new(&daemon), SECOND + GAP);
    client.say("zoe\n");
    client.hear(welcome("zoe") + "\n");
    for (request, reply) in
        [(&b"\xef\xbb\xbf5 10\n"[..], "Data received\n50.0\n"), (b"\xef\xbb\xbf5 10", "Data received50.0")]
    {
        let mut client = daemon.tcp(MULTIPLY);
        client.say(request);
        client.hear(reply);
    }
}

#[test]
fn one_byte_name_is_raw_after_a_second_of_silence() {
    let daemon = daemon("");
    let mut client = daemon.tcp(CHAT);
    client.hear(format!("{CAVE}\n"));
    let start = Instant::now();
    client.say("a");
    recv_each(&mut client, &[&welcome("a")]);
    assert!(start.elapsed() >= SECOND);
    client.say("hi");
    recv_each(&mut client, &["a: hi"]);
}

#[test]
fn typed_name_waits_for_its_line_end() {
    let daemon = daemon("");
    let mut probe = Probe::new(&daemon);
    let (mut client, is_silent) = in_time(|| {
        let mut client = daemon.tcp(CHAT);
        client.hear(format!("{CAVE}\n"));
        let mut last = Instant::now();
        let has_typed = types(&mut client, &mut probe, "bob", &mut last);
        let is_silent = has_heard_nothing(&mut client);
        (has_typed && types(&mut client, &mut probe, "\n", &mut last)).then_some((client, is_silent))
    });
    assert!(is_silent);
    client.hear(welcome("bob") + "\n");
}

#[test]
fn end_of_file_completes_a_pending_line_only() {
    let daemon = Daemon::with(&format!("[limits]\nraw_gap = \"10s\"\n{USUAL}"));
    // An incomplete message that lasts a second is a raw client's.
    let ended = |port, request: &str| {
        in_time(|| {
            let (mut client, begun) = (daemon.tcp(port), Instant::now());
            client.say(request);
            client.half_close();
            (begun.elapsed() < SECOND).then_some(client)
        })
    };
    for (request, reply) in [
        ("5 10", "Data received\n50.0\n".to_owned()),
        ("5", format!("Data received\n{COUNT}\n")),
        ("", String::new()),
    ] {
        let mut client = ended(MULTIPLY, request);
        client.hear(&reply);
        client.hear_end();
    }
    let mut client = ended(CHAT, "a");
    client.hear(format!("{CAVE}\n{}\n", welcome("a")));
    client.hear_end();
}

#[test]
fn framing_line_waits_for_lf_without_limit() {
    let daemon = daemon("framing = \"line\"");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    let mut probe = Probe::new(&daemon);
    pause(&mut probe, SECOND + 3 * GAP);
    hear_nothing(&mut client);
    client.say("\n");
    client.hear("Data received\n50.0\n");
    let mut client = daemon.tcp(CHAT);
    client.say("alice");
    client.hear(format!("{CAVE}\n"));
    pause(&mut probe, 3 * GAP);
    hear_nothing(&mut client);
    client.say("\n");
    client.hear(welcome("alice") + "\n");
}

#[test]
fn framing_raw_takes_every_burst_for_a_message() {
    let daemon = daemon("framing = \"raw\"");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5");
    recv_each(&mut client, &["Data received", COUNT]);
    client.say("5 10\n");
    recv_each(&mut client, &["Data received", "50.0"]);
    let mut client = daemon.tcp(CHAT);
    recv_each(&mut client, &[CAVE]);
    client.say("a");
    recv_each(&mut client, &[&welcome("a")]);
    client.say("/who\n");
    recv_each(&mut client, &["In the room: a (1)"]);
}

#[test]
fn service_chosen_by_a_raw_client_is_raw() {
    let daemon = daemon("");
    let mut client = daemon.unix();
    client.say("help");
    for service in ipcd::engine::service::Service::offered() {
        recv_each(&mut client, &[service.name()]);
    }
    client.say("chat");
    recv_each(&mut client, &[CAVE]);
    client.say("alice");
    recv_each(&mut client, &[&welcome("alice")]);
    client.say("{quit}");
    recv_each(&mut client, &["{quit}"]);
    client.hear_end();

    let mut client = daemon.unix();
    client.say("5 10");
    recv_each(&mut client, &["Data received", "50.0"]);

    // The selection comes while the help is still being sent.
    let mut client = daemon.unix();
    client.say("help");
    client.recv_message("multiply", GAP);
    client.say("chat");
    let rest: String =
        ipcd::engine::service::Service::offered().skip(1).map(|service| service.name()).collect();
    client.hear(rest + CAVE);
}

/// Bursts come at their own pace. The client reads at once, or slowly but within the gap.
fn no_two_replies_share_a_recv(reading_pause: Duration) {
    const MESSAGES: usize = 8;
    let daemon = unhurried();
    let mut probe = Probe::new(&daemon);
    let mut client = daemon.tcp(MULTIPLY);
    let mut ears = client.share();
    let listener = std::thread::spawn(move || {
        for number in 1..=MESSAGES {
            for reply in ["Data received".to_owned(), format!("{number}.0")] {
                ears.recv_message(&reply, UNHURRIED);
                std::thread::sleep(reading_pause);
            }
        }
    });
    for number in 1..=MESSAGES {
        client.say(format!("1 {number}"));
        probe.wait(); // it was read, so the next one is another burst
        std::thread::sleep(Duration::from_millis(1 + (number as u64 * 7) % 50));
    }
    listener.join().unwrap();
}

#[test]
fn raw_bursts_and_their_replies_are_never_fused() {
    no_two_replies_share_a_recv(Duration::ZERO);
}

#[test]
fn replies_to_a_slow_raw_client_are_not_fused() {
    no_two_replies_share_a_recv(GAP / 2);
}

#[test]
fn burst_right_after_a_result_is_acknowledged_a_gap_later() {
    let daemon = unhurried();
    let mut probe = Probe::new(&daemon);
    let mut client = daemon.tcp(MULTIPLY);
    client.say("1 1");
    for number in 1..5 {
        client.recv_message("Data received", UNHURRIED);
        client.say_before_reading(format!("1 {}", number + 1));
        probe.wait();
        client.recv_message(&format!("{number}.0"), UNHURRIED);
    }
}

#[test]
fn raw_message_as_long_as_one_read_is_a_message() {
    let daemon = daemon("max_message = \"64KiB\"\nframing = \"raw\"");
    let mut client = daemon.tcp(CHAT);
    recv_each(&mut client, &[CAVE]);
    client.say("a");
    recv_each(&mut client, &[&welcome("a")]);
    for length in [16 * 1024, 32 * 1024] {
        let words = "w".repeat(length);
        client.say(&words);
        client.hear(format!("a: {words}"));
    }
}
