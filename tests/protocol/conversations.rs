//! One table of dialogues, held with the engine and with a real daemon, over TCP and over the Unix socket: whole, cut at every
//! byte, and byte by byte.

pub mod daemon;
mod hints;
pub mod kinds;
#[path = "../../fuzz/settle.rs"]
mod settle;
mod stage;
pub mod table;
pub mod websocket;

use std::time::{Duration, Instant};

use crate::harness::{CHAT, Client, Daemon, GREETING, MULTIPLY, TIMEOUT, show};
use ipcd::engine::message::{ConnectionId, Transport};
use ipcd::engine::service::Service;
use stage::Stage;
use table::*;

#[test]
fn dialogues_match_at_every_cut() {
    for dialogue in table() {
        let (service, sends) = (dialogue.service, &dialogue.sends[..]);
        let (heard, room) = Stage::hold(service, [sends]);
        dialogue.check(&heard, "whole");
        for cut in 1..sends.len() {
            let (heard, room_now) = Stage::hold(service, [&sends[..cut], &sends[cut..]]);
            dialogue.check(&heard, &format!("cut at {cut}"));
            assert_eq!(show(&room_now), show(&room), "what bob hears: {} cut at {cut}", show(sends));
        }
        let (heard, room_now) = Stage::hold(service, sends.chunks(1));
        dialogue.check(&heard, "byte by byte");
        assert_eq!(show(&room_now), show(&room), "what bob hears: {} byte by byte", show(sends));
    }
}

#[test]
fn fifo_requests_are_answered_at_every_cut_and_never_end() {
    let mut stage = Stage::new();
    let fifo = stage.stand(Service::Multiply, Transport::FIFO);
    let fits = |dialogue: &&Dialogue| dialogue.service == Service::Multiply && !dialogue.foreign;
    for dialogue in table().iter().filter(fits) {
        let sends = [&dialogue.sends, &b"\n"[..]].concat();
        for cut in 0..sends.len().min(200) {
            stage.send(fifo, &sends[..cut]);
            stage.pass(Duration::from_secs(2));
            stage.send(fifo, &sends[cut..]);
            let heard = std::mem::take(&mut stage.heard[fifo.index as usize]);
            dialogue.check(&heard, &format!("on a FIFO, cut at {cut}"));
        }
    }
    assert!(stage.open[fifo.index as usize]);
}

/// Alice's messages in the room and her input, without the request for her name: a FIFO called `alice` has a name already.
fn in_the_room_by_fifo(table: &[Dialogue]) -> Vec<Dialogue> {
    let named = format!("{CAVE}{WELCOME}");
    let of_a_fifo = |dialogue: &Dialogue| {
        let hears = dialogue.hears.strip_prefix(named.as_bytes())?;
        let said = dialogue.sends.strip_prefix(b"alice\n")?;
        let ends = String::from_utf8_lossy(hears).contains("{quit}"); // a FIFO never leaves
        // A FIFO has no commands: a line that begins with a slash is sent unchanged.
        let commands = said.split(|byte| *byte == b'\n').any(|line| line.trim_ascii().starts_with(b"/"));
        let sends = [said, &b"\n"[..]].concat();
        (!ends && !commands).then(|| Dialogue { sends, hears: hears.to_vec(), ..dialogue.clone() })
    };
    let as_it_is = table.iter().find(|dialogue| dialogue.service == Service::Chat).map(|dialogue| Dialogue {
        sends: b"/who\n//x\n/me waves\n".to_vec(),
        hears: b"alice: /who\nalice: //x\nalice: /me waves\n".to_vec(),
        ..dialogue.clone()
    });
    let chats = table.iter().filter(|dialogue| dialogue.service == Service::Chat);
    chats.filter_map(of_a_fifo).chain(as_it_is).collect()
}

#[test]
fn room_lines_from_a_fifo_are_heard_at_every_cut() {
    let mut stage = Stage::new();
    for name in MEMBERS {
        let member = stage.connect(Service::Chat);
        stage.send(member, format!("{name}\n").as_bytes());
    }
    let fifo = stage.stand(Service::Chat, Transport::FIFO);
    stage.heard[fifo.index as usize].clear();
    let dialogues = in_the_room_by_fifo(&table());
    assert!(dialogues.len() > 5, "{}", dialogues.len());
    for dialogue in dialogues {
        for cut in 0..dialogue.sends.len().min(200) {
            stage.send(fifo, &dialogue.sends[..cut]);
            stage.pass(Duration::from_secs(2));
            stage.send(fifo, &dialogue.sends[cut..]);
            let heard = std::mem::take(&mut stage.heard[fifo.index as usize]);
            dialogue.check(&heard, &format!("in the room through a FIFO, cut at {cut}"));
        }
    }
    assert!(stage.open[fifo.index as usize]);
}

/// Sends lines as messages; returns the replies as lines.
fn in_messages(stage: &mut Stage, queues: ConnectionId, sends: &[u8]) -> Vec<u8> {
    let index = queues.index as usize;
    stage.sent[index].clear();
    for line in sends.split_inclusive(|byte| *byte == b'\n') {
        stage.send(queues, line.strip_suffix(b"\n").unwrap_or(line));
    }
    stage.pass(Duration::from_secs(2));
    stage.sent[index].iter().flat_map(|message| [message, &b"\n"[..]].concat()).collect()
}

#[test]
fn queue_requests_are_answered_one_by_one_and_never_end() {
    let mut stage = Stage::new();
    let queues = stage.stand(Service::Multiply, Transport::MQ);
    let fits = |dialogue: &&Dialogue| dialogue.service == Service::Multiply && !dialogue.foreign;
    let mut count = 0;
    for dialogue in table().iter().filter(fits) {
        let heard = in_messages(&mut stage, queues, &dialogue.sends);
        dialogue.check(&heard, "in a message queue");
        count += 1;
    }
    assert!(count > 100 && stage.open[queues.index as usize], "{count}");
}

#[test]
fn room_messages_from_a_queue_or_buffer_are_heard() {
    for transport in [Transport::MQ, Transport::BUFFER] {
        let mut stage = Stage::new();
        for name in MEMBERS {
            let member = stage.connect(Service::Chat);
            stage.send(member, format!("{name}\n").as_bytes());
        }
        let queues = stage.stand(Service::Chat, transport);
        for dialogue in in_the_room_by_fifo(&table()) {
            let heard = in_messages(&mut stage, queues, &dialogue.sends);
            dialogue.check(&heard, &format!("in the room through {transport:?}"));
        }
        assert!(stage.open[queues.index as usize]);
    }
}

#[test]
fn service_behind_the_mux_matches_its_own_endpoint() {
    for dialogue in table().iter().filter(|dialogue| !dialogue.foreign && dialogue.service != Service::Mux) {
        let sends = [format!("{}\n", dialogue.service).as_bytes(), &dialogue.sends].concat();
        for cut in 0..sends.len().min(200) {
            let (heard, _) = Stage::hold(Service::Mux, [&sends[..cut], &sends[cut..]]);
            dialogue.check(&heard, &format!("through the mux, cut at {cut}"));
        }
        if dialogue.service == Service::Multiply {
            for cut in 0..dialogue.sends.len().min(200) {
                let (heard, _) = Stage::hold(Service::Mux, [&dialogue.sends[..cut], &dialogue.sends[cut..]]);
                dialogue.check(&heard, &format!("as the default, cut at {cut}"));
            }
        }
    }
}

// ---- with a real daemon

#[test]
fn line_of_10_mb_gets_an_error_and_its_neighbours_answers() {
    let daemon = Daemon::usual();
    for mut client in [daemon.tcp(MULTIPLY), daemon.unix()] {
        client.say("5 10\n");
        for _ in 0..10 {
            client.say([b'x'; 1 << 20]);
        }
        client.say("\n3 4\n");
        client.hear(format!("Data received\n50.0\n{TOO_LONG}Data received\n12.0\n"));
        client.half_close();
        client.hear_end();
    }
    daemon.stop();
}

#[test]
fn classroom_client_gets_two_messages_in_two_recvs_200_times() {
    let daemon = Daemon::usual();
    let (mut times, begun) = (0, Instant::now());
    while times < 200 {
        assert!(begun.elapsed() < 2 * TIMEOUT, "only {times} in time");
        let mut client = daemon.tcp(MULTIPLY);
        let start = Instant::now();
        client.say("5 10");
        let first = client.recv();
        // This applies to a client that calls recv() within the gap. This process may have been too late.
        if start.elapsed() < Duration::from_millis(20) {
            assert_eq!(first, b"Data received");
            assert_eq!(client.recv(), b"50.0");
            times += 1;
        }
    }
    daemon.stop();
}

#[test]
fn multiply_greeting_and_chat_work_by_line() {
    let daemon = Daemon::usual();
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    client.half_close();
    client.hear_end();

    let mut greeted = daemon.tcp(GREETING);
    greeted.hear("Message received. Thank you for connecting\r\n");
    greeted.hear_end();

    let mut alice = Client::member(&daemon, "alice");
    let mut bob = Client::member(&daemon, "bob");
    alice.hear("bob has joined the chat!\n");
    bob.say("hi\n");
    alice.hear("bob: hi\n");
    bob.hear("bob: hi\n");
    bob.say("{quit}\n");
    bob.hear("{quit}\n");
    bob.hear_end();
    alice.hear("bob has left the chat.\n");

    let mut raw = daemon.tcp(CHAT);
    raw.say("carol");
    raw.hear("Greetings from the cave! Now type your name and press enter!\n");
    raw.hear("Welcome carol! If you ever want to quit, type {quit} to exit.");
    alice.hear("carol has joined the chat!\n");
    raw.say("{quit}");
    raw.hear("carol: {quit}".strip_prefix("carol: ").unwrap());
    raw.hear_reset();
    daemon.stop();
}
