//! Message queues: a message is a request, and each message of a reply is one.

mod names;
mod room;

use rustix::process::Signal;

use crate::harness::queues::Queues;
use crate::harness::{Daemon, wait_until};

/// Short messages, so that many tests at once stay within RLIMIT_MSGQUEUE.
fn config(queues: &Queues) -> String {
    format!("[multiply]\nmax_message = 100\nlisten = [\"mq://{}\"]\n", queues.0)
}

#[test]
fn requests_are_answered_message_by_message() {
    let queues = Queues::new("multiply");
    let daemon = Daemon::with(&config(&queues));
    for (request, reply) in [
        ("5 10", "50.0"),
        ("10 / 4\r\n", "2.5"),
        ("5 10\0", "50.0"), // a string in C
        ("5\n10", "50.0"),
        ("5 x", "Error: not a number: 'x'"),
        ("5", "Error: expected two numbers, for example: 5 10"),
        ("GET / HTTP/1.1", "Error: not a number: 'GET'"),
    ] {
        queues.say(request);
        queues.hear(&["Data received", reply.trim_end()]);
    }
    // An empty message is ignored. An overlong one gets an error, and does not affect the next.
    ["", "\n", " \0"].iter().for_each(|nothing| queues.say(nothing));
    queues.say("9".repeat(101));
    queues.say("6 7");
    queues.hear(&["Error: message longer than 100 bytes", "Data received", "42.0"]);
    daemon.stop();
    assert_eq!(queues.names(), [""; 0], "nothing is left");
}

#[test]
fn concurrent_writers_lose_nothing() {
    const EACH: usize = 200;
    let queues = Queues::new("writers");
    let daemon = Daemon::with(&config(&queues));
    let mut answers: Vec<String> = std::thread::scope(|scope| {
        for writer in 0..4 {
            let queues = &queues;
            scope.spawn(move || {
                (0..EACH).for_each(|number| queues.say(format!("{} 1", writer * 1000 + number)))
            });
        }
        (0..4 * EACH)
            .map(|_| {
                queues.hear(&["Data received"]);
                queues.next()
            })
            .collect()
    });
    let numbers = (0..4).flat_map(|writer| (0..EACH).map(move |number| writer * 1000 + number));
    let mut expected: Vec<String> = numbers.map(|number| format!("{number}.0")).collect();
    answers.sort();
    expected.sort();
    assert_eq!(answers, expected);
    daemon.stop();
}

#[test]
fn newest_unread_replies_are_kept_and_the_rest_is_counted() {
    const REQUESTS: usize = 2000;
    let queues = Queues::new("unread");
    let daemon = Daemon::with(&config(&queues).replace("max_message", "backlog = \"4KiB\"\nmax_message"));
    (0..REQUESTS).for_each(|number| queues.say(format!("{number} 1")));
    queues.say("1 / 0");
    let mut heard: Vec<String> = Vec::new();
    while heard.last().is_none_or(|last| last != "Error: division by zero") {
        heard.push(queues.next());
    }
    let whole = |message: &String| {
        message == "Data received" || message.starts_with("Error: ") || message.parse::<f64>().is_ok()
    };
    assert!(heard.iter().all(whole), "{heard:?}");
    let numbers: Vec<f64> = heard.iter().filter_map(|message| message.parse().ok()).collect();
    assert!(numbers.is_sorted() && numbers.len() < REQUESTS / 2, "{}", numbers.len());
    assert_eq!(&numbers[..5], [0.0, 1.0, 2.0, 3.0, 4.0], "what is in the queue comes first");
    assert_eq!(numbers.last(), Some(&(REQUESTS as f64 - 1.0)));
    daemon.signal(Signal::USR1);
    let line = daemon.wait_for_log("status: multiply:");
    let dropped: usize = line.split(", ").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(dropped + heard.len(), 2 * (REQUESTS + 1), "{line}");
    queues.say("5 10");
    queues.hear(&["Data received", "50.0"]);
    daemon.stop();
}

#[test]
fn daemon_sleeps_when_nobody_reads_or_writes() {
    let queues = Queues::new("sleep");
    let daemon = Daemon::with(&config(&queues));
    (0..30).for_each(|_| queues.say("1 1")); // more replies than the queue holds
    let naps = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    wait_until("it sleeps", || {
        let before = (naps(), daemon.cpu_ticks());
        std::thread::sleep(std::time::Duration::from_millis(300));
        ((naps(), daemon.cpu_ticks()) == before).then_some(())
    });
    daemon.stop();
}
