//! The room, from the inside: who comes, who goes, who hears what in which order, and that nobody waits for a slow member.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{CHAT, Client, Daemon, Ground, Stream, USUAL, is_sanitized, logged, show, wait_until};
use rustix::process::Signal;
use socket2::SockRef;

const CAVE: &str = "Greetings from the cave! Now type your name and press enter!";

fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// In the room already, as a raw client.
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
        // Who does not read is not read from, so that each talks and listens in threads of its own.
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
    let (mut silent, mut wrong, start) = (daemon.tcp(CHAT), daemon.tcp(CHAT), Instant::now());
    let mut member = Client::member(&daemon, "alice");
    wrong.say("a/b\n");
    wrong.hear(format!(
        "{CAVE}\nError: a name is 1 to 32 letters, digits, spaces or - _ . ' @ +, and begins with a letter or digit; type another one\n"
    ));
    wrong.hear("Error: no name for 1 s\n");
    assert!(start.elapsed() >= Duration::from_millis(950));
    wrong.hear_end();
    silent.hear(format!("{CAVE}\nError: no name for 1 s\n"));
    silent.hear_reset(); // it may be a window in which nobody has typed a name
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
    // What a name could be as long as is one, or an error: the end of somebody's name is no message.
    let mut short = daemon.tcp(CHAT);
    short.say("Müller, Eva");
    short.hear(format!("{CAVE}\nError: a name is"));
    let mut line = daemon.tcp(CHAT);
    line.say("line{\"cpu\": 1, \"memory\": 2, \"disk\": 3}\n");
    line.hear(format!("{CAVE}\nError: a name is"));
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
    let daemon = Daemon::usual();
    let mut raw = raw_member(daemon.tcp(CHAT), "raw");
    raw.say("{quit}");
    assert_eq!(raw.recv(), b"{quit}");
    let heard = Instant::now();
    raw.hear_reset();
    let pause = heard.elapsed();
    assert!(pause >= Duration::from_millis(60) && pause < Duration::from_millis(1500), "{pause:?}");

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

#[test]
fn hundred_nonreaders_of_1000_cost_the_others_no_line() {
    let daemon = Daemon::with(&USUAL.replace("[chat]", "[chat]\nbacklog = \"256KiB\""));
    let deaf: Vec<Client> = (0..DEAF).map(|number| deaf_member(&daemon, &format!("deaf{number}"))).collect();
    let mut hearing: Vec<Client> = (0..HEARING)
        .map(|number| {
            let mut client = daemon.tcp(CHAT);
            client.say(format!("m{number}\n"));
            client
        })
        .collect();
    let mut speaker = Client::member(&daemon, "speaker");
    for client in &mut hearing {
        hear_until(client, "speaker has joined the chat!\n");
    }
    let before = daemon.resident_bytes();

    let (all_left, grown) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (spoken, heard) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 4]);
    std::thread::scope(|scope| {
        let spoken = &spoken;
        for (clients, heard) in hearing.chunks_mut(HEARING.div_ceil(3)).zip(&heard) {
            scope.spawn(move || hear_all(clients, spoken, heard, &AtomicBool::new(false)));
        }
        let ears = tcp(&speaker).try_clone().unwrap();
        scope.spawn(|| hear_all(&mut [Client::of(ears)], spoken, &heard[3], &all_left));
        // The kernel takes some for the deaf as well: how much is its business.
        for number in 0..20_000 {
            if all_left.load(Ordering::Relaxed) {
                break;
            }
            wait_until("those who read keep up", || {
                heard.iter().all(|heard| number < heard.load(Ordering::Relaxed) + AHEAD).then_some(())
            });
            speaker.say(format!("{number} {}\n", "z".repeat(WORDS)));
            spoken.store(number + 1, Ordering::Relaxed);
            if number % 64 == 0 {
                grown.fetch_max(daemon.resident_bytes().saturating_sub(before), Ordering::Relaxed);
            }
        }
        speaker.say("end\n");
        spoken.fetch_add(1, Ordering::Relaxed);
    });
    // The log is one for all; a line cut in the middle and the last words are all that is kept for one of the dropped.
    let grown = grown.into_inner();
    assert!(grown < 8 << 20 || is_sanitized(), "{grown} bytes more for a backlog of 256 KiB");
    drop(deaf);
}

#[test]
fn slow_member_is_closed_after_whole_lines() {
    let daemon = Daemon::with(&USUAL.replace("[chat]", "[chat]\nbacklog = \"64KiB\""));
    let mut deaf = deaf_member(&daemon, "deaf");
    let mut raw = raw_member(Client::of(deaf_socket(&daemon)), "raw");
    let mut speaker = Client::member(&daemon, "speaker");
    let mut left = 0;
    while left < 2 {
        speaker.say(format!("{}\n", "z".repeat(WORDS)));
        let heard = speaker.recv();
        left += usize::from(show(&heard).contains("deaf has left the chat."));
        left += usize::from(show(&heard).contains("raw has left the chat."));
    }
    let heard = String::from_utf8(deaf.hear_rest()).unwrap();
    let lines: Vec<&str> = heard.lines().collect();
    let [.., words, last] = &lines[..] else { panic!("{heard}") };
    assert_eq!(*last, "Error: too slow");
    assert_eq!(words.len(), "speaker: ".len() + WORDS, "the line begun is finished");
    // A raw one has 100 ms for that, which may be over: then comes the reset.
    let error = loop {
        match raw.read(&mut [0; 65536]) {
            Ok(count) => assert!(count > 0, "end of file, which a classroom window cannot bear"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

const HEARING: usize = 899;
const DEAF: usize = 100;
const WORDS: usize = 2000;

/// The speaker is ahead of the slowest who reads by no more than this: a quarter of the backlog, so that nobody who reads is
/// too slow, however little of the processor the readers get.
const AHEAD: usize = 32;

/// A member that will not read, and for which the kernel keeps little.
fn deaf_member(daemon: &Daemon, name: &str) -> Client {
    let mut client = Client::of(deaf_socket(daemon));
    client.say(format!("{name}\n"));
    client.hear(format!("{CAVE}\n{}\n", welcome(name)));
    client
}

fn deaf_socket(daemon: &Daemon) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&daemon.address(CHAT).into()).unwrap();
    socket.into()
}

/// Reads up to a line, or what follows the line before.
#[track_caller]
fn hear_until(client: &mut Client, line: &str) {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !heard.ends_with(line.as_bytes()) {
        let count = client.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", show(&heard[heard.len().saturating_sub(100)..]));
        heard.extend_from_slice(&buffer[..count]);
    }
}

/// Reads from all in turn until each has heard all that was spoken, in order, and that the deaf left. Who has heard all that
/// was spoken so far is not waited for; `heard` is how much all have heard.
fn hear_all(clients: &mut [Client], spoken: &AtomicUsize, heard: &AtomicUsize, all_left: &AtomicBool) {
    let mut states: Vec<(Vec<u8>, usize, usize, bool)> = clients.iter().map(|_| Default::default()).collect();
    let mut buffer = vec![0; 1 << 18];
    while states.iter().any(|(.., done)| !done) {
        let slowest = states.iter().map(|(_, next, ..)| *next).min().unwrap();
        heard.store(slowest, Ordering::Relaxed);
        if slowest >= spoken.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for (client, (rest, next, left, done)) in clients.iter_mut().zip(&mut states) {
            if *done || *next >= spoken.load(Ordering::Relaxed) {
                continue;
            }
            let count = client.read(&mut buffer).unwrap();
            assert!(count > 0, "a member that reads was dropped after {next} messages");
            rest.extend_from_slice(&buffer[..count]);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |lf| lf + 1);
            let lines: Vec<u8> = rest.drain(..end).collect();
            for line in std::str::from_utf8(&lines).unwrap().lines() {
                if let Some(said) = line.strip_prefix("speaker: ") {
                    *done = said == "end";
                    assert!(*done || said.split_once(' ').unwrap().0.parse() == Ok(*next), "out of order");
                    assert!(*done || said.len() == next.to_string().len() + 1 + WORDS);
                    *next += 1;
                } else {
                    *left += usize::from(line.starts_with("deaf") && line.ends_with(" has left the chat."));
                    all_left.store(*left == DEAF, Ordering::Relaxed);
                }
            }
            assert!(!*done || *left == DEAF, "only {left} left");
        }
    }
}

const WRITTEN: &str = "[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/board\"]\ntranscript = \"{dir}/chat.log\"\n\
                       [mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n";

/// The lines of a transcript without their times; each must have one.
fn transcript(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.lines().all(logged::is_timed), "{text}");
    logged::untimed_lines(&text).lines().map(str::to_owned).collect()
}

#[test]
fn transcript_has_timed_room_lines_and_nothing_private() {
    use std::os::unix::fs::MetadataExt;
    let daemon = Daemon::with(WRITTEN);
    let file = daemon.directory.path().join("chat.log");
    let mut alice = Client::member(&daemon, "alice");
    let mut bob = Client::member(&daemon, "bob");
    alice.hear("bob has joined the chat!\n");
    alice.say("hi \u{1b}[2Jall\n/me waves\n/msg bob psst\n/who\n/nonsense\n");
    bob.hear("alice: hi [2Jall\n* alice waves\nalice (to you): psst\n");
    std::fs::write(daemon.directory.path().join("board.in"), "build finished\n").unwrap();
    bob.hear("board: build finished\n");
    drop(bob);
    let said = [
        "board has joined the chat!",
        "alice has joined the chat!",
        "bob has joined the chat!",
        "alice: hi [2Jall",
        "* alice waves",
        "board: build finished",
        "bob has left the chat.",
    ];
    let written = |path: &std::path::Path, lines: usize| {
        wait_until("it is written down", || Some(transcript(path)).filter(|text| text.len() == lines))
    };
    assert_eq!(written(&file, said.len()), said);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);

    // Moved away, it goes on in a new one at SIGHUP, and in the old one until then.
    let old = daemon.directory.path().join("chat.log.1");
    std::fs::rename(&file, &old).unwrap();
    alice.say("before\n");
    assert_eq!(written(&old, said.len() + 1).last().unwrap(), "alice: before");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("reloaded: ");
    alice.say("after\n");
    assert_eq!(written(&file, 1), ["alice: after"]);

    // Without it nothing is written any more; with one that cannot be opened nothing changes.
    daemon.write_config(&WRITTEN.replace("/chat.log", "/missing/chat.log"));
    daemon.signal(rustix::process::Signal::HUP);
    let error = daemon.wait_for_log("cannot be written to");
    assert!(
        error.contains("/missing/chat.log: ") && error.contains("choose a file where ipcd may write"),
        "{error}"
    );
    daemon.wait_for_log("reload failed");
    alice.say("still\n");
    assert_eq!(written(&file, 2).last().unwrap(), "alice: still");
    let since = daemon.log().len();
    daemon.write_config(&WRITTEN.replace("transcript", "#transcript"));
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded: ");
    alice.say("unwritten\n");
    alice.say("{quit}\n");
    alice.hear_rest();
    assert_eq!(transcript(&file).len(), 2);
    daemon.stop();
}

#[test]
fn transcript_on_a_full_disk_costs_only_lines() {
    let ground = Ground::new();
    ground.write_config(WRITTEN);
    std::fs::create_dir(ground.directory.path().join("chat.log")).unwrap();
    let said = crate::harness::around::failure(&mut ground.command(), 69);
    assert!(said.contains("/chat.log: cannot be written to: Is a directory"), "{said}");
    std::fs::remove_dir(ground.directory.path().join("chat.log")).unwrap();

    // The largest file that the process may write is the full disk here (setrlimit(2), RLIMIT_FSIZE).
    let mut command = std::process::Command::new("sh");
    let inner = ground.command();
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    let daemon = ground.start(command);
    let file = daemon.directory.path().join("chat.log");
    let mut alice = Client::member(&daemon, "alice");
    for number in 0..40 {
        alice.say(format!("{number:0100}\n"));
        alice.hear(format!("alice: {number:0100}\n"));
    }
    let warning = daemon.wait_for_log("lines of the transcript are lost: ");
    assert!(warning.contains("/chat.log: ") && warning.contains("File too large"), "{warning}");
    let kept = transcript(&file);
    assert!((2..40).contains(&kept.len()), "{kept:?}");
    assert!(kept[2..].iter().all(|line| line.len() == "alice: ".len() + 100), "whole lines: {kept:?}");
    // There is room again.
    std::fs::write(&file, "").unwrap();
    alice.say("room\n");
    let text = wait_until("it goes on", || {
        Some(transcript(&file)).filter(|text| text.last().is_some_and(|line| line == "alice: room"))
    });
    // Two have joined, and 41 things were said; the last of the lost may have found room already.
    let lost = text[0].strip_prefix('(').unwrap().strip_suffix(" lines could not be written here)").unwrap();
    assert_eq!(kept.len() + lost.parse::<usize>().unwrap() + text.len() - 1, 43, "{text:?}");
    daemon.wait_for_log("are lost");
    assert_eq!(daemon.log().iter().filter(|line| line.contains("are lost")).count(), 1);
    daemon.stop();
}
