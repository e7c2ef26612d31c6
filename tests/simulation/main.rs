//! Thousands of virtual peers and faults with the pure engine, without a socket: the kernel is a pair of queues, time is a number,
//! and random numbers come from a seed. A failure names its seed and step, and can be repeated:
//!
//! `IPCD_SIM_SEED=7 IPCD_SIM_STEPS=2000 cargo test --test simulation`
//!
//! `IPCD_SIM_SEEDS` (seeds) and `IPCD_SIM_STEPS` (steps of each) make it longer, and `IPCD_SIM_FIRST` begins at another seed. With
//! `-- --nocapture` it prints what was reached, and its progress.

mod blockage;
mod datagrams;
mod fifo;
mod flood;
mod forms;
mod hogs;
mod link;
mod peer;
mod random;
mod room;
mod settings;
#[path = "../../fuzz/settle.rs"]
mod settle;
mod totals;
#[cfg(feature = "nats")]
mod uplink;
mod wires;
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ipcd::engine::message::Transport;
use totals::Totals;
use world::World;

const SEEDS: u64 = 100;
const STEPS: u64 = 2000;

/// A long run reports its progress after this many seeds.
const PROGRESS_SEEDS: u64 = 5000;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}: not a number")))
}

/// Runs seeds with this many steps: `default` seeds, unless the environment says otherwise. Returns what happened, and whether it
/// was at least as many as by default.
fn play(
    default: (u64, u64),
    test: &str,
    run: impl Fn(u64, u64, &Cell<u64>) -> Totals + Sync,
) -> (Totals, bool) {
    let steps = number("IPCD_SIM_STEPS").unwrap_or(default.1);
    let run = |seed| {
        let step = Cell::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, steps, &step)));
        outcome.unwrap_or_else(|cause| {
            let words = cause.downcast_ref::<String>().map(String::as_str);
            let Some(words) = words.or(cause.downcast_ref::<&str>().copied()) else { resume_unwind(cause) };
            panic!(
                "seed {seed}, step {}: {words}\nagain: IPCD_SIM_SEED={seed} IPCD_SIM_STEPS={steps} cargo test --test simulation {test}",
                step.get()
            )
        })
    };
    if let Some(seed) = number("IPCD_SIM_SEED") {
        return (run(seed), false);
    }
    let seeds = number("IPCD_SIM_SEEDS").unwrap_or(default.0);
    let first = number("IPCD_SIM_FIRST").unwrap_or(0);
    let (next, total, began) = (AtomicU64::new(0), Mutex::new(Totals::default()), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return;
                }
                if seed > 0 && seed % PROGRESS_SEEDS == 0 {
                    println!(
                        "{test}: {seed} seeds of {steps} steps begun, from seed {first} on: {:.0?}",
                        began.elapsed()
                    );
                }
                let totals = catch_unwind(AssertUnwindSafe(|| run(first + seed))).unwrap_or_else(|cause| {
                    next.store(seeds, Ordering::Relaxed); // stops the others
                    resume_unwind(cause)
                });
                total.lock().expect("no other seed has failed").merge(totals);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|cause| resume_unwind(cause));
        }
    });
    println!("{test}: {seeds} seeds of {steps} steps in {:.1?}", began.elapsed());
    let total = total.into_inner().expect("no seed has failed");
    (total, seeds * steps >= default.0 * default.1)
}

#[test]
fn fifo_lines_arrive_in_order_or_are_counted() {
    lines_arrive_in_order_or_are_counted(Transport::FIFO, "fifo");
}

#[test]
fn queued_messages_arrive_in_order_or_are_counted() {
    lines_arrive_in_order_or_are_counted(Transport::MQ, "queues");
}

#[test]
fn buffered_messages_arrive_in_order_and_whole() {
    lines_arrive_in_order_or_are_counted(Transport::BUFFER, "buffer");
}

fn lines_arrive_in_order_or_are_counted(transport: Transport, name: &str) {
    let default = (SEEDS / 4, STEPS / 5);
    let (total, is_enough) = play(default, name, |seed, steps, step| fifo::run(transport, seed, steps, step));
    println!("{total}");
    for what in ["FIFO: too long", "FIFO: replies dropped", "FIFO: lines of the room missed"] {
        if transport.is_one_way && what.ends_with("missed") {
            assert_eq!(total.of(what), 0, "nobody can miss them there");
            continue;
        }
        assert!(!is_enough || total.of(what) > 0, "never reached: {what}");
    }
}

#[test]
fn only_hogs_are_closed_when_memory_is_full() {
    let (total, is_enough) = play((SEEDS / 8, STEPS), "hogs", hogs::run);
    println!("{total}");
    for what in ["hogs: held most", "hogs: too slow", "hogs: closed"] {
        assert!(!is_enough || total.of(what) > 0, "never reached: {what}");
    }
}

#[test]
fn servers_that_answer_everything_fall_silent() {
    let lengths = [1, 2, 3].map(datagrams::length_of_loops);
    println!("one, two and three servers that answer everything: {lengths:?} datagrams");
    assert_eq!(lengths, [101, 202, 303], "a share for each, and one more that gets nothing");
    let (total, is_enough) = play((SEEDS / 4, STEPS / 5), "servers", datagrams::run);
    println!("{total}");
    for what in ["datagrams: not delivered", "datagrams: too many", "datagrams: own words"] {
        assert!(!is_enough || total.of(what) > 0, "never reached: {what}");
    }
}

#[test]
fn floods_cost_others_nothing_and_nonreaders_are_closed() {
    let (total, is_enough) = play((8, 1), "floods", flood::run);
    println!("{total}");
    let slow = total.of("slow ones, one floods at 3 messages a second");
    let dropped = total.of("slow ones dropped where it has no pace");
    assert!(!is_enough || (slow > 10 && dropped * 2 > slow && total.of("deaf ones closed") > 0));
}

/// What some clients of every form must do.
const FORMS: [&str; 4] =
    ["forms: verified", "forms: WebSockets verified", "forms: pings", "forms: heard in the room"];

#[test]
fn clients_of_every_form_get_the_expected_replies() {
    let (total, is_enough) = play((SEEDS, STEPS), "clients", forms::run);
    println!("{total}");
    let kinds = ["line", "raw", "c", "prefixed", "telnet"].map(|kind| format!("forms: decided: {kind:?}"));
    for what in kinds.iter().map(String::as_str).chain(FORMS) {
        assert!(!is_enough || total.of(what) > 0, "never reached: {what}");
    }
}

#[test]
fn peers_get_what_the_engine_promises() {
    let (total, is_enough) =
        play((SEEDS * 2 / 5, STEPS), "peers", |seed, steps, step| World::new(seed).run(steps, step));
    println!("{total}");
    if is_enough {
        total.assert_everything_was_reached();
    }
}

/// Daemons that share a room, with servers and a network that fail; and what may happen to the log.
#[cfg(feature = "nats")]
fn play_house(default: (u64, u64), test: &str, log: uplink::Log, reached: &[&str]) {
    let (total, is_enough) = play(default, test, |seed, steps, step| uplink::run(log, seed, steps, step));
    println!("{total}");
    for what in reached {
        assert!(!is_enough || total.of(what) > 0, "never reached: {what}");
    }
}

#[cfg(feature = "nats")]
#[test]
#[cfg(feature = "nats")]
fn rooms_of_several_daemons_hear_the_same() {
    let reached = [
        "uplink: 503",
        "uplink: silence",
        "uplink: duplicate",
        "uplink: repeated before the commit",
        "uplink: refused for good",
        "uplink: committed late",
        "uplink: delivery lost",
        "uplink: lame ducks",
        "uplink: own ids after the first",
        "uplink: instances gone",
        "uplink: whispers delivered",
        "uplink: daemons restarted",
    ];
    play_house((SEEDS * 4, STEPS / 10), "rooms_of", uplink::Log::Kept, &reached);
}

#[cfg(feature = "nats")]
#[test]
#[cfg(feature = "nats")]
fn trimmed_rooms_keep_their_order_and_count_what_is_missed() {
    let reached = ["uplink: trims", "uplink: missed", "uplink: instances gone"];
    play_house((SEEDS * 3 / 2, STEPS / 5), "trimmed_rooms", uplink::Log::Trimmed, &reached);
}

#[cfg(feature = "nats")]
#[test]
#[cfg(feature = "nats")]
fn rooms_go_on_when_their_log_is_lost() {
    let reached = ["uplink: streams deleted", "uplink: ends of the log lost", "uplink: history lost"];
    play_house((SEEDS, STEPS / 5), "rooms_go", uplink::Log::Lost, &reached);
}

/// Seeds with which something was heard twice, in another order, or by members that others did not know.
#[cfg(feature = "nats")]
#[test]
fn seeds_that_once_broke_a_shared_room_hold() {
    let trimmed = [
        5, 62, 142, 417, 661, 739, 856, 997, 1629, 1832, 2375, 2583, 2591, 2603, 2671, 2789, 2863, 3056,
        3185, 3537, 3753,
    ];
    let trimmed = trimmed.map(|seed| (uplink::Log::Trimmed, seed));
    for (log, seed) in trimmed.into_iter().chain([(uplink::Log::Lost, 2815)]) {
        println!("{log:?}, seed {seed}");
        uplink::run(log, seed, 400, &Cell::new(0));
    }
}

#[cfg(feature = "nats")]
#[test]
#[cfg(feature = "nats")]
fn members_of_a_dead_daemon_leave_after_30_to_37_seconds() {
    let (total, _) = play((SEEDS * 2, 1), "members_of_a_dead", uplink::die);
    println!("{total}");
}

#[test]
fn wires_of_records_carry_conversations_and_their_ends() {
    let (total, is_enough) = play((SEEDS / 4, STEPS / 4), "wires", wires::run);
    println!("{total}");
    let reached = [
        "wires: blocked",
        "wires: closed: PeerUnsecured",
        "wires: served to the end",
        "wires: told in the clear",
        "wires: told of a restart",
        "wires: truncated and served",
    ];
    for what in reached {
        assert!(!is_enough || total.of(what) > 0, "never reached: {what}");
    }
}
