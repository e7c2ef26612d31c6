use std::rc::Rc;

use super::super::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Transport};
use super::super::service::Service;
use super::*;
use crate::engine::Engine;
use crate::engine::limits::Settings;
use crate::engine::message::Timestamp;

const NOW: Timestamp = Timestamp::at(0);

/// A letter that becomes 18 when it is compared.
const NASTY: char = '\u{fdfa}';

/// Clients, and what each has heard in this turn.
struct Stage {
    engine: Engine,
    heard: Vec<String>,
    ended: Vec<bool>,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(Settings::default())
    }

    fn with(settings: Settings) -> Stage {
        Stage { engine: Engine::new(settings), heard: Vec::new(), ended: Vec::new() }
    }

    fn connect(&mut self, service: Service) -> ConnectionId {
        let peer = ConnectionId { index: self.heard.len() as u32, generation: 1 };
        let endpoint = "unix:///x".to_owned();
        let binding = Rc::new(Binding { endpoint, service, transport: Transport::UNIX, allowed: None });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        self.engine.handle(NOW, Input::Opened { peer, binding: &binding, remote });
        self.heard.push(String::new());
        self.ended.push(false);
        peer
    }

    fn say(&mut self, peer: ConnectionId, text: &str) {
        self.engine.handle(NOW, Input::Bytes { peer, bytes: text.as_bytes(), more: false });
    }

    /// Ends the turn, and begins the next one. Returns what each client has heard.
    fn turn(&mut self) -> Vec<String> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Flush(peer) => {
                    while !self.engine.outgoing(peer).is_empty() {
                        let bytes = self.engine.outgoing(peer).slices().concat();
                        self.engine.handle(NOW, Input::Sent { peer, bytes: bytes.len() });
                        self.heard[peer.index as usize] += std::str::from_utf8(&bytes).unwrap();
                    }
                }
                Output::ShutdownWrite(peer) | Output::Close(peer) => self.ended[peer.index as usize] = true,
                _ => {}
            }
            while self.engine.poll_event().is_some() {}
        }
        self.engine.handle(NOW, Input::Tick);
        self.heard.iter_mut().map(std::mem::take).collect()
    }

    /// What each client hears in each turn, until there is nothing left to do.
    fn play(&mut self) -> Vec<Vec<String>> {
        let mut turns = Vec::new();
        while self.engine.has_work() {
            turns.push(self.turn());
            assert!(turns.len() < 10_000, "it has no end");
        }
        turns
    }
}

/// Names in a turn that take as long as any, with the one that exceeds what is left.
fn names_in_a_turn() -> usize {
    let mut effort = Effort::default();
    let name = NASTY.to_string().repeat(32);
    (0..)
        .find(|_| {
            let is_over = effort.is_over();
            effort.count_name(name.as_bytes());
            is_over
        })
        .unwrap()
}

#[test]
fn names_that_cost_most_wait_for_other_turns_and_keep_their_order() {
    let mut stage = Stage::new();
    let (first, second) = (stage.connect(Service::Chat), stage.connect(Service::Chat));
    let asker = stage.connect(Service::Multiply);
    let nasty = NASTY.to_string().repeat(31);
    stage.say(first, &format!("{nasty}1\n"));
    stage.play();
    // Each answer quotes the name, so that it shows which one it is for.
    let names: Vec<String> = (0..100).map(|nth| format!("{nasty}{NASTY}{nth}")).collect();
    stage.say(second, &format!("{nasty}1\n").repeat(50));
    stage.say(second, "");
    assert!(!stage.engine.is_reading(second), "the rest waits");
    stage.say(asker, "5 10\n");
    let turns = stage.play();
    assert_eq!(turns[0][asker.index as usize], "Data received\n50.0\n", "nobody waits for the names");
    let answers = |turn: &Vec<String>| turn[second.index as usize].lines().count();
    let most = names_in_a_turn();
    assert!((5..20).contains(&most), "{most}");
    assert!(turns.iter().all(|turn| answers(turn) <= most));
    let heard: String = turns.iter().map(|turn| turn[second.index as usize].as_str()).collect();
    assert_eq!(heard.lines().filter(|line| line.ends_with("is taken; choose another")).count(), 50);
    // Those that are too long cost as much, and what came behind them stays behind.
    stage.say(second, &(names.join("\n") + "\nbob\nhi\n"));
    let turns = stage.play();
    assert!(turns.len() > 5, "{}", turns.len());
    let heard: String = turns.iter().map(|turn| turn[second.index as usize].as_str()).collect();
    let (refused, rest) = heard.split_at(heard.find("Welcome bob!").expect("a member"));
    assert_eq!(refused.lines().count(), 100);
    assert!(rest.ends_with("bob: hi\n"), "{rest}");
}

#[test]
fn clients_with_costly_names_share_the_turns_in_their_order() {
    let mut stage = Stage::new();
    let all: Vec<ConnectionId> = (0..200).map(|_| stage.connect(Service::Chat)).collect();
    let name = format!("{}\n", NASTY.to_string().repeat(32));
    all.iter().for_each(|peer| stage.say(*peer, &name));
    let mut answered = Vec::new();
    for turn in stage.play() {
        let now: Vec<usize> = (0..all.len())
            .filter(|at| turn[*at].contains("Welcome") || turn[*at].contains("taken"))
            .collect();
        assert!(now.len() <= names_in_a_turn(), "{}", now.len());
        answered.extend(now);
    }
    assert_eq!(answered, (0..200).collect::<Vec<_>>());
}

#[test]
fn burst_of_wrong_requests_is_answered_in_order_over_several_turns() {
    let mut stage = Stage::new();
    let (wrong, other) = (stage.connect(Service::Multiply), stage.connect(Service::Multiply));
    let requests: String = (0..2000).map(|nth| format!("x{nth} 1\n")).collect();
    stage.say(wrong, &requests);
    stage.say(other, "y 1\n5 10\n");
    let turns = stage.play();
    let theirs = &turns[0][other.index as usize];
    assert!(theirs.contains("'y'"), "one of another client is answered at once: {theirs}");
    let numbers = |text: &str| -> Vec<usize> {
        text.split('\'').filter_map(|part| part.strip_prefix('x')?.parse().ok()).collect()
    };
    let answered: Vec<Vec<usize>> = turns.iter().map(|turn| numbers(&turn[wrong.index as usize])).collect();
    assert!(answered.iter().all(|turn| turn.len() <= EFFORT_PER_TURN));
    assert_eq!(answered.concat(), (0..2000).collect::<Vec<_>>());
    assert!(turns.iter().any(|turn| turn[other.index as usize].ends_with("50.0\n")));
}

#[test]
fn stream_that_ends_behind_a_costly_burst_is_answered_to_its_end() {
    let mut stage = Stage::new();
    let peer = stage.connect(Service::Multiply);
    stage.say(peer, &"x\n".repeat(1500));
    stage.say(peer, "5 1");
    stage.engine.handle(NOW, Input::EndOfFile { peer });
    let heard: String = stage.play().into_iter().flatten().collect();
    assert_eq!(heard.matches("Error").count(), 1500);
    assert!(heard.ends_with("5.0\n"), "{}", &heard[heard.len() - 80..]);
    assert!(stage.ended[0]);
}

#[test]
fn private_messages_to_costly_names_give_way_too() {
    let mut stage = Stage::new();
    let (member, asker) = (stage.connect(Service::Chat), stage.connect(Service::Multiply));
    stage.say(member, "ann\n");
    stage.play();
    let line = format!("/msg {}\n", NASTY.to_string().repeat(150));
    stage.say(member, &line.repeat(30));
    stage.say(asker, "5 10\n");
    let turns = stage.play();
    assert_eq!(turns[0][asker.index as usize], "Data received\n50.0\n");
    let answers: Vec<usize> =
        turns.iter().map(|turn| turn[member.index as usize].matches("Error: nobody").count()).collect();
    assert!(answers.iter().all(|count| *count <= 5), "{answers:?}");
    assert_eq!(answers.iter().sum::<usize>(), 30);
}

#[test]
fn list_of_many_machines_is_sent_over_several_turns_and_whole() {
    const MACHINES: usize = 3000;
    let mut stage = Stage::with(Settings { machines_max: MACHINES, ..Settings::default() });
    let (reporter, reader) = (stage.connect(Service::Stats), stage.connect(Service::Stats));
    let asker = stage.connect(Service::Multiply);
    let reports: Vec<String> = (0..MACHINES).map(|nth| format!("{{\"host\":\"pc{nth:04}\"}}\n")).collect();
    for some in reports.chunks(500) {
        stage.say(reporter, &some.concat());
        stage.play();
    }
    stage.say(reader, "latest\nlatest pc0007\n");
    stage.say(asker, "5 10\n");
    let turns = stage.play();
    assert_eq!(turns[0][asker.index as usize], "Data received\n50.0\n");
    let told: Vec<Vec<&str>> =
        turns.iter().map(|turn| turn[reader.index as usize].lines().collect()).collect();
    assert!(
        told.iter().all(|lines| lines.len() <= EFFORT_PER_TURN + 2),
        "the end, and the next reply, fit too"
    );
    let lines = told.concat();
    let wanted = (0..MACHINES).map(|nth| format!("{{\"host\":\"pc{nth:04}\",\"age\":0.000}}"));
    assert!(lines.iter().take(MACHINES).copied().eq(wanted));
    let rest = [format!("{{\"machines\":{MACHINES}}}"), "{\"host\":\"pc0007\",\"age\":0.000}".to_owned()];
    assert_eq!(lines[MACHINES..], rest);
}
