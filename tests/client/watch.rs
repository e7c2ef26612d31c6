//! A watcher sees the activity of connections, and each classic mistake of a first client in words, with every form of filter. A
//! slow watcher misses events, is told how many, and delays nobody.

use crate::harness::{BESIDE, CHAT, Client, Daemon, GREETING, HELLO, MULTIPLY, USUAL, wait_until};
use serde_json::Value;

/// A daemon that does not wait, at its end, for clients that a test keeps open.
fn daemon() -> Daemon {
    Daemon::with(&format!("[limits]\nshutdown_grace = \"200ms\"\n{USUAL}{BESIDE}"))
}

/// A watcher that has received its confirmation.
fn watcher(daemon: &Daemon, filter: &str) -> Client {
    let mut watcher = daemon.unix();
    watcher.say(format!("watch\n{filter}\n"));
    let first = watcher.hear_line();
    assert!(first.starts_with("Watching: ") || first.contains("\"watching\""), "{first}");
    watcher
}

/// Reads events until one contains this.
#[track_caller]
fn hear_of(watcher: &mut Client, what: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        heard.push(watcher.hear_line());
        if heard.last().is_some_and(|line| line.contains(what)) {
            return heard;
        }
    }
}

/// The next event with this name, as JSON.
fn next(watcher: &mut Client, name: &str) -> Value {
    loop {
        let line = watcher.hear_line();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(event["schema"], 1);
        if event["event"] == name {
            return event;
        }
    }
}

/// The next hint about this mistake.
fn hint(watcher: &mut Client, mistake: &str) -> String {
    let event = next(watcher, "hint");
    let text = event["text"].as_str().unwrap().to_owned();
    assert_eq!(event["mistake"], mistake, "{text}");
    text
}

#[test]
fn connection_is_watched_from_open_to_close() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "all");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\nx\x1b 1\n");
    client.hear("Data received\n50.0\nData received\nError: not a number: 'x\\u{1b}'\n");
    client.half_close();
    client.hear_end();
    drop(client);
    let seen = hear_of(&mut watcher, "closed by the peer");
    let place = format!("  tcp://{}:{MULTIPLY}  127.0.0.1:", daemon.ip);
    let what: Vec<&str> = seen
        .iter()
        .map(|line| {
            assert!(line.starts_with('+') && line.contains(&place), "{line}");
            line.rsplit("  ").next().unwrap()
        })
        .collect();
    assert_eq!(
        what,
        [
            "opened",
            "is a line client",
            "message '5 10'",
            "message 'x\\u{1b} 1'",
            "error reply: not a number: 'x\\u{1b}'",
            "reply 'Data received'",
            "reply '50.0'",
            "reply 'Data received'",
            "reply 'Error: not a number: 'x\\\\u{1b}''",
            "closed by the peer",
        ]
    );
    daemon.stop();
}

#[test]
fn unread_reply_hint_explains_the_reset() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "service=multiply json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    next(&mut watcher, "reply"); // the reply was sent
    drop(client); // without reading the reply
    let text = hint(&mut watcher, "unread");
    assert!(
        text.starts_with("it closed before it had read the result, ")
            && text.contains("read until end of file, then close"),
        "{text}"
    );
    assert_eq!(next(&mut watcher, "closed")["text"], "reset by the peer");
    daemon.stop();
}

#[test]
fn silent_client_hint_names_what_is_awaited() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "json");
    let client = daemon.tcp(MULTIPLY);
    let text = hint(&mut watcher, "silent");
    assert_eq!(
        text,
        "it is connected and has sent nothing: multiply waits for two numbers, for example 5 10; call flush() to send what is still in a buffer"
    );
    drop(client);
    let text = hint(&mut watcher, "silent");
    assert!(text.starts_with("it connected, sent nothing, and left: multiply waits for"), "{text}");
    daemon.stop();
}

#[test]
fn unterminated_request_hint_names_newlines() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 * "); // the rest never comes
    let text = hint(&mut watcher, "unfinished");
    assert!(
        text.starts_with("'5 * ' has no newline and is not a complete request: end each message"),
        "{text}"
    );
    daemon.stop();
}

#[test]
fn unfinished_line_hint_names_newlines() {
    let daemon = Daemon::with(&USUAL.replace("[greeting]", "message_timeout = \"300ms\"\n[greeting]"));
    let mut watcher = watcher(&daemon, "json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n6 7");
    assert!(hint(&mut watcher, "unfinished").starts_with("'6 7' has no newline"));
    daemon.stop();
}

#[test]
fn single_read_hint_names_the_second_reply() {
    // A gap in which the client has time to leave.
    let daemon = Daemon::with(&USUAL.replace("[greeting]", "raw_gap = \"5s\"\n[greeting]"));
    let mut watcher = watcher(&daemon, "json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    assert_eq!(client.recv(), b"Data received");
    drop(client);
    let text = hint(&mut watcher, "read_once");
    assert!(text.contains("call recv() twice, or until end of file"), "{text}");
    daemon.stop();
}

#[test]
fn raw_client_leaving_between_two_replies_gets_the_same_hint() {
    let daemon =
        Daemon::with(&USUAL.replace("[greeting]", "raw_gap = \"5s\"\nframing = \"raw\"\n[greeting]"));
    let mut watcher = watcher(&daemon, "json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    assert_eq!(client.recv(), b"Data received");
    drop(client);
    hint(&mut watcher, "read_once");
    daemon.stop();
}

#[test]
fn half_closed_client_that_reads_on_gets_no_hint() {
    // As `printf '5 10'
    // nc -N` does it, over TCP and over the Unix socket.
    let daemon = Daemon::with(&USUAL.replace("[greeting]", "raw_gap = \"5s\"\n[greeting]"));
    let mut watcher = watcher(&daemon, "json");
    for mut client in [daemon.tcp(MULTIPLY), daemon.unix()] {
        client.say("5 10");
        assert_eq!(client.recv(), b"Data received");
        client.half_close();
        client.hear("\n50.0\n");
        client.hear_end();
        loop {
            let line = watcher.hear_line();
            assert!(!line.contains("\"hint\""), "{line}");
            if line.contains("\"closed\"") {
                break;
            }
        }
    }
    // A client that closes is gone, and its kernel reports that.
    let mut client = daemon.unix();
    client.say("5 10");
    assert_eq!(client.recv(), b"Data received");
    drop(client);
    hint(&mut watcher, "read_once");
    daemon.stop();
}

#[test]
fn wrong_port_hint_names_the_right_one() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "json");
    daemon.tcp(MULTIPLY).say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let text = hint(&mut watcher, "wrong_port");
    assert!(text.starts_with("it speaks HTTP, like a browser, but this is multiply: "), "{text}");
    daemon.tcp(CHAT).say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    wait_until("TLS is told", || {
        let event = next(&mut watcher, "hint");
        event["text"]
            .as_str()
            .unwrap()
            .starts_with("it speaks TLS, like https, but this is chat")
            .then_some(())
    });
    daemon.tcp(MULTIPLY).say("Hi\n");
    let chat = format!("chat is on tcp://{}:{CHAT}", daemon.ip);
    wait_until("text is told", || {
        let event = next(&mut watcher, "hint");
        let text = event["text"].as_str().unwrap();
        (text.starts_with("'Hi' has no numbers, but this is multiply: ") && text.contains(&chat))
            .then_some(())
    });
    daemon.tcp(CHAT).say("5 10\n");
    wait_until("a request for a name is told", || {
        let event = next(&mut watcher, "hint");
        event["text"].as_str().unwrap().starts_with("'5 10' looks like a request for multiply").then_some(())
    });
    daemon.stop();
}

#[test]
fn decimal_comma_hint_shows_the_right_form() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("3,14 2\n");
    assert_eq!(hint(&mut watcher, "comma"), "'3,14' is not a number here: write 3.14, with a decimal point");
    daemon.stop();
}

#[test]
fn datagram_is_shown_with_its_reply_and_mistake() {
    let daemon = Daemon::with(&USUAL.replace(":65432\"", ":65432\", \"udp://{ip}:65432\""));
    let mut watcher = watcher(&daemon, "json");
    let socket = std::net::UdpSocket::bind((daemon.ip, 0)).unwrap();
    socket.send_to(b"3,14 2", daemon.address(MULTIPLY)).unwrap();
    let event = next(&mut watcher, "message");
    assert_eq!(
        (&event["text"], &event["peer"]),
        (&"3,14 2".into(), &socket.local_addr().unwrap().to_string().into())
    );
    // An error comes without the acknowledgement.
    assert_eq!(next(&mut watcher, "reply")["text"], "Error: not a number: '3,14'");
    hint(&mut watcher, "comma");
    daemon.stop();
}

#[test]
fn correct_client_gets_no_hint() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "json");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10");
    client.hear("Data received50.0");
    drop(client);
    let mut client = daemon.tcp(HELLO);
    client.say("Hello from client");
    client.hear("Hello from server");
    client.hear_end();
    drop(client);
    let mut client = daemon.tcp(GREETING);
    client.hear("Message received. Thank you for connecting\r\n");
    client.hear_end();
    drop(client);
    for _ in 0..3 {
        loop {
            let line = watcher.hear_line();
            assert!(!line.contains("\"hint\""), "{line}");
            if line.contains("\"closed\"") {
                break;
            }
        }
    }
    daemon.stop();
}

#[test]
fn filter_selects_a_service_or_peer_and_can_change() {
    let daemon = daemon();
    let mut watcher = watcher(&daemon, "service=hello");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    daemon.tcp(HELLO).say("hi\n");
    let seen = hear_of(&mut watcher, "closed");
    assert!(seen.iter().all(|line| line.contains(&format!(":{HELLO}  "))), "{seen:?}");
    watcher.say(format!("peer=pid:{} json\n", std::process::id()));
    let begun = hear_of(&mut watcher, "watching");
    assert!(begun.last().unwrap().contains(&format!("peer=pid:{}", std::process::id())), "{begun:?}");
    daemon.tcp(HELLO).say("hi\n");
    let mut local = daemon.unix();
    local.say("hello\nhi\n");
    let event = next(&mut watcher, "chose");
    assert_eq!((&event["text"], &event["service"]), (&"hello".into(), &"mux".into()));
    watcher.say("nothing\n");
    assert!(
        hear_of(&mut watcher, "Error: ")[0..].last().unwrap().contains("say all, or any of service=NAME")
    );
    daemon.stop();
}

#[test]
fn watchers_see_the_same_events_but_not_each_other() {
    let daemon = daemon();
    let mut first = watcher(&daemon, "all");
    let mut second = watcher(&daemon, "all");
    let mut client = daemon.tcp(HELLO);
    client.say("hi\n");
    client.hear("Hello from server\n");
    client.half_close();
    let (one, other) = (hear_of(&mut first, "served"), hear_of(&mut second, "served"));
    let what = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
    };
    let (one, other) = (what(&one), what(&other));
    assert!(one.ends_with(&other), "{one:?} {other:?}");
    // The first watcher saw the second one arrive, and none of the second one's events.
    let of_second: Vec<&String> = one[..one.len() - other.len()].iter().collect();
    assert!(of_second.last().unwrap().ends_with("chose watch"), "{of_second:?}");
    daemon.stop();
}

#[test]
fn slow_watcher_learns_its_loss_while_multiply_continues() {
    let daemon = daemon();
    let mut slow = watcher(&daemon, "all");
    let mut client = daemon.tcp(MULTIPLY);
    let rounds = 100;
    for _ in 0..rounds {
        client.say("5 10\n".repeat(500));
        client.hear("Data received\n50.0\n".repeat(500));
    }
    client.say("6 7\n");
    client.hear("Data received\n42.0\n");
    // It may fall behind several times.
    let lines = hear_of(&mut slow, "reply '42.0'");
    let missed = lines.iter().filter(|line| line.contains("events missed"));
    let count: u64 = missed.map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum();
    assert!(count > 1000, "{count} missed");
    daemon.stop();
}

#[test]
fn watchers_are_limited_and_a_leaving_one_frees_its_place() {
    let daemon = daemon();
    let places = ipcd::engine::limits::WATCHERS_MAX / 4; // the share of one user
    let mut watchers: Vec<Client> = (0..places).map(|_| watcher(&daemon, "all")).collect();
    let mut late = daemon.unix();
    late.say("watch\nall\n");
    assert_eq!(
        late.hear_line(),
        "Error: your user already has 4 watchers, the most for one user; end one of them"
    );
    watchers.pop();
    wait_until("there is a place", || {
        late.say("all\n");
        late.hear_line().starts_with("Watching").then_some(())
    });
    daemon.stop();
}

#[test]
fn configuration_limits_the_watchers() {
    let daemon = Daemon::with(&format!("{USUAL}[watch]\nmax_watchers = 1\n"));
    let _watcher = watcher(&daemon, "all");
    let mut late = daemon.unix();
    late.say("watch\nall\n");
    assert_eq!(late.hear_line(), "Error: too many watchers, try again later");
    daemon.stop();
}

#[test]
fn watcher_is_never_idle_but_is_without_a_filter() {
    let daemon = Daemon::with(&format!("[limits]\nidle_timeout = \"2s\"\n{USUAL}"));
    let mut idle = daemon.unix();
    let mut watcher = watcher(&daemon, "all");
    idle.say("watch\n");
    idle.hear("Error: idle for 2 s\n");
    idle.hear_end();
    drop(idle);
    let mut client = daemon.tcp(MULTIPLY);
    client.hear("Error: idle for 2 s\n"); // the watcher was silent for as long
    hear_of(&mut watcher, "closed: idle for too long");
    daemon.stop();
}

#[test]
fn network_client_cannot_watch_through_the_mux() {
    let daemon = Daemon::with("[mux]\nlisten = [\"tcp://{ip}:65432\"]");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("watch\n");
    client.hear("Error: watch needs a Unix socket, where the kernel identifies the user\n");
    daemon.stop();
}
