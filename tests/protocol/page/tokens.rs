//! What is for this machine, and for those who show the teacher's token.

use super::{PAGE, PORT, daemon, hear, hear_line, opened, say, token};
use crate::harness::healthy::Healthy;
use crate::harness::{BESIDE, Client, Daemon, MULTIPLY, USUAL};

#[test]
fn metrics_count_events_and_are_open_to_this_machine() {
    let daemon = daemon();
    let mut multiply = opened(&daemon, "multiply");
    say(&mut multiply, "5 10");
    hear(&mut multiply, "Data received");
    hear(&mut multiply, "50.0");
    say(&mut multiply, "5 x");
    multiply.recv();
    let request = |fields: &str| format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut client = daemon.tcp(PORT);
    client.say(request("") + &request("Accept: text/plain\r\n") + &request("").replace("GET", "HEAD") + last);
    let heard = String::from_utf8(client.hear_rest()).unwrap();
    let answers: Vec<&str> = heard.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    let [open, text, head, healthz] = answers[..] else { panic!("in their order: {heard}") };
    assert!(open.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(
        open.ends_with("\n# EOF\n") && text.contains("Content-Type: text/plain; version=0.0.4"),
        "{open}"
    );
    for line in [
        "ipcd_requests_total{service=\"multiply\"} 2",
        "ipcd_errors_total{service=\"multiply\",kind=\"request\"} 1",
        "ipcd_connections{service=\"multiply\"} 1",
        "ipcd_connections{service=\"page\"} 1",
    ] {
        assert!([open, text].iter().all(|told| told.lines().any(|told| told == line)), "{line}: {heard}");
    }
    assert!(open.contains("\nprocess_resident_memory_bytes "), "{open}");
    assert!(head.ends_with("\r\n\r\n") && healthz.ends_with("\r\n\r\nok\n"), "{head} {healthz}");
    let mut own = Client::unix(&daemon.directory.path().join("page.sock"));
    own.say(request("Connection: close\r\n"));
    assert!(String::from_utf8(own.hear_rest()).unwrap().ends_with("\n# EOF\n"));
    let passed_on = |fields: &str| {
        let mut client = daemon.tcp(PORT);
        client.say(request(&format!("X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n{fields}")));
        String::from_utf8(client.hear_rest()).unwrap()
    };
    let refused = passed_on("");
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("\r\nWWW-Authenticate: Bearer\r\n"));
    let shown = format!("Authorization: Bearer {}\r\n", token(&daemon));
    assert!(passed_on(&shown).ends_with("\n# EOF\n"));
    drop(multiply);
    daemon.stop();
}

#[test]
fn thousands_of_wrong_tokens_are_refused_and_delay_nobody() {
    const TRIES: usize = 2000;
    let daemon = daemon();
    let right = token(&daemon);
    let healthy = Healthy::on(daemon.tcp(MULTIPLY));
    let metrics = |token: &str| {
        let mut client = daemon.tcp(PORT);
        let shown = format!("Via: 1.1 proxy\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
        client.say(format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{shown}\r\n"));
        String::from_utf8(client.hear_rest()).unwrap()
    };
    let view = |service: &str, token: &str| {
        let mut client = opened(&daemon, service);
        say(&mut client, token);
        client
    };
    for number in 0..TRIES {
        // Of the right length, and right in all but one letter.
        let at = number % right.len();
        let other = if right.as_bytes()[at] == b'0' { "1" } else { "0" };
        let wrong = format!("{}{other}{}", &right[..at], &right[at + 1..]);
        if number % 2 == 0 {
            let refused = metrics(&wrong);
            assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
        } else {
            let mut refused = view(["status", "watch", "control"][number % 3], &wrong);
            let heard = refused.hear_rest();
            let heard = String::from_utf8_lossy(&heard);
            assert!(heard.contains("Error: wrong token") && !heard.contains("OK"), "{heard:?}");
        }
    }
    assert!(metrics(&right).ends_with("\n# EOF\n"));
    hear(&mut view("watch", &right), "OK");
    assert!(!healthy.end().is_empty(), "somebody else was answered all the time");
    let log = daemon.stop();
    assert!(!log.iter().any(|line| line.contains(&right[..8])), "nothing like a token is in the log");
}

#[test]
fn token_is_shown_to_no_watcher_and_is_in_no_log() {
    let daemon = Daemon::talkative(&format!("{USUAL}{BESIDE}{PAGE}"));
    let right = token(&daemon);
    let mut watcher = daemon.unix();
    watcher.say("watch\nall\n");
    hear_line(&mut watcher);
    let mut metrics = daemon.tcp(PORT);
    metrics.say(format!(
        "GET /metrics HTTP/1.1\r\nAuthorization: Bearer {right}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ));
    assert!(metrics.hear_rest().ends_with(b"\n# EOF\n"));
    let mut view = opened(&daemon, "status");
    say(&mut view, &right);
    hear(&mut view, "OK");
    let mut last = opened(&daemon, "multiply");
    say(&mut last, "5 10");
    let mut seen = String::new();
    while !seen.contains("'5 10'") {
        seen += &hear_line(&mut watcher);
    }
    assert_eq!(seen.matches("message (private, ").count(), 2, "{seen}");
    drop((view, last, watcher));
    let log = daemon.stop();
    let is_told = |text: &str| text.contains(&right[..8]);
    assert!(!is_told(&seen) && !log.iter().any(|line| is_told(line)), "{seen} {log:?}");
    assert!(log.iter().any(|line| line.contains("(private, ")), "the log has every message: {log:?}");
}
