//! Two clients that come one after the other talk to each other, until one says bye or leaves.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::late::{SECOND, in_time};
use crate::harness::manager::Manager;
use crate::harness::{BESIDE, Client, Daemon, HELLO, Stream, TALK, TestDir, USUAL, wait_until};
use ipcd::host::fd_bundle;
use rustix::process::Signal;

fn daemon() -> Daemon {
    Daemon::talkative(&format!("{USUAL}{BESIDE}"))
}

/// A client whose connection the daemon has accepted.
fn come(daemon: &Daemon) -> Client {
    let since = daemon.log().len();
    let client = daemon.tcp(TALK);
    daemon.wait_for_log_since(since, &format!(":{TALK}: "));
    client
}

fn pair(daemon: &Daemon) -> (Client, Client) {
    (come(daemon), come(daemon))
}

fn say_and_hear(from: &mut Client, to: &mut Client, words: &str) {
    from.say(format!("{words}\n"));
    to.hear(format!("{words}\n"));
}

#[test]
fn pairs_form_in_arrival_order() {
    let daemon = daemon();
    let mut talkers: Vec<Client> = (0..6).map(|_| come(&daemon)).collect();
    for (index, two) in talkers.chunks_mut(2).enumerate() {
        let [one, other] = two else { unreachable!() };
        say_and_hear(one, other, &format!("I am number {index}"));
        say_and_hear(other, one, &format!("and I the other of pair {index}"));
    }
    daemon.stop();
}

#[test]
fn one_who_left_before_the_next_came_is_no_partner_after_a_pause() {
    let daemon = daemon();
    let mut gone = come(&daemon);
    // The turn that took it in has ended once another one answers.
    let mut other = daemon.tcp(HELLO);
    other.say("anybody\n");
    other.hear_line();
    daemon.freeze();
    gone.half_close(); // a child of another test may have a copy until execve(2), so a close alone may end nothing
    drop(gone);
    let mut first = daemon.tcp(TALK);
    daemon.thaw();
    let mut second = come(&daemon);
    say_and_hear(&mut first, &mut second, "is anybody there?");
    say_and_hear(&mut second, &mut first, "yes");
    daemon.stop();
}

#[test]
fn first_partners_words_are_kept_and_heard_once() {
    let daemon = daemon();
    let mut first = come(&daemon);
    first.say("one\ntwo\x07\u{202e}\n\n \nthree\n");
    daemon.wait_for_log("connected");
    let mut second = daemon.tcp(TALK);
    second.hear("one\ntwo\nthree\n");
    say_and_hear(&mut first, &mut second, "four");
    say_and_hear(&mut second, &mut first, "five");
    daemon.stop();
}

#[test]
fn bye_in_the_first_burst_still_hears_the_kept_words() {
    let daemon = daemon();
    let mut first = come(&daemon);
    first.say("one\ntwo\n");
    daemon.wait_for_log("is a line client");
    let mut second = daemon.unix();
    second.say("talk\nhi\nbye\n");
    second.hear("one\ntwo\n");
    second.hear_end();
    first.hear("hi\nbye\n");
    first.hear_end();
    daemon.stop();
}

#[test]
fn raw_messages_stay_separate_while_kept() {
    let daemon = daemon();
    let mut first = come(&daemon);
    first.say("one");
    daemon.wait_for_log("is a raw client");
    for message in ["two", "three"] {
        let received = daemon.log().len();
        first.say(message);
        // A reply on another connection shows that this one was read.
        let mut probe = daemon.tcp(HELLO);
        probe.say("hi\n");
        daemon.wait_for_log_since(received, "message 'hi'");
    }
    let mut second = daemon.tcp(TALK);
    second.hear("one\ntwo\nthree\n");
    second.say("hi\n");
    assert_eq!(first.recv(), b"hi", "a raw client's messages end with nothing");
    daemon.stop();
}

#[test]
fn bye_in_any_case_is_relayed_and_ends_both() {
    let daemon = daemon();
    for bye in ["bye", "Bye", "  BYE "] {
        let (mut one, mut other) = pair(&daemon);
        say_and_hear(&mut one, &mut other, "goodbye");
        other.say(format!("{bye}\nnot heard\n"));
        one.hear(format!("{bye}\n"));
        one.hear_end();
        other.hear_end();
    }
    daemon.stop();
}

#[test]
fn end_of_file_ends_both_after_earlier_words_arrive() {
    let daemon = daemon();
    let (mut one, mut other) = pair(&daemon);
    one.say("last words");
    one.half_close();
    other.hear("last words\n");
    other.hear_end();
    one.hear_end();
    daemon.wait_for_log("closed: its partner left");
    daemon.stop();
}

#[test]
fn reset_ends_both() {
    let daemon = daemon();
    let (one, mut other) = pair(&daemon);
    let Stream::Tcp(stream) = &one.stream else { unreachable!() };
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(one);
    other.hear_end();
    daemon.wait_for_log("closed: reset by the peer");
    daemon.stop();
}

#[test]
fn first_partner_that_leaves_early_leaves_nothing_behind() {
    let daemon = daemon();
    let mut early = come(&daemon);
    early.say("nobody hears this\n");
    early.half_close();
    early.hear_end();
    drop(early);
    daemon.wait_for_log("closed by the peer");
    let (mut one, mut other) = pair(&daemon);
    say_and_hear(&mut one, &mut other, "hi");
    say_and_hear(&mut other, &mut one, "ho");
    daemon.stop();
}

#[test]
fn raw_partner_is_closed_by_a_reset_as_in_chat() {
    let daemon = daemon();
    let (mut raw, mut line) = pair(&daemon);
    raw.say("hi");
    line.hear("hi\n");
    line.say("bye\n");
    assert_eq!(raw.recv(), b"bye");
    raw.hear_reset();
    line.hear_end();
    daemon.stop();
}

#[test]
fn unread_partner_is_not_read_from_and_loses_nothing() {
    let daemon = daemon();
    let (mut one, mut other) = pair(&daemon);
    let line = format!("{}\n", "x".repeat(4095));
    let (written, count) = (Arc::new(AtomicUsize::new(0)), 16 * 1024);
    let writer = std::thread::spawn({
        let (written, line) = (Arc::clone(&written), line.clone());
        move || {
            for _ in 0..count {
                one.say(&line);
                written.fetch_add(1, Ordering::Relaxed);
            }
            one.half_close();
            one
        }
    });
    // When nothing was accepted for a while, the kernel's buffers at both ends are full.
    let (mut before, mut unchanged) = (0, 0);
    wait_until("a writer that is held back", || {
        let now = written.load(Ordering::Relaxed);
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before = now;
        (now > 0 && unchanged > 100).then_some(())
    });
    assert!(written.load(Ordering::Relaxed) < count, "64 MiB were taken that nobody reads");
    assert!(daemon.own_bytes() < 32 << 20, "{} bytes", daemon.own_bytes());
    let mut probe = daemon.tcp(HELLO);
    probe.say("hi\n");
    probe.hear("Hello from server\n");
    let heard = other.hear_rest();
    assert_eq!(heard.len(), count * line.len());
    assert!(heard.chunks(line.len()).all(|piece| piece == line.as_bytes()));
    drop(writer.join().unwrap());
    daemon.stop();
}

#[test]
fn mux_talk_is_the_same_talk() {
    let daemon = daemon();
    let mut one = daemon.unix();
    one.say("talk\nfrom the socket\n");
    let mut other = daemon.tcp(TALK);
    other.hear("from the socket\n");
    say_and_hear(&mut other, &mut one, "from the network");
    daemon.stop();
}

#[test]
fn waiting_for_a_partner_times_out_but_a_silent_pair_does_not() {
    let daemon = Daemon::talkative(&format!("[limits]\nidle_timeout = \"3s\"\n{USUAL}{BESIDE}"));
    let (mut one, mut other) = in_time(|| {
        let begun = Instant::now();
        let two = pair(&daemon);
        (begun.elapsed() < 3 * SECOND).then_some(two)
    });
    let mut alone = come(&daemon);
    alone.hear("Error: idle for 3 s\n");
    say_and_hear(&mut one, &mut other, "still here");
    daemon.stop();
}

#[test]
fn third_client_is_refused_where_two_fit() {
    let config = format!("{USUAL}{BESIDE}").replace("[talk]\n", "[talk]\nmax_connections = 2\n");
    let daemon = Daemon::talkative(&config);
    let (mut one, mut other) = pair(&daemon);
    let mut third = daemon.tcp(TALK);
    third.hear("Error: too many connections, try again later\n");
    third.hear_end();
    say_and_hear(&mut one, &mut other, "hi");
    daemon.stop();
}

#[test]
fn stop_delivers_earlier_words_and_notifies_both() {
    let daemon = daemon();
    let (mut one, mut other) = pair(&daemon);
    let mut alone = come(&daemon);
    one.say("hi\n");
    daemon.signal(Signal::TERM);
    other.hear("hi\nServer is shutting down.\n");
    one.hear("Server is shutting down.\n");
    alone.hear("Server is shutting down.\n");
    daemon.wait_for_log("stopped");
}

#[test]
fn talk_survives_a_restart_and_a_lost_partner_is_reported() {
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{USUAL}{BESIDE}"));
    let manager = Manager::new(&test_dir);
    let mut before = test_dir.start_with(&manager, Vec::new());
    let (mut one, mut other) = (before.tcp(TALK), before.tcp(TALK));
    say_and_hear(&mut one, &mut other, "before");
    let mut alone = before.tcp(TALK);
    alone.say("kept\n");
    let mut hello = before.tcp(HELLO);
    hello.say("hi\n");
    hello.hear("Hello from server\n"); // the daemon has now read everything before this
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    let test_dir = TestDir {
        directory: std::mem::replace(&mut before.directory, tempfile::tempdir().unwrap()),
        ip: before.ip,
    };
    let after = test_dir.start_with(&manager, manager.take_stored());
    say_and_hear(&mut one, &mut other, "after");
    say_and_hear(&mut other, &mut one, "and back");
    let mut late = after.tcp(TALK);
    late.hear("kept\n");
    say_and_hear(&mut late, &mut alone, "hi");

    // Once more; one of the four connections is not carried over.
    let mut after = after;
    let mut control = after.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(after.wait().success());
    let Stream::Tcp(stream) = &other.stream else { unreachable!() };
    let lost = stream.local_addr().unwrap();
    let is_lost = |link: &OwnedFd| {
        let peer = socket2::SockRef::from(link).peer_addr().ok().and_then(|address| address.as_socket());
        peer == Some(lost)
    };
    let mut stored = manager.take_stored();
    for (_, fd) in stored.iter_mut().filter(|(name, _)| name == "ipcd-connections") {
        let mut links = fd_bundle::unpack(&*fd).unwrap();
        links.retain(|link| !is_lost(link));
        let links: Vec<_> = links.iter().map(AsFd::as_fd).collect();
        *fd = fd_bundle::pack(&links).unwrap().remove(0);
    }
    let test_dir = TestDir {
        directory: std::mem::replace(&mut after.directory, tempfile::tempdir().unwrap()),
        ip: after.ip,
    };
    let last = test_dir.start_with(&manager, stored);
    one.hear_end();
    say_and_hear(&mut late, &mut alone, "still here");
    last.stop();
}

#[test]
fn default_talk_on_the_mux_keeps_first_words_of_every_kind() {
    let text = USUAL.replace("[mux]\n", "[mux]\ndefault = \"talk\"\n");
    let daemon = Daemon::talkative(&text);
    let kinds: [&[u8]; 5] = [
        b"one\ntwo\n",
        b"one\0two\0",
        b"one\r\ntwo\r\n",
        b"\0\x03one\0\x03two", // lengths
        b"one",
    ];
    for (number, says) in kinds.into_iter().enumerate() {
        let since = daemon.log().len();
        let mut first = daemon.unix();
        first.say(says);
        daemon.wait_for_log_since(since, "chose talk");
        let mut second = daemon.unix();
        second.say("and I\n");
        second.hear("one\n");
        if says.len() > 3 {
            second.hear("two\n");
        }
        second.say("three\nbye\n");
        let heard = String::from_utf8_lossy(&first.hear_rest()).into_owned();
        let (hears, then) = (heard.find("and I"), heard.find("three"));
        assert!(hears < then && hears.is_some(), "{number}: {heard:?}");
        assert_eq!(heard.matches("and I").count(), 1, "{number}: {heard:?}");
    }
    let status = daemon.stop();
    assert!(!status.iter().any(|line| line.contains("panicked")), "{status:?}");
}
