//! The room with members that stop, die, or send what no terminal should receive.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use super::fixture::{Chance, Fixture, effort, step_back};
use crate::harness::{BESIDE, CHAT, Client, Daemon, MULTIPLY, TALK, USUAL, is_sanitized, wait_until};
use rustix::process::{Pid, Signal, kill_process};

/// Members that are processes of their own, to be stopped or killed like real ones.
struct Crowd(Vec<Child>);

impl Crowd {
    fn join(daemon: &Daemon, count: usize) -> Crowd {
        let to = format!("unix://{}", daemon.socket().display());
        let member = |number| {
            let mut ipcctl = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
            ipcctl.args(["--to", &to, "chat", "--name", &format!("p{number}")]);
            ipcctl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        Crowd((0..count).map(member).collect())
    }

    fn signal(&self, signal: Signal) {
        for child in &self.0 {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The speaker is at most this far ahead of the slowest member that reads: half of what a member may be behind, so that none is too
/// slow, however little processor time it gets.
const AHEAD: usize = 32;

/// A member's input up to the last message: checks that the speaker's messages are in order, and counts how often each other member
/// left.
fn hear_to_the_end(client: &mut Client, progress: &AtomicUsize) -> (usize, HashMap<String, usize>) {
    let (mut next, mut left) = (0, HashMap::new());
    loop {
        let line = client.hear_line();
        if line == "speaker: end" {
            return (next, left);
        }
        if let Some(said) = line.strip_prefix("speaker: ") {
            let number = said.split(' ').next().unwrap();
            assert_eq!(number.parse(), Ok(next), "nothing is lost, and the order is kept");
            next += 1;
            progress.store(next, Ordering::Relaxed);
        } else if let Some(name) = line.strip_suffix(" has left the chat.") {
            *left.entry(name.to_owned()).or_default() += 1;
        }
    }
}

/// Members dropped as too slow, as the daemon counts them.
fn too_slow(daemon: &Daemon) -> u64 {
    let mut client = daemon.unix();
    client.say("status\n");
    let report: serde_json::Value = serde_json::from_str(&client.hear_line()).unwrap();
    let services = report["services"].as_array().unwrap();
    services.iter().find(|service| service["service"] == "chat").unwrap()["too_slow"].as_u64().unwrap()
}

/// Waits until this many members are in the room, including the speaker.
fn wait_for_members(speaker: &mut Client, count: usize) {
    wait_until("everybody is in", || {
        speaker.say("/who\n");
        speaker.hear_line().ends_with(&format!("({count})")).then_some(())
    });
}

/// Asserts that each of the crowd has left exactly once.
fn assert_each_left_once(left: &HashMap<String, usize>, count: usize) {
    let all_once = (0..count).all(|number| left.get(&format!("p{number}")) == Some(&1));
    assert!(all_once && left.len() == count, "each has left once: {left:?}");
}

/// The wait that only one in a hundred exceeds.
fn p99(mut waits: Vec<Duration>) -> Duration {
    waits.sort();
    waits[waits.len() * 99 / 100]
}

/// The speaker sends its `nth` line and waits for it to come back; returns how many members left before it.
fn say_and_hear(speaker: &mut Client, nth: usize, waits: &mut Vec<Duration>) -> usize {
    let text = format!("{nth} {}", "z".repeat(1000));
    let asked = Instant::now();
    speaker.say(format!("{text}\n"));
    let mut left = 0;
    loop {
        let line = speaker.hear_line();
        if line.strip_prefix("speaker: ") == Some(&text) {
            waits.push(asked.elapsed());
            return left;
        }
        left += usize::from(line.ends_with(" has left the chat."));
    }
}

/// Sends `signal` to half of twice `count` members during a conversation.
fn half_of_the_room(count: usize, signal: Signal) {
    let fixture = Fixture::with(&USUAL.replace("[chat]", "[chat]\nbacklog = \"64KiB\""));
    let crowd = Crowd::join(&fixture, count);
    let mut members: Vec<Client> =
        (0..count).map(|number| Client::member(&fixture, &format!("m{number}"))).collect();
    let mut speaker = Client::member(&fixture, "speaker");
    wait_for_members(&mut speaker, 2 * count + 1);
    let before = fixture.own_bytes();
    let over = AtomicBool::new(false);
    let heard_up_to: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let (mut waits, mut said, mut grown) = ([Vec::new(), Vec::new()], 0, 0);
    let heard: Vec<_> = std::thread::scope(|scope| {
        let over = &over;
        let hearing = members.iter_mut().zip(&heard_up_to).map(|(member, progress)| {
            let hear = move || {
                step_back();
                let heard = hear_to_the_end(member, progress);
                assert!(over.load(Ordering::Relaxed));
                heard
            };
            Builder::new().stack_size(256 * 1024).spawn_scoped(scope, hear).unwrap()
        });
        let hearing: Vec<_> = hearing.collect();
        let mut left = 0;
        let mut say = |speaker: &mut Client, waits: &mut Vec<Duration>| {
            left += say_and_hear(speaker, said, waits);
            said += 1;
            let is_near = |heard: &AtomicUsize| said <= heard.load(Ordering::Relaxed) + AHEAD;
            wait_until("those who read keep up", || heard_up_to.iter().all(is_near).then_some(()));
            grown = grown.max(fixture.own_bytes().saturating_sub(before));
            // This is the speed of the speaker: a conversation, not a flood.
            sleep(Duration::from_millis(4));
            left
        };
        for _ in 0..200 {
            say(&mut speaker, &mut waits[0]);
        }
        crowd.signal(signal);
        let mut rest = 200;
        while rest > 0 {
            // They leave when they are too far behind, or at once. Then the conversation goes on for a while.
            rest -= usize::from(say(&mut speaker, &mut waits[1]) >= count);
            assert!(waits[1].len() < 20_000, "they never leave");
        }
        over.store(true, Ordering::Relaxed);
        speaker.say("end\n");
        hearing.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    heard.iter().for_each(|(messages, left)| {
        assert_eq!(*messages, said);
        assert_each_left_once(left, count);
    });
    // One log for all and, for each member that is too slow, the rest of a line and its last message.
    let bound = (8 << 20) + count * 16 * 1024;
    assert!(grown < bound || is_sanitized(), "{grown} bytes more");
    let [before, after] = waits.map(p99);
    let dropped = too_slow(&fixture);
    assert!(signal == Signal::KILL || dropped == count as u64, "{dropped} dropped with the right word");
    drop((crowd, members, speaker));
    fixture.end(&format!(
        "{count} of {} members {signal:?}: an echo's p99 {before:.0?} before, {after:.0?} after; {} KiB more; {dropped} dropped as too slow",
        2 * count,
        grown / 1024,
    ));
}

#[test]
fn stopped_members_are_dropped_and_the_others_hear_everything() {
    half_of_the_room(effort(40, 500), Signal::STOP);
}

#[test]
fn killing_half_the_members_mid_broadcast_costs_the_others_nothing() {
    half_of_the_room(effort(40, 500), Signal::KILL);
}

/// Control sequences, invisible characters, characters that reverse text, and forged lines.
pub(super) const CORPUS: &[&str] = &[
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]52;c;aGVsbG8=\u{1b}\\",
    "\u{1b}P$q\"p\u{1b}\\",
    "\u{1b}[6n",
    "\u{9b}31m",
    "\u{9d}0;title\u{9c}",
    "\u{85}next line",
    "a\u{8}\u{8}b",
    "x\ry",
    "x\u{b}y\u{c}z",
    "bell\u{7}",
    "nul\0nul",
    "del\u{7f}",
    "line\u{2028}separator",
    "paragraph\u{2029}separator",
    "\u{202e}desrever",
    "\u{202a}\u{202b}\u{202c}\u{202d}embedded",
    "\u{2066}\u{2067}\u{2068}\u{2069}isolated",
    "zero\u{200b}width\u{200c}and\u{200d}joined",
    "\u{feff}mark",
    "soft\u{ad}hyphen",
    "\u{3164}",
    "\u{115f}\u{1160}\u{17b4}\u{180e}",
    "admin\u{200b}",
    "\u{ff41}dmin",
    "ADMIN",
    "a\u{300}\u{301}\u{302}\u{303}",
    "\u{e0001}\u{e0041}tag",
    "info: stopped",
    "\u{fff9}annotated\u{fffa}text\u{fffb}",
    "\u{d7ff}\u{e000}\u{10ffff}",
];

/// Whether a terminal, or a reader of lines, takes it for anything other than a displayed character.
fn is_dangerous(character: char) -> bool {
    let is_bidi = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\t') || is_bidi || matches!(character, '\u{2028}' | '\u{2029}')
}

#[track_caller]
fn harmless(what: &str, text: &str) {
    let found: Vec<char> = text.chars().filter(|character| is_dangerous(*character)).collect();
    assert!(found.is_empty(), "{found:?} reached {what}: {text:?}");
}

#[test]
fn said_control_characters_reach_no_terminal_and_no_log() {
    let test_dir = crate::harness::TestDir::new();
    test_dir.write_config(&format!("{USUAL}{BESIDE}"));
    let mut command = test_dir.command();
    command.args(["--log-level", "debug"]); // every message is logged
    let fixture = Fixture::on(test_dir.start(command)).expect_in_log("debug: ");
    let mut ear = Client::member(&fixture, "ear");
    let mut chance = Chance::new(3);
    let mut said: Vec<Vec<u8>> = CORPUS.iter().map(|text| text.as_bytes().to_vec()).collect();
    for byte in 0x80..=0x9f {
        said.push(vec![b'x', byte, b'm']); // C1 as one byte, which is not UTF-8
    }
    for _ in 0..effort(300, 20_000) {
        let pieces = (0..1 + chance.below(4)).map(|_| chance.pick(CORPUS)).collect::<String>();
        let mut bytes = pieces.into_bytes();
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
        bytes.retain(|byte| *byte != b'\n');
        said.push(bytes);
    }
    let mut mouth = Client::member(&fixture, "mouth");
    let mut count = 0;
    for bytes in &said {
        count += 1;
        // As a name, a message, a request, in talk, and where no message is expected.
        if count % 16 == 0 {
            // A client whose first message has a NUL ends all messages with NUL.
            let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
            let mut named = fixture.tcp(CHAT);
            named.say([&bytes[..], &b"\n{quit}\n"[..]].concat());
            harmless("who was refused", &String::from_utf8_lossy(&named.hear_rest()).replace('\n', ""));
            let (mut one, mut other) = (fixture.tcp(TALK), fixture.tcp(TALK));
            one.say([&bytes[..], &b"\nbye\n"[..]].concat());
            other.say("hello\n");
            harmless("a talker", &String::from_utf8_lossy(&other.hear_rest()).replace('\n', ""));
            let mut asking = fixture.tcp(MULTIPLY);
            asking.say([b"7 ", &bytes[..], b"\n"].concat());
            asking.half_close();
            harmless("who asked", &String::from_utf8_lossy(&asking.hear_rest()).replace('\n', ""));
        }
        mouth.say([bytes, &b"\n"[..]].concat());
        mouth.say(format!("/me {count}\n"));
        loop {
            let line = ear.hear_line();
            harmless("a member", &line);
            if line == format!("* mouth {count}") {
                break;
            }
        }
        while mouth.hear_line() != format!("* mouth {count}") {}
    }
    for line in fixture.log() {
        harmless("the log", &line);
    }
    drop((ear, mouth));
    fixture.end(&format!("{} words of the corpus and their mutants", said.len()));
}
