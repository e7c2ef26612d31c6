//! A shared room on real NATS servers, which fail in every way. Each member's transcript is compared with the log itself, which a
//! client in these tests reads.

mod failures;
mod house;
mod log;
mod member;
mod operator;
mod recipe;
mod server;

use crate::harness::program::{Program, command};
use crate::harness::{Daemon, wait_until};
use house::{HOUSE, check, config, daemon, daemons, directory, members, table, talk};
use log::Nats;
use member::{Kind, Member};
use server::{Server, versions};

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn members_of_every_kind_on_two_machines_get_one_order() {
    for version in versions() {
        let server = Server::alone(&version, "");
        let daemons = daemons(2, &table(&[&server], ""));
        let mut all = members(&daemons[0], 'a', 20);
        all.extend(members(&daemons[1], 'b', 20));
        talk(&mut all, "talk", 10);
        let log = check(&server, &mut all);
        assert!(log.len() >= 40 * 11 + 40, "{}", log.len());
        drop(all);
        for daemon in daemons {
            daemon.stop();
        }
    }
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn name_belongs_to_one_member_in_the_whole_room() {
    let server = Server::alone(&versions()[0], "");
    let daemons = daemons(2, &table(&[&server], ""));
    let mut ann = Member::join(&daemons[0], Kind::Tcp, "ann");
    let mut bob = Member::join(&daemons[1], Kind::Tcp, "bob");
    ann.wait_for("bob has joined the chat!");
    let mut other = Member::begin(&daemons[1], Kind::Tcp, "Ann");
    other.wait_for("Error: the name 'Ann' is taken; choose another");
    other.command("аnn"); // the first letter is of another script
    other.wait_for("Error: a name uses one script");
    other.command("cat");
    other.wait_for("Welcome cat!");
    ann.wait_for("cat has joined the chat!");
    // Many at once on both daemons: the log decides, and each name is given once.
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    let at =
        |index: usize| names.iter().map(|name| Member::begin(&daemons[index], Kind::Tcp, name)).collect();
    let (left, right): (Vec<Member>, Vec<Member>) = (at(0), at(1));
    for (one, two) in left.iter().zip(&right) {
        let is_decided = |member: &Member| {
            let lines = member.lines();
            let is_in = lines.iter().any(|line| line.starts_with("Welcome "));
            let is_out = lines.iter().any(|line| line.starts_with("Error: the name '"));
            (is_in || is_out).then_some(is_in)
        };
        let outcome = wait_until("both hear", || is_decided(one).zip(is_decided(two)));
        assert!(outcome.0 != outcome.1, "{}: {outcome:?}", one.name);
    }
    drop((left, right));
    bob.wait_for("n19 has left the chat.");
    ann.wait_for("n19 has left the chat.");
    let who = |member: &mut Member| {
        let since = member.lines().len();
        member.command("/who");
        member.wait_for_since(since, "In the room: ");
        member.lines().into_iter().skip(since).find(|line| line.starts_with("In the room: ")).unwrap()
    };
    let expected = |line: &str| ["ann", "bob", "cat"].iter().all(|name| line.contains(name));
    let lists = wait_until("all have left", || {
        let lists = [who(&mut ann), who(&mut bob)];
        lists.iter().all(|list| !list.contains(", n")).then_some(lists)
    });
    assert!(lists[0] == lists[1] && expected(&lists[0]) && lists[0].ends_with("(5)"), "{lists:?}");
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn whisper_goes_to_the_other_machine_and_nowhere_else() {
    let server = Server::alone(&versions()[0], "");
    let mut daemons = daemons(2, &table(&[&server], ""));
    let mut ann = Member::join(&daemons[0], Kind::Tcp, "ann");
    let bob = Member::join(&daemons[1], Kind::Unix, "bob");
    let eve = Member::join(&daemons[1], Kind::Tcp, "eve");
    ann.wait_for("eve has joined the chat!");
    ann.command("/msg BOB the word is fish");
    bob.wait_for("ann (to you): the word is fish");
    ann.wait_for("you (to bob): the word is fish");
    assert!(!eve.lines().iter().any(|line| line.contains("fish")));
    let log = Nats::connect(server.ip, &server.connect).lines(HOUSE);
    assert!(!log.iter().any(|line| line.text.contains("fish")), "it is not in the log");
    // Its machine is gone, and the room does not know it yet.
    let gone = daemons.pop().unwrap();
    gone.signal(rustix::process::Signal::STOP);
    ann.command("/msg bob still there?");
    ann.wait_for("Error: your message to bob did not arrive: ");
    ann.command("/msg nobody hi");
    ann.wait_for("Error: nobody here is called 'nobody' (try /who)");
    gone.signal(rustix::process::Signal::CONT);
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn machine_that_reports_to_one_daemon_is_known_to_all() {
    const STATS: u16 = 33001;
    let server = Server::alone(&versions()[0], "");
    let config =
        format!("{}[stats]\nlisten = [\"tcp://{{ip}}:{STATS}\"]\n", config(&table(&[&server], ""), ""));
    let daemons: Vec<Daemon> = (0..2).map(|_| directory().serve(&config)).collect();
    daemons.iter().for_each(|daemon| _ = daemon.wait_for_log("the room is whole"));
    let ask = |daemon: &Daemon, text: &str| {
        let mut client = daemon.tcp(STATS);
        client.say(text);
        client.half_close();
        String::from_utf8(client.hear_rest()).unwrap()
    };
    // A report is lost for the others while their connection is not ready, so it is repeated, as usual.
    let seen = wait_until("the other daemon knows the machine", || {
        let taken = ask(&daemons[0], "{\"host\":\"pc7\",\"cpu_percent\":12.5}\n");
        assert_eq!(taken, "Data received\n");
        let seen = ask(&daemons[1], "latest pc7\n");
        (!seen.starts_with("Error: ")).then_some(seen)
    });
    assert!(seen.contains("\"host\":\"pc7\"") && seen.contains("\"cpu_percent\":12.5"), "{seen}");
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn history_comes_from_the_log_after_all_daemons_were_stopped() {
    let server = Server::alone(&versions()[0], "");
    let nats = table(&[&server], "");
    let history = |nats: &str| directory().serve(&config(nats, "history = 3"));
    let first = history(&nats);
    first.wait_for_log("the room is whole");
    let mut ann = Member::join(&first, Kind::Tcp, "ann");
    talk(std::slice::from_mut(&mut ann), "one", 5);
    drop(ann);
    first.stop();
    let second = history(&nats);
    second.wait_for_log("the room is whole");
    let mut bob = Member::join(&second, Kind::Tcp, "bob");
    bob.wait_for("ann: one 4 of ann");
    bob.command("/who");
    bob.wait_for("In the room: board-");
    let lines = bob.lines();
    let heard: Vec<&String> = lines.iter().filter(|line| line.starts_with("ann: ")).collect();
    assert_eq!(heard, ["ann: one 2 of ann", "ann: one 3 of ann", "ann: one 4 of ann"]);
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn reload_shares_the_room_and_stops_that_with_members_staying() {
    let server = Server::alone(&versions()[0], "");
    let nats = table(&[&server], "");
    let alone = directory().serve(&member::endpoints(""));
    let other = daemon(&nats);
    other.wait_for_log("the room is whole");
    let mut ann = Member::join(&alone, Kind::Tcp, "ann");
    let mut bob = Member::join(&other, Kind::Tcp, "bob");
    talk(std::slice::from_mut(&mut ann), "alone", 2);
    let reload = |text: &str| {
        let since = alone.log().len();
        alone.write_config(text);
        alone.signal(rustix::process::Signal::HUP);
        alone.wait_for_log_since(since, "reloaded: ");
        since
    };
    let since = reload(&config(&nats, ""));
    alone.wait_for_log_since(since, "the room is whole");
    bob.wait_for("ann has joined the chat!");
    bob.say("hello ann");
    ann.wait_for("bob: hello ann");
    ann.say("hello bob");
    bob.wait_for("ann: hello bob");
    assert!(!bob.lines().iter().any(|line| line.contains("alone")));
    // The same configuration again changes nothing.
    let seen = bob.lines().len();
    reload(&config(&nats, ""));
    ann.say("still here");
    bob.wait_for("ann: still here");
    // On a busy machine, the way to the server may seem cut off for a moment.
    let since: Vec<String> = bob.lines().into_iter().skip(seen).collect();
    let news: Vec<&String> = since.iter().filter(|line| !line.starts_with("This room is ")).collect();
    assert_eq!(news, ["ann: still here"]);
    // Another room.
    let since = reload(&config(&nats, "").replace("\"class\"", "\"other\""));
    alone.wait_for_log_since(since, "the room is whole");
    bob.wait_for("ann has left the chat.");
    ann.say("nobody hears this");
    ann.wait_for("ann: nobody hears this");
    // No shared room.
    reload(&member::endpoints(""));
    ann.wait_for("This room is no longer shared with other machines.");
    ann.say("on my own");
    ann.wait_for("ann: on my own");
    ann.command("/who");
    ann.wait_for("In the room: ");
    bob.say("who is there?");
    bob.wait_for("bob: who is there?");
    assert!(!ann.lines().iter().any(|line| line.contains("who is there?")));
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn watch_shows_what_goes_to_the_servers_and_comes_from_them() {
    let mut server = Server::alone(&versions()[0], "");
    let daemons = daemons(2, &table(&[&server], ""));
    let watch = |daemon: &Daemon, filter: &str| {
        let mut watcher = daemon.unix();
        watcher.say(format!("watch\n{filter}\n"));
        assert_eq!(watcher.hear_line(), format!("Watching: {filter}"));
        watcher
    };
    let (mut here, mut there) = (watch(&daemons[0], "nats"), watch(&daemons[1], "nats name=ann"));
    let mut chat = watch(&daemons[0], "service=multiply");
    // The next line with all of these parts; what comes before it is other.
    let see = |watcher: &mut crate::harness::Client, parts: &[&str]| {
        let mut others = Vec::new();
        loop {
            let line = watcher.hear_line();
            assert!(line.contains("  shared room  "), "{line}");
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
            others.push(line);
            assert!(others.len() < 200, "no {parts:?} in {others:#?}");
        }
    };
    let mut ann = Member::join(&daemons[0], Kind::Tcp, "ann");
    let bob = Member::join(&daemons[1], Kind::Tcp, "bob");
    ann.wait_for("bob has joined the chat!");
    let joins = see(&mut here, &["  up: batch ", ": ann joins"]);
    assert!(joins.contains(&server.url()), "{joins}");
    see(&mut here, &["  down: message ", " of instance ", ": bob joins"]);
    ann.say("hi \u{1b}[2J there");
    bob.wait_for("ann: hi [2J there");
    see(&mut here, &["  up: batch ", ": ann says 'hi "]);
    see(&mut here, &["  down: message ", ": ann says 'hi "]);
    see(&mut there, &["  down: message ", ": ann says 'hi "]);
    ann.command("/msg bob secret");
    bob.wait_for("ann (to you): secret");
    let whisper = see(&mut here, &["  up: ann whispers to bob (private, 6 bytes)"]);
    assert!(!whisper.contains("secret"), "{whisper}");
    see(&mut there, &["  down: ann whispers to bob (private, 6 bytes)"]);
    see(&mut here, &["it is alive, with "]);
    server.kill();
    see(&mut here, &["  nats: the room is cut off: "]);
    // Another service's watcher has seen nothing of it.
    let mut asks = daemons[0].tcp(crate::harness::MULTIPLY);
    asks.say("5 10\n");
    let line = chat.hear_line();
    assert!(line.contains("65432") && !line.contains("shared room"), "{line}");
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn status_and_metrics_show_the_shared_room() {
    let mut server = Server::alone(&versions()[0], "");
    let daemons = daemons(2, &table(&[&server], ""));
    let ann = Member::join(&daemons[0], Kind::Tcp, "ann");
    let bob = Member::join(&daemons[1], Kind::Tcp, "bob");
    ann.wait_for("bob has joined the chat!");
    let socket = format!("unix://{}", daemons[0].socket().display());
    let ipcctl = |arguments: &[&str]| {
        let mut all = vec!["--to", &socket];
        all.extend(arguments);
        Program::run(command(env!("CARGO_BIN_EXE_ipcctl"), all), "").output
    };
    // On a busy machine, the way to the server may seem cut off for a moment.
    let report = wait_until("the room is whole", || {
        let report: serde_json::Value = serde_json::from_str(&ipcctl(&["status", "--json"])).unwrap();
        (report["shared_room"]["state"] == "whole").then_some(report)
    });
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/status.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &report), "{report}");
    let room = &report["shared_room"];
    assert_eq!(
        (&room["state"], &room["machines"], &room["members"]),
        (&"whole".into(), &2.into(), &4.into())
    );
    assert_eq!(room["server"], server.url());
    wait_until("the room is whole", || {
        let text = ipcctl(&["status"]);
        text.contains("the room is whole: 4 members on 2 machines, through nats://").then_some(())
    });
    let said = ipcctl(&["say", "five more minutes"]);
    assert_eq!(said, "sent to 4 members on 2 machines\n");
    bob.wait_for("[teacher] five more minutes");
    let metrics = || {
        let url = format!("http://{}:33080/metrics", daemons[0].ip);
        Program::run(command("curl", ["--silent", "--header", "Accept: text/plain", &url]), "").output
    };
    assert!(metrics().contains("\nipcd_shared_room_whole 1\n") && metrics().contains("_room_members 4\n"));
    let server_info = format!("\nipcd_shared_room_server_info{{server=\"{}\",name=\"", server.url());
    let text = metrics();
    assert!(text.contains(&server_info) && text.contains("\nipcd_shared_room_unacknowledged "), "{text}");
    let checked = Program::run(command("promtool", ["check", "metrics"]), &text);
    assert_eq!((checked.status.success(), checked.output + &checked.errors), (true, String::new()));
    server.kill();
    ann.wait_for("This room is cut off");
    assert!(metrics().contains("\nipcd_shared_room_whole 0\n"));
    let text = ipcctl(&["status"]);
    assert!(text.contains("the room is connecting: "), "{text}");
    let said = ipcctl(&["say", "stay here"]);
    assert_eq!(said, "kept until the room is whole again; it is cut off from its other machines\n");
    server.start();
    bob.wait_for("[teacher] stay here");
}
