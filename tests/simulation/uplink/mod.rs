//! The shared room: uplinks, a model of their servers, and a network that loses whatever it may lose. All readers of the log hear
//! the same, in the same order, each entry once. What an author was shown, everyone hears. And each proposal ends in one way.

mod check;
mod daemon;
mod server;
mod world;

use std::cell::Cell;
use std::time::Duration;

use super::totals::Totals;
use server::{SECOND, Storing};
use world::{Plan, World};

/// What may happen to the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// It is kept.
    Kept,
    /// Its beginning is removed before some have read it.
    Trimmed,
    /// The end of it, or all of it, is lost.
    Lost,
}

pub fn run(log: Log, seed: u64, steps: u64, step: &Cell<u64>) -> Totals {
    let nodes = [1, 3][seed as usize % 2];
    let mut world = World::new(seed, nodes, 2 + seed as usize % 3);
    for at in 0..steps {
        step.set(at);
        let gap = match world.random.below(200) {
            0 => world.random.within(5_000_000, 45_000_000),
            1..10 => world.random.within(100_000, 2_000_000),
            _ => world.random.within(0, 60_000),
        };
        world.advance(world.now + gap as u64);
        if world.random.percent(93) {
            talk(&mut world);
        } else {
            trouble(&mut world, log);
        }
        for at in 0..world.daemons.len() {
            world.pump(at);
        }
    }
    world.heal();
    // Long enough for an instance to be declared gone, even twice if the first batch was lost.
    world.wait(Duration::from_secs(75));
    check::check(&mut world, log);
    for what in std::mem::take(&mut world.server.seen) {
        world.totals.count(what);
    }
    world.totals
}

fn living(world: &mut World) -> Option<usize> {
    let living: Vec<usize> = (0..world.daemons.len()).filter(|at| world.daemons[*at].is_alive).collect();
    (!living.is_empty()).then(|| world.random.pick(&living))
}

/// What members do.
fn talk(world: &mut World) {
    let Some(at) = living(world) else { return };
    let now = world.time();
    let random = &mut world.random;
    let daemon = &mut world.daemons[at];
    let present: Vec<String> =
        daemon.members.iter().filter(|(_, is_in)| **is_in).map(|(name, _)| name.clone()).collect();
    let chosen = (!present.is_empty()).then(|| present[random.below(present.len())].clone());
    match (random.below(100), chosen) {
        (0..12, _) => {
            // There are few names, so that several members want the same one.
            let name = format!("member{}", random.below(9));
            if !daemon.members.contains_key(&name) && daemon.members.len() < 6 {
                daemon.join(&name, now);
            }
        }
        (12..18, Some(name)) => daemon.leave(&name, now),
        (18..24, Some(name)) => {
            for _ in 0..random.within(2, 80) {
                daemon.say(&name, 0, now);
            }
            world.totals.count("uplink: bursts");
        }
        (24..27, Some(name)) => {
            let is_taken = daemon.say(&name, 40_000, now);
            world.totals.add("uplink: long lines", u64::from(is_taken));
        }
        (27..33, Some(name)) => whisper(world, at, &name),
        (33..36, _) => daemon.uplink.share(&format!("pc{}", daemon.number), "{}"),
        (_, Some(name)) => drop(daemon.say(&name, random.below(100), now)),
        _ => {}
    }
    world.pump(at);
}

fn whisper(world: &mut World, at: usize, from: &str) {
    let now = world.time();
    let daemon = &mut world.daemons[at];
    let own = daemon.uplink.instance();
    let others: Vec<_> = daemon
        .uplink
        .members()
        .filter(|(id, _)| *id != own)
        .map(|(id, name)| (id, name.to_owned()))
        .collect();
    if others.is_empty() {
        return;
    }
    let (to, name) = &others[world.random.below(others.len())];
    match daemon.uplink.whisper(*to, (from, name), "psst", now) {
        Ok(id) => {
            assert!(daemon.whispers.insert(id, None).is_none(), "a number was used twice");
            world.totals.count("uplink: whispers");
        }
        Err(_) => world.totals.count("uplink: whispers that could not be sent"),
    }
}

/// What goes wrong.
fn trouble(world: &mut World, log: Log) {
    let connections = world.connections();
    let random = &mut world.random;
    let span = random.within(100_000, 9_000_000) as u64;
    let node = random.below(world.server.nodes.len());
    let connection = (!connections.is_empty()).then(|| connections[random.below(connections.len())]);
    let random = &mut world.random;
    match random.below(16) {
        0 => cut(world, connection, true),
        1 => cut(world, connection, false),
        2 => without_leader(world, Storing::Refuses, span),
        3 => without_leader(world, Storing::Silent, span),
        4 => {
            world.server.nodes[node].is_frozen = true;
            world.plan(span, Plan::Thaw(node));
            world.totals.count("uplink: nodes frozen");
        }
        5 => kill(world, node, span),
        6 => {
            world.server.go_lame(node);
            world.plan(span, Plan::Raise(node));
            world.totals.count("uplink: lame ducks");
        }
        7 => {
            world.server.forget_consumers();
            world.totals.count("uplink: consumers forgotten");
        }
        8 => world.server.late = random.pick(&[0, 5, 40]),
        9 => {
            world.server.lost = 20;
            world.plan(span, Plan::Calm(0));
        }
        10 => world.server.final_refusals = random.pick(&[0, 30]),
        11 => {
            if let Some(at) = living(world) {
                world.kill_daemon(at);
                world.add_daemon();
                world.totals.count("uplink: daemons killed");
            }
        }
        12 => {
            if let Some(at) = living(world) {
                world.restart_daemon(at);
                world.totals.count("uplink: daemons restarted");
            }
        }
        13 => {
            if let Some(at) = living(world) {
                let span = world.random.within(1_000_000, 60_000_000) as u64;
                world.isolate(at, span);
                world.totals.count("uplink: daemons cut off");
            }
        }
        14 => {
            world.server.expire_consumers();
            world.server.forget_ids();
        }
        _ => lose(world, log),
    }
}

fn cut(world: &mut World, connection: Option<usize>, is_told: bool) {
    if let Some(id) = connection {
        world.break_connection(id, is_told);
        world.totals.count(if is_told {
            "uplink: connections lost"
        } else {
            "uplink: connections lost in silence"
        });
    }
}

fn without_leader(world: &mut World, storing: Storing, span: u64) {
    world.server.storing = storing;
    world.plan(span, Plan::Elect);
    world.totals.count(if storing == Storing::Silent { "uplink: quorum lost" } else { "uplink: elections" });
}

fn kill(world: &mut World, node: usize, span: u64) {
    let is_single = world.server.nodes.len() == 1;
    world.kill_node(node, if is_single { span / 4 } else { span });
    if is_single {
        world.server.restart(0);
    } else if world.random.percent(50) {
        without_leader(world, Storing::Refuses, span / 2);
    }
    world.totals.count("uplink: nodes killed");
}

fn lose(world: &mut World, log: Log) {
    let count = world.random.within(1, 40);
    match log {
        Log::Kept => {}
        Log::Trimmed => {
            world.server.trim(count);
            world.totals.count("uplink: trims");
        }
        Log::Lost if world.random.percent(50) => {
            world.server.delete_stream();
            world.totals.count("uplink: streams deleted");
        }
        Log::Lost => {
            for node in 0..world.server.nodes.len() {
                world.kill_node(node, SECOND);
            }
            world.server.restart(count / 8 + 1);
            world.totals.count("uplink: ends of the log lost");
        }
    }
}

/// A daemon dies while everything else works: for all others, its members leave at one position, 30 to 40 s later.
pub fn die(seed: u64, _steps: u64, _step: &Cell<u64>) -> Totals {
    let mut world = World::new(seed, 1, 2 + seed as usize % 4);
    for at in 0..world.daemons.len() {
        let now = world.time();
        world.daemons[at].join(&format!("member{at}"), now);
    }
    world.wait(Duration::from_millis(9000 + seed * 37 % 20_000));
    while !world.daemons[0].is_up {
        world.wait(Duration::from_secs(1)); // it can be late, and one that was never there does not leave
    }
    let dead = world.daemons[0].uplink.instance();
    world.kill_daemon(0);
    let died = world.now;
    world.wait(Duration::from_secs(45));
    let mut places = Vec::new();
    for daemon in world.daemons.iter().filter(|daemon| daemon.is_alive) {
        let Some(gone) = daemon.gone_at.get(&dead) else {
            panic!("{dead} is not gone:\n{}", world.daemons[0].log.join("\n"))
        };
        let span = (gone - died) as f64 / SECOND as f64;
        assert!((30.0..=37.0).contains(&span), "gone after {span} s");
        world.totals.count_case("uplink: gone after seconds", &(span as u64));
        let left: Vec<_> = daemon
            .heard
            .iter()
            .filter(|heard| heard.what == "-member0")
            .map(|heard| heard.sequence)
            .collect();
        places.push(left);
    }
    assert!(places.iter().all(|place| place.len() == 1 && *place == places[0]), "{places:?}");
    check::check(&mut world, Log::Kept);
    world.totals
}
