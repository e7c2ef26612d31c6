use std::rc::Rc;

use super::super::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Transport};
use super::super::service::Service;
use super::*;
use crate::engine::Engine;
use crate::engine::allow::passphrase::Passphrase;
use crate::engine::limits::{GUESS, Settings};
use crate::engine::message::Timestamp;

/// A letter that becomes 18 when it is compared.
const NASTY: char = '\u{fdfa}';

/// Clients, and what each has heard in this turn.
struct Stage {
    engine: Engine,
    now: Timestamp,
    heard: Vec<String>,
    ended: Vec<bool>,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(Settings::default())
    }

    fn with(settings: Settings) -> Stage {
        let (engine, now) = (Engine::new(settings), Timestamp::at(0));
        Stage { engine, now, heard: Vec::new(), ended: Vec::new() }
    }

    fn guarded() -> Stage {
        Stage::with(Settings { chat_passphrase: Passphrase::new("zwölf Affen"), ..Settings::default() })
    }

    fn connect(&mut self, service: Service) -> ConnectionId {
        let peer = ConnectionId { index: self.heard.len() as u32, generation: 1 };
        let endpoint = "unix:///x".to_owned();
        let binding = Rc::new(Binding { endpoint, service, transport: Transport::UNIX, allowed: None });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        self.engine.handle(self.now, Input::Opened { peer, binding: &binding, remote });
        self.heard.push(String::new());
        self.ended.push(false);
        peer
    }

    fn say(&mut self, peer: ConnectionId, text: &str) {
        self.engine.handle(self.now, Input::Bytes { peer, bytes: text.as_bytes(), more: false });
    }

    fn leave(&mut self, peer: ConnectionId) {
        self.engine.handle(self.now, Input::Lost { peer });
    }

    /// Ends the turn, and begins the next one. Returns what each client has heard.
    fn turn(&mut self) -> Vec<String> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Flush(peer) => {
                    while !self.engine.outgoing(peer).is_empty() {
                        let bytes = self.engine.outgoing(peer).slices().concat();
                        self.engine.handle(self.now, Input::Sent { peer, bytes: bytes.len() });
                        self.heard[peer.index as usize] += std::str::from_utf8(&bytes).unwrap();
                    }
                }
                Output::ShutdownWrite(peer) | Output::Close(peer) => self.ended[peer.index as usize] = true,
                _ => {}
            }
            while self.engine.poll_event().is_some() {}
        }
        self.engine.handle(self.now, Input::Tick);
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
fn names_before_a_passphrase_wait_for_other_turns_and_keep_their_order() {
    let mut stage = Stage::guarded();
    let (first, second) = (stage.connect(Service::Chat), stage.connect(Service::Chat));
    let asker = stage.connect(Service::Multiply);
    let taken = format!("{}1\n", NASTY.to_string().repeat(31));
    stage.say(first, &format!("{taken}zwölf Affen\n"));
    stage.play();
    // With so much behind it, a name is refused: it is new, and the passphrase must come first.
    let too_much = format!("{}{}\n", NASTY.to_string().repeat(32), "!".repeat(200));
    stage.say(second, &format!("{}{}bob\nzwölf Affen\nhi\n", taken.repeat(30), too_much.repeat(30)));
    stage.say(asker, "5 10\n");
    let turns = stage.play();
    assert_eq!(turns[0][asker.index as usize], "Data received\n50.0\n", "nobody waits for the names");
    let of_second = || turns.iter().map(|turn| turn[second.index as usize].as_str());
    let most = of_second().map(|heard| heard.matches("Error").count()).max().unwrap();
    assert!(most <= names_in_a_turn(), "{most} names in one turn");
    let heard: String = of_second().collect();
    let (refused, rest) = heard.split_at(heard.find("Welcome bob!").expect("a member"));
    let (taken, new) = refused.split_at(refused.find("send your name alone first").expect("an error"));
    assert_eq!((taken.matches("is taken").count(), new.matches("send your name alone").count()), (30, 30));
    assert!(rest.ends_with("bob: hi\n"), "{rest}");
}

#[test]
fn clients_with_costly_names_share_the_turns_in_their_order() {
    assert_that_names_share_the_turns(Stage::new(), &["Welcome", "taken"]);
}

#[test]
fn clients_with_costly_names_share_the_turns_before_a_passphrase() {
    assert_that_names_share_the_turns(Stage::guarded(), &["passphrase"]);
}

/// Each of 200 clients sends a costly name in the same turn, and hears one of these words when it has been handled.
fn assert_that_names_share_the_turns(mut stage: Stage, words: &[&str]) {
    let all: Vec<ConnectionId> = (0..200).map(|_| stage.connect(Service::Chat)).collect();
    let name = format!("{}\n", NASTY.to_string().repeat(32));
    all.iter().for_each(|peer| stage.say(*peer, &name));
    let mut answered = Vec::new();
    for turn in stage.play() {
        let now: Vec<usize> =
            (0..all.len()).filter(|at| words.iter().any(|word| turn[*at].contains(word))).collect();
        assert!(now.len() <= names_in_a_turn(), "{}", now.len());
        answered.extend(now);
    }
    assert_eq!(answered, (0..200).collect::<Vec<_>>());
}

#[test]
fn client_that_gave_way_goes_on_while_deadlines_take_all_of_a_turn() {
    let mut stage = Stage::new();
    let patient = stage.connect(Service::Chat);
    // None of them is a name, and all cost as much.
    let no_name = NASTY.to_string().repeat(100);
    stage.say(patient, &format!("{no_name}\n").repeat(100));
    stage.turn();
    for turn in 0..5 {
        // The pause after these is their end.
        for _ in 0..30 {
            let peer = stage.connect(Service::Chat);
            stage.say(peer, &no_name);
        }
        let first = stage.engine.giving_way.peers().next().expect("the patient one at least");
        stage.now = stage.now + GUESS;
        stage.turn();
        assert!(stage.engine.shared.effort.is_over(), "there is enough for the whole turn");
        let heard = stage.turn();
        assert!(heard[first.index as usize].contains("Error"), "{first:?} got nothing in turn {turn}");
    }
}

#[test]
fn clients_that_gave_way_and_left_leave_few_entries_behind() {
    let mut stage = Stage::new();
    let name = format!("{}\n", NASTY.to_string().repeat(32));
    let stay: Vec<ConnectionId> = (0..30).map(|_| stage.connect(Service::Chat)).collect();
    stay.iter().for_each(|peer| stage.say(*peer, &name));
    let waiting = stage.engine.giving_way.len();
    assert!((10..30).contains(&waiting), "{waiting}");
    let status = stage.connect(Service::Status);
    stage.say(status, "status\n");
    assert_eq!(stage.engine.reporting.len(), 1);
    for _ in 0..1000 {
        for (service, text) in [(Service::Chat, name.as_str()), (Service::Status, "status\n")] {
            let peer = stage.connect(service);
            stage.say(peer, text);
            stage.leave(peer);
        }
    }
    let entries = [stage.engine.giving_way.len(), stage.engine.reporting.len()];
    assert!(entries.iter().all(|count| *count <= 3 * (stay.len() + 2)), "{entries:?}");
    let live: Vec<ConnectionId> = stage.engine.giving_way.peers().take(waiting).collect();
    assert_eq!(live, stay[stay.len() - waiting..], "those that stay keep their places");
    stage.play();
    assert!(!stage.engine.has_work());
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
    stage.engine.handle(stage.now, Input::EndOfFile { peer });
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
