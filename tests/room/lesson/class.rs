//! Thirty students with all kinds of mistakes at thirty addresses: within two seconds a teacher sees each one's mistake, although
//! nobody has watched before, and the log has thirty names.

use super::BRISK;
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::orders::ipcctl;
use crate::harness::around::{as_user, from, is_root};
use crate::harness::healthy::owed;
use crate::harness::interrupted::uninterrupted;
use crate::harness::{CHAT, Client, Daemon, MULTIPLY, STATS, Stream, TIMEOUT, USUAL};

const STUDENTS: u8 = 30;

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 79, 0, last)
}

fn class(daemon: &Daemon) -> Vec<Value> {
    let (status, text) = ipcctl(daemon, &["class", "--once", "--json"]);
    assert_eq!(status, 0, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn row(class: &[Value], address: Ipv4Addr) -> &Value {
    let address = address.to_string();
    class
        .iter()
        .find(|row| row["client"] == *address)
        .unwrap_or_else(|| panic!("no row for {address}: {class:#?}"))
}

/// A student's mistake: its input, and its name.
const MISTAKES: [(&str, &str); 18] = [
    ("3,14 2\n", "comma"),
    ("5, 10\n", "comma"),
    ("(5 10)\n", "punctuation"),
    ("\"5 10\"\n", "punctuation"),
    ("multiply 5 10\n", "service_name"),
    ("{\"a\": 5}\n", "json"),
    ("\u{2212}5 10\n", "minus_sign"),
    ("5\n", "one_number"),
    ("hello\n", "wrong_port"),
    ("GET / HTTP/1.1\r\n\r\n", "wrong_port"),
    ("5 *", "unfinished"),
    ("", "silent"),
    ("5 10\\n", "literal_newline"), // a raw client, whose message ends with a pause
    ("{a} {b}\n", "placeholder"),
    ("b'5 10'", "printed_bytes"),
    ("1 2 3\n", "more_numbers"),
    ("\0\0\0\x05\0\0\0\n", "binary"),
    ("2\0\0\0d\0\0\0", "binary"),
];

#[test]
fn each_of_thirty_mistakes_is_named_in_two_seconds_unwatched() {
    let daemon = Daemon::with(&format!("{BRISK}{USUAL}"));
    let mut open: Vec<Client> = Vec::new();
    let mut wanted: HashMap<Ipv4Addr, Option<&str>> = HashMap::new();
    let mut said: HashMap<Ipv4Addr, Instant> = HashMap::new();
    let mut mistakes = MISTAKES.iter().cycle();
    // After a mistake, the last report that was asked for and still lacked it.
    let (begun, mut longest, mut last) = (Instant::now(), Duration::ZERO, Vec::new());
    let ((), owed) = owed(Some(daemon.pid()), || {
        for number in 0..STUDENTS {
            let address = at(number + 2);
            let mut member = from(address, daemon.address(CHAT));
            member.say(format!("student {number}\n"));
            open.push(member);
            let mut client = from(address, daemon.address(MULTIPLY));
            // Every fifth student makes none.
            let mistake = (number % 5 > 0).then(|| *mistakes.next().expect("some"));
            client.say(mistake.map_or("5 10\n", |(words, _)| words));
            said.insert(address, Instant::now());
            wanted.insert(address, mistake.map(|(_, name)| name));
            open.push(client);
        }
        let begun = Instant::now();
        crate::harness::wait_until("each has its mistake", || {
            let asked = Instant::now();
            last = class(&daemon);
            let is_right = |(address, mistake): (&Ipv4Addr, &Option<&str>)| {
                let address = address.to_string();
                let row = last.iter().find(|row| row["client"] == *address);
                row.is_some_and(|row| {
                    row["hint"]["mistake"].as_str() == *mistake && row["hint"]["is_open"] != false
                })
            };
            let wrong: Vec<_> = wanted.iter().filter(|row| !is_right(*row)).collect();
            for (address, _) in wrong.iter().filter(|(_, mistake)| mistake.is_some()) {
                longest = longest.max(asked - said[*address]);
            }
            assert!(begun.elapsed() < TIMEOUT / 2, "{wrong:?} {last:#?}");
            wrong.is_empty().then_some(())
        });
    });
    // Of this, the daemon or this test waited for a processor.
    let waited = begun.elapsed().saturating_sub(owed);
    let made: BTreeSet<&str> = wanted.values().flatten().copied().collect();
    assert!(MISTAKES.iter().all(|(_, name)| made.contains(name)), "{made:?}");
    assert!(longest < Duration::from_secs(2) + waited, "{longest:?}, {waited:?}");
    eprintln!("one of {STUDENTS} lacked its mistake after {longest:?}, none later");
    // Rows with trouble are at the top, and each row has a name.
    let in_trouble = |row: &Value| row["hint"]["is_open"] == true;
    let count = wanted.values().flatten().count();
    assert!(last[..count].iter().all(in_trouble) && !last[count..].iter().any(in_trouble), "{last:#?}");
    let third = row(&last, at(2 + 2));
    assert_eq!((&third["name"], &third["connections"]), (&"student 2".into(), &2.into()));
    assert_eq!((&third["requests"], &third["errors"]), (&2.into(), &1.into()), "{third}");
    assert!(third["hint"]["text"].as_str().unwrap().contains("write 5 10"), "{third}");
    // The log has all thirty names, and what each one did wrong.
    crate::harness::wait_until("all thirty names are in the log", || {
        let log = daemon.log();
        let joined = log.iter().filter_map(|line| line.split_once("joined as "));
        let names: BTreeSet<&str> = joined.map(|(_, name)| name).collect();
        (names.len() == usize::from(STUDENTS)).then_some(())
    });
    for address in
        wanted.iter().filter(|(_, mistake)| mistake.is_some_and(|name| name != "silent")).map(|(it, _)| it)
    {
        let peer = format!("{address}:");
        let is_hint = |line: &&String| line.contains(&peer) && line.contains("hint: ");
        crate::harness::wait_until(&peer, || daemon.log().iter().find(is_hint).map(drop));
    }
    daemon.stop();
}

/// An error without a hint, which still marks the student.
const ERRORS: [(u16, &str, &str); 5] = [
    (MULTIPLY, "10 / 0\n", "division by zero"),
    (MULTIPLY, "quit\n", "expected two numbers"),
    (MULTIPLY, "5 x\n", "not a number: 'x'"),
    (CHAT, "Ann\n", "the name 'Ann' is taken"),
    (STATS, "cpu 50\n", "cpu 50"),
];

#[test]
fn error_without_a_hint_puts_a_client_in_trouble_until_it_succeeds() {
    let daemon = Daemon::with(&format!("{BRISK}{USUAL}[stats]\nlisten = [\"tcp://{{ip}}:33001\"]\n"));
    let mut ann = from(at(2), daemon.address(CHAT));
    ann.say("ann\n");
    ann.hear_line_with("Welcome ann!");
    let mut open = Vec::new();
    for ((port, words, _), number) in ERRORS.iter().zip(3..) {
        let mut client = from(at(number), daemon.address(*port));
        client.say(*words);
        client.hear_line_with("Error: ");
        open.push(client);
    }
    let last = class(&daemon);
    assert_eq!(row(&last, at(2))["error"], Value::Null);
    for ((.., text), number) in ERRORS.iter().zip(3..) {
        let row = row(&last, at(number));
        assert!(row["error"]["text"].as_str().is_some_and(|error| error.contains(text)), "{row}");
        assert_eq!((&row["error"]["is_open"], &row["hint"]), (&true.into(), &Value::Null));
    }
    assert!(last[..ERRORS.len()].iter().all(|row| row["error"]["is_open"] == true), "{last:#?}");
    let (_, lines) = ipcctl(&daemon, &["class", "--once"]);
    assert!(lines.lines().take(ERRORS.len() + 1).any(|line| line.contains("division by zero")), "{lines}");
    open[0].say("10 / 4\n");
    open[0].hear_line_with("2.5");
    assert_eq!(row(&class(&daemon), at(3))["error"]["is_open"], false);
    daemon.stop();
}

#[test]
fn how_a_connection_ended_does_not_replace_its_mistake() {
    let daemon = Daemon::with(&format!("{BRISK}{USUAL}"));
    let mut client = from(at(2), daemon.address(MULTIPLY));
    client.say("5,10\n");
    daemon.wait_for_log("has a comma between its numbers");
    // The reply has arrived, and it closes without reading it: that resets the connection.
    let Stream::Tcp(stream) = &client.stream else { unreachable!() };
    assert!(uninterrupted(|| stream.peek(&mut [0])).unwrap() > 0);
    drop(client);
    daemon.wait_for_log("closed: reset by the peer");
    assert_eq!(row(&class(&daemon), at(2))["hint"]["mistake"], "comma");
    assert!(!daemon.log().iter().any(|line| line.contains("it closed before")), "{:#?}", daemon.log());
    // A viewer is not one of the students.
    let class = class(&daemon);
    let teacher = class.iter().find(|row| row["client"].as_str().is_some_and(|who| who.starts_with("uid ")));
    assert_eq!(teacher.expect("the teacher")["requests"], 0);
    daemon.stop();
}

#[test]
fn success_clears_the_trouble_and_is_remembered_after_leaving() {
    let daemon = Daemon::with(&format!("{BRISK}{USUAL}[stats]\nlisten = [\"tcp://{{ip}}:33001\"]\n"));
    let mut first = from(at(2), daemon.address(MULTIPLY));
    first.say("5,10\n");
    first.hear("Data received\nError: ");
    let hint = |is_open: bool| {
        crate::harness::wait_until("the hint", || {
            let class = class(&daemon);
            let row = row(&class, at(2)).clone();
            (row["hint"]["is_open"] == is_open).then_some(row)
        })
    };
    assert_eq!(hint(true)["hint"]["mistake"], "comma");
    // Its messages to other services change nothing; the next run of its program does.
    let mut member = from(at(2), daemon.address(CHAT));
    member.say("ann\nhi\n");
    member.hear_line_with("ann: hi");
    assert_eq!(hint(true)["name"], "ann");
    first.hear_line();
    drop(first);
    let mut second = from(at(2), daemon.address(MULTIPLY));
    second.say("5 10\n");
    second.hear("Data received\n50.0\n");
    assert_eq!(hint(false)["hint"]["mistake"], "comma");
    let mut machine = from(at(2), daemon.address(STATS));
    machine.say("{\"hostname\": \"pc-7\", \"cpu_percent\": 5}\n");
    machine.hear_line();
    drop((second, member, machine));
    let row = crate::harness::wait_until("it has gone", || {
        let class = class(&daemon);
        let row = row(&class, at(2)).clone();
        (row["connections"] == 0).then_some(row)
    });
    assert_eq!(
        (&row["name"], &row["connections_total"], &row["errors"]),
        (&"ann".into(), &4.into(), &1.into())
    );
    assert_eq!(row["requests"], 5, "{row}");
    assert!(row["host"].is_string(), "{row}");
    let figures = &row["machine"];
    assert_eq!((&figures["cpu_percent"], &figures["load"]), (&5.0.into(), &Value::Null), "{row}");
    // In a pipe, without --json, it is a table.
    let (_, text) = ipcctl(&daemon, &["class", "--once"]);
    let line = text.lines().find(|line| line.starts_with("127.79.0.2 ")).unwrap_or_else(|| panic!("{text}"));
    assert!(text.starts_with("CLIENT") && line.contains("ann") && line.contains(" 5%"), "{text}");
    daemon.stop();
}

#[test]
fn class_needs_permission_to_watch() {
    let daemon = Daemon::with(&format!("{BRISK}{}mode = \"0666\"\n[watch]\nallow_users = [64001]\n", USUAL));
    if !is_root() {
        return;
    }
    let path = daemon.socket();
    std::fs::set_permissions(
        path.parent().expect("a directory"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("a mode");
    for (uid, is_told) in [(64_001, true), (64_002, false), (0, true)] {
        let mut client = as_user(uid, uid, || Client::unix(&path));
        client.say("status\n");
        let report: Value = serde_json::from_str(&client.hear_line()).expect("JSON");
        assert_eq!(report["clients"].is_array(), is_told, "{uid}");
        // Only that part, and then everything again.
        client.say("clients\nstatus\n");
        let part: Value = serde_json::from_str(&client.hear_line()).expect("JSON");
        let keys: Vec<&String> = part.as_object().expect("an object").keys().collect();
        assert_eq!(keys, if is_told { &["clients", "schema"][..] } else { &["schema"] }, "{uid}");
        let clients = |report: &Value| report["clients"].as_array().map(Vec::len);
        assert_eq!(clients(&part), clients(&report));
        let report: Value = serde_json::from_str(&client.hear_line()).expect("JSON");
        assert!(report["services"].is_array());
    }
    daemon.stop();
}

#[test]
fn class_selects_by_name_address_or_hints() {
    let daemon = Daemon::with(&format!("{BRISK}{USUAL}[watch]\nmax_watchers = 64\n"));
    let mut ann = from(at(2), daemon.address(CHAT));
    ann.say("ann lee\n");
    ann.hear_line_with("Welcome ann lee!");
    let watch = |filter: &str, shown: &str| {
        let mut watcher = daemon.unix();
        watcher.say(format!("watch\n{filter}\n"));
        watcher.hear(format!("Watching: {shown}\n"));
        watcher
    };
    let watchers = [
        (watch("hints", "hints"), &["hint: '5,10'", "hint: 'x'"][..]),
        (
            watch("name=Ann  lee".replace("  ", " ").as_str(), "name=Ann lee"),
            &["message 'hi'", "message '5,10'", "hint: '5,10'"],
        ),
        (watch("address=127.79.0.3", "address=127.79.0.3"), &["message 'x'", "hint: 'x'"]),
        (
            watch("hints address=127.79.0.2 name=ann lee", "address=127.79.0.2 hints name=ann lee"),
            &["hint: '5,10'"],
        ),
    ];
    for (address, words) in [(at(20), "x"), (at(3), "x"), (at(2), "5,10")] {
        let mut client = from(address, daemon.address(MULTIPLY));
        client.say(format!("{words}\n"));
        client.hear_line_with("Error: ");
    }
    ann.say("hi\n");
    ann.hear_line_with("ann lee: hi");
    let mut end = watch("all", "all");
    end.say("all\n"); // one more round trip, after all events
    for (mut watcher, wanted) in watchers {
        watcher.say("name=nobody\n");
        let mut seen = Vec::new();
        loop {
            let line = watcher.hear_line();
            if line == "Watching: name=nobody" {
                break;
            }
            seen.push(line);
        }
        for what in wanted {
            assert!(seen.iter().any(|line| line.contains(what)), "{what}: {seen:#?}");
        }
        for line in &seen {
            let is_other = line.contains("127.79.0.20:") || wanted.len() == 1 && !line.contains("hint: ");
            assert!(!is_other || wanted.contains(&"hint: 'x'"), "{line}");
        }
    }
    for (filter, error) in [
        ("name=", "Error: name= needs a chat name"),
        ("address=teacher", "Error: 'teacher' is not an address"),
        ("hint", "Error: unknown filter: 'hint'"),
    ] {
        let mut watcher = daemon.unix();
        watcher.say(format!("watch\n{filter}\n"));
        watcher.hear(error);
    }
    daemon.stop();
}
