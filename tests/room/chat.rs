//! The chat room: joining, leaving, and the order of messages.

mod slow;
mod transcript;

use std::time::{Duration, Instant};

use crate::harness::{CHAT, Client, Daemon, MULTIPLY, Stream, USUAL, show};
use rustix::process::Signal;
use socket2::SockRef;

const CAVE: &str = "Greetings from the cave! Now type your name and press enter!";

fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// A raw client that is already in the room.
fn raw_member(mut client: Client, name: &str) -> Client {
    client.hear(format!("{CAVE}\n"));
    client.say(name);
    client.hear(welcome(name));
    client
}

/// A member on the Unix socket.
fn unix_member(daemon: &Daemon, name: &str) -> Client {
    let mut client = daemon.unix();
    client.say(format!("chat\n{name}\n"));
    client.hear(format!("{CAVE}\n{}\n", welcome(name)));
    client
}

fn tcp(client: &Client) -> &std::net::TcpStream {
    let Stream::Tcp(stream) = &client.stream else { panic!("a TCP client was expected") };
    stream
}

#[test]
fn join_is_announced_to_members_but_not_to_the_newcomer() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut bob = unix_member(&daemon, "bob");
    alice.hear("bob has joined the chat!\n");
    let mut carol = raw_member(daemon.tcp(CHAT), "carol");
    for member in [&mut alice, &mut bob] {
        member.hear("carol has joined the chat!\n");
    }
    carol.say("hi");
    assert_eq!(show(&carol.recv()), "carol: hi");
    for member in [&mut alice, &mut bob] {
        member.hear("carol: hi\n");
    }
    bob.say("/msg carol psst\n");
    assert_eq!(show(&carol.recv()), "bob (to you): psst");
    bob.hear("you (to carol): psst\n");
    alice.say("/who\n");
    alice.hear("In the room: alice, bob, carol (3)\n");
}

#[test]
fn eight_speakers_are_heard_by_all_in_one_order() {
    const EACH: usize = 300;
    let daemon = Daemon::usual();
    let names: Vec<String> = (0..8).map(|number| format!("m{number}")).collect();
    let mut members: Vec<Client> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        members.push(if index % 2 == 0 { Client::member(&daemon, name) } else { unix_member(&daemon, name) });
        for member in &mut members[..index] {
            member.hear(format!("{name} has joined the chat!\n"));
        }
    }
    let talks = members.into_iter().map(|mut member| {
        // The daemon does not read from a client that does not read, so each client sends and receives in its own thread.
        let mut mouth = member.share();
        std::thread::spawn(move || {
            let talking = std::thread::spawn(move || {
                for number in 0..EACH {
                    mouth.say(format!("message {number}\n"));
                }
            });
            let mut heard = Vec::new();
            while heard.iter().filter(|byte| **byte == b'\n').count() < 8 * EACH {
                heard.extend(member.recv());
            }
            talking.join().unwrap();
            (member, String::from_utf8(heard).unwrap())
        })
    });
    let talks: Vec<_> = talks.collect::<Vec<_>>().into_iter().map(|talk| talk.join().unwrap()).collect();
    let all = &talks[0].1;
    for (_, heard) in &talks {
        assert!(heard == all, "two members heard different things");
    }
    for name in &names {
        let prefix = format!("{name}: message ");
        let numbers =
            all.lines().filter_map(|line| line.strip_prefix(&prefix)).map(|n| n.parse::<usize>().unwrap());
        assert!(numbers.eq(0..EACH), "{name} is heard in its own order");
    }
}

#[test]
fn newcomer_gets_the_history() {
    let daemon = Daemon::with(&USUAL.replace("[chat]", "[chat]\nhistory = 2"));
    let mut alice = Client::member(&daemon, "alice");
    for (said, heard) in
        [("one\n", "alice: one\n"), ("two\n", "alice: two\n"), ("/me waves\n", "* alice waves\n")]
    {
        alice.say(said);
        alice.hear(heard);
    }
    let mut bob = Client::member(&daemon, "bob");
    bob.hear("alice: two\n* alice waves\n");
    bob.say("hi\n");
    bob.hear("bob: hi\n");
    let mut raw = raw_member(daemon.tcp(CHAT), "carol");
    raw.hear("* alice wavesbob: hi");
}

#[test]
fn missing_name_times_out() {
    let daemon = Daemon::with(&USUAL.replace("[chat]", "[chat]\nname_timeout = \"1s\""));
    // The turn with which the daemon began has ended once somebody is answered.
    let mut before = daemon.tcp(MULTIPLY);
    before.say("6 7\n");
    before.hear("Data received\n42.0\n");
    // The daemon finds them and their first messages at the same time, however long this test took for them.
    let start = Instant::now();
    daemon.freeze();
    let (mut silent, mut wrong, mut member) = (daemon.tcp(CHAT), daemon.tcp(CHAT), daemon.tcp(CHAT));
    wrong.say("a/b\n");
    member.say("alice\n");
    daemon.thaw();
    member.hear(format!("{CAVE}\n{}\n", welcome("alice")));
    wrong.hear(format!(
        "{CAVE}\nError: a name has 1 to 32 letters, digits, spaces or - _ . ' @ +, and begins with a letter or digit; type another one\n"
    ));
    wrong.hear("Error: no name for 1 s\n");
    assert!(start.elapsed() >= Duration::from_millis(990));
    wrong.hear_end();
    silent.hear(format!("{CAVE}\nError: no name for 1 s\n"));
    silent.hear_reset(); // it may be a graphical client in which nobody has typed a name
    member.say("hi\n");
    member.hear("alice: hi\n");
}

#[test]
fn raw_burst_with_name_and_message_is_split() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut raw = daemon.tcp(CHAT);
    raw.say("stats{\"cpu\": 1, \"memory\": 2, \"disk\": 3}");
    raw.hear(format!("{CAVE}\n{}stats: {{\"cpu\": 1, \"memory\": 2, \"disk\": 3}}", welcome("stats")));
    alice.hear("stats has joined the chat!\nstats: {\"cpu\": 1, \"memory\": 2, \"disk\": 3}\n");
    // A text that could be a name is a name or an error: the end of a name is not a message.
    let mut short = daemon.tcp(CHAT);
    short.say("Müller, Eva");
    short.hear(format!("{CAVE}\nError: a name has"));
    let mut line = daemon.tcp(CHAT);
    line.say("line{\"cpu\": 1, \"memory\": 2, \"disk\": 3}\n");
    line.hear(format!("{CAVE}\nError: a name has"));
}

#[test]
fn every_way_of_leaving_is_announced_alike() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut left = |name: &str, leave: &dyn Fn(Client)| {
        let client = Client::member(&daemon, name);
        leave(client);
        alice.hear(format!("{name} has joined the chat!\n{name} has left the chat.\n"));
    };
    for (name, word) in [("b1", "{quit}\n"), ("b2", "quit\n"), ("b3", "/quit\n")] {
        left(name, &|mut client| {
            client.say(word);
            client.hear("{quit}\n");
            client.hear_end();
        });
    }
    left("closes", &drop);
    left("resets", &|client| SockRef::from(tcp(&client)).set_linger(Some(Duration::ZERO)).unwrap());
    left("half", &|mut client| {
        client.half_close();
        client.hear_end();
    });
}

#[test]
fn room_is_notified_of_the_shutdown() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut raw = raw_member(daemon.tcp(CHAT), "raw");
    let mut nameless = daemon.tcp(CHAT);
    nameless.hear(format!("{CAVE}\n"));
    alice.hear("raw has joined the chat!\n");
    daemon.signal(Signal::TERM);
    alice.hear("Server is shutting down.\n");
    alice.hear_end();
    raw.hear("Server is shutting down.");
    nameless.hear("Server is shutting down.\n");
    nameless.hear_reset();
    drop((alice, raw, nameless));
    let mut daemon = daemon;
    assert!(daemon.wait().success());
}

#[test]
fn raw_member_can_read_its_last_words_before_the_reset() {
    // This timeout is not what closes the connection.
    let daemon = Daemon::with(&format!("[limits]\nlinger_timeout = \"10min\"\n{USUAL}"));
    let mut raw = raw_member(daemon.tcp(CHAT), "raw");
    let asked = Instant::now();
    raw.say("{quit}");
    assert_eq!(raw.recv(), b"{quit}");
    raw.hear_reset();
    let pause = asked.elapsed();
    assert!(pause >= Duration::from_millis(99), "{pause:?}");

    let mut nameless = daemon.tcp(CHAT);
    nameless.say("{quit}");
    nameless.hear(format!("{CAVE}\n{{quit}}"));
    nameless.hear_reset();

    let mut local = daemon.unix();
    local.say("chat");
    local.hear(CAVE);
    local.say("local");
    local.hear(welcome("local"));
    local.say("{quit}");
    local.hear("{quit}");
    local.hear_end();
}

#[test]
fn control_characters_are_dropped_and_names_are_unique() {
    let daemon = Daemon::usual();
    let mut alice = Client::member(&daemon, "alice");
    let mut bob = Client::member(&daemon, "bob");
    alice.hear("bob has joined the chat!\n");
    alice.say("\x1b[31mred\u{9b}\u{202e}\u{2028}\tx\n/me \x07rings\n/msg bob \x1bpsst\n");
    bob.hear("alice: [31mred\tx\n* alice rings\nalice (to you): psst\n");
    for name in ["ALICE", "ａｌｉｃｅ", " alice ", "Ⓐlice"] {
        let mut twin = daemon.tcp(CHAT);
        twin.say(format!("{name}\n"));
        twin.hear(format!("{CAVE}\nError: "));
    }
    drop(alice);
    bob.hear("alice has left the chat.\n");
    Client::member(&daemon, "Alice");
    bob.hear("Alice has joined the chat!\n");
}
