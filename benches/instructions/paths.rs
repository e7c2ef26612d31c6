//! The hot paths. Each runs once under callgrind, which counts its instructions. `check` compares the counts with their bounds.

use std::hint::black_box;
use std::time::Duration;

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use ipcd::engine::message::ConnectionId;
use ipcd::engine::number;
use ipcd::engine::service::{Service, greeting, multiply};
use stage::{House, Stage, frame};

/// Members of the chat.
const MEMBERS: usize = 100;

/// Requests or messages in a burst.
const BURST: usize = 32;

// ---- numbers

const WHOLE: [&[u8]; 8] =
    [b"5 10", b"0 1", b"12 12", b"-7 300", b"1000 24", b"65536 65536", b"6 * 7", b"10 - 3"];
const FLOATS: [&[u8]; 8] = [
    b"1.5 2",
    b"3.14159 2.71828",
    b"-0.001 12.5",
    b"1e3 2.5",
    b"6.02214076e23 1.380649e-23",
    b"0.1 0.2",
    b"123456.789 0.000123",
    b"3.141592653589793 1.4142135623730951",
];
const ERRORS: [&[u8]; 4] = [b"five 10", b"5", b"5 ^ 2", b"1 / 0"];

const WHOLE_RESULTS: [f64; 8] = [50.0, 0.0, 144.0, -2100.0, 24000.0, 4294967296.0, 42.0, 7.0];
const FLOAT_RESULTS: [f64; 8] =
    [1.5, 8.539721265199999, -0.0125, 0.1, 0.30000000000000004, 2.5, 15.185185185047, 4.442882938158366];
const LARGE_RESULTS: [f64; 8] =
    [1e16, 1.5e300, 1.7976931348623157e308, 5e-324, 1e22, -2.5e-7, 6.02e23, f64::INFINITY];

fn ready<T>(value: T) -> T {
    black_box(multiply::evaluate(b"1.5 x").is_err()); // does the lookups that happen only once
    value
}

#[library_benchmark(setup = ready)]
#[bench::whole(&WHOLE)]
#[bench::floats(&FLOATS)]
#[bench::errors(&ERRORS)]
fn parse(requests: &'static [&'static [u8]]) {
    for request in requests {
        let _ = black_box(multiply::evaluate(black_box(request)));
    }
}

fn paper(results: &'static [f64]) -> (&'static [f64], Vec<u8>) {
    (results, Vec::with_capacity(1024))
}

#[library_benchmark(setup = paper)]
#[bench::whole(&WHOLE_RESULTS)]
#[bench::floats(&FLOAT_RESULTS)]
#[bench::large(&LARGE_RESULTS)]
fn format((results, mut out): (&'static [f64], Vec<u8>)) -> Vec<u8> {
    for result in results {
        number::write(black_box(*result), &mut out);
    }
    black_box(out)
}

// ---- framing: the first burst of a connection, which shows how its messages end

const REPLY: &str = "Data received\n50.0\n";

fn newcomer(bursts: &'static [&'static [u8]]) -> (Box<Stage>, ConnectionId, &'static [&'static [u8]]) {
    let mut stage = Stage::new(Service::Multiply);
    let peer = stage.connect();
    let is_raw = bursts.iter().all(|burst| !burst.contains(&b'\n'));
    stage.expect(REPLY.len() - if is_raw { 2 } else { 0 });
    (stage, peer, bursts)
}

fn assert_stage(stage: Box<Stage>) {
    assert!(stage.is_as_expected());
}

#[library_benchmark(setup = newcomer, teardown = assert_stage)]
#[bench::line(&[b"5 10\n"])]
#[bench::line_byte_by_byte(&[b"5", b" ", b"1", b"0", b"\n"])]
#[bench::raw(&[b"5 10"])]
fn framing((mut stage, peer, bursts): (Box<Stage>, ConnectionId, &'static [&'static [u8]])) -> Box<Stage> {
    for burst in bursts {
        stage.send(peer, black_box(burst));
    }
    stage.pass(Duration::from_millis(25)); // a raw message ends after this gap
    stage.pass(Duration::from_millis(25)); // and its second reply is due
    stage
}

// ---- the engine: a turn without its system calls

fn served(burst: usize) -> (Box<Stage>, Vec<u8>) {
    let mut stage = Stage::with(Service::Multiply, 1, |_| "5 10\n".repeat(2));
    stage.expect(burst * REPLY.len());
    (stage, b"5 10\n".repeat(burst))
}

fn assert_burst((stage, _): (Box<Stage>, Vec<u8>)) {
    assert!(stage.is_as_expected());
}

#[library_benchmark(setup = served, teardown = assert_burst)]
#[bench::one_request(1)]
#[bench::requests_32(BURST)]
fn engine_turn((mut stage, burst): (Box<Stage>, Vec<u8>)) -> (Box<Stage>, Vec<u8>) {
    stage.send(Stage::peer(1), black_box(&burst));
    (stage, burst)
}

fn short(service: Service, words: &str) -> Box<Stage> {
    let mut stage = Stage::new(service);
    stage.expect(words.len());
    stage
}

#[library_benchmark(setup = short, teardown = assert_stage)]
#[bench::connect_request_close(Service::Multiply, REPLY)]
#[bench::connect_greeting_close(Service::Greeting, greeting::WORDS)]
fn engine_connection(mut stage: Box<Stage>) -> Box<Stage> {
    let peer = stage.connect();
    stage.send(peer, black_box(b"5 10\n"));
    stage.end(peer);
    stage
}

const SAID: &str = "hello, everybody\n";
const HEARD: &str = "member 1: hello, everybody\n";

fn room(burst: usize) -> (Box<Stage>, Vec<u8>) {
    let mut stage = Stage::room(MEMBERS as u32);
    stage.expect(burst * MEMBERS * HEARD.len());
    (stage, SAID.repeat(burst).into())
}

#[library_benchmark(setup = room, teardown = assert_burst)]
#[bench::one_message_100_members(1)]
#[bench::messages_32_100_members(BURST)]
fn engine_fan_out((mut stage, burst): (Box<Stage>, Vec<u8>)) -> (Box<Stage>, Vec<u8>) {
    stage.send(Stage::peer(1), black_box(&burst));
    (stage, burst)
}

// ---- the same behind WebSockets

/// Heads of the two frames of a reply, which have no LF.
const HEADS: usize = 2 * 2 - 2;

fn opened(burst: usize) -> (Box<Stage>, Vec<u8>) {
    let mut stage = Stage::web(Service::Multiply, 1, |_| "5 10".to_owned());
    stage.expect(burst * (REPLY.len() + HEADS));
    (stage, frame("5 10").repeat(burst))
}

#[library_benchmark(setup = opened, teardown = assert_burst)]
#[bench::one_request(1)]
#[bench::requests_32(BURST)]
fn websocket_turn((mut stage, burst): (Box<Stage>, Vec<u8>)) -> (Box<Stage>, Vec<u8>) {
    stage.send(Stage::peer(1), black_box(&burst));
    (stage, burst)
}

fn web_room(burst: usize) -> (Box<Stage>, Vec<u8>) {
    let mut stage = Stage::web_room(MEMBERS as u32);
    stage.expect(burst * MEMBERS * (HEARD.len() + 1));
    (stage, frame(SAID.trim_end()).repeat(burst))
}

#[library_benchmark(setup = web_room, teardown = assert_burst)]
#[bench::one_message_100_members(1)]
#[bench::messages_32_100_members(BURST)]
fn websocket_fan_out((mut stage, burst): (Box<Stage>, Vec<u8>)) -> (Box<Stage>, Vec<u8>) {
    stage.send(Stage::peer(1), black_box(&burst));
    (stage, burst)
}

/// A hundred connections, each with a message at the start and a later one, which has moved the deadlines noted at first.
fn patient(wait: Duration) -> (Box<Stage>, Duration) {
    let mut stage = Stage::with(Service::Multiply, 100, |_| "5 10\n".to_owned());
    stage.pass(Duration::from_secs(200));
    (1..=100).for_each(|number| stage.send(Stage::peer(number), b"5 10\n"));
    stage.expect(0);
    (stage, wait)
}

#[library_benchmark(setup = patient, teardown = assert_stage)]
#[bench::none_of_100_due(Duration::from_secs(1))]
#[bench::all_of_100_moved(Duration::from_secs(200))]
fn engine_deadlines((mut stage, wait): (Box<Stage>, Duration)) -> Box<Stage> {
    stage.pass(black_box(wait));
    stage
}

// ---- the loop: a turn with its system calls, without the instructions of the kernel

fn house(burst: usize) -> Box<House> {
    let mut house = House::with(Service::Multiply, 1, |_| "5 10\n".repeat(2));
    house.send(0, &b"5 10\n".repeat(burst));
    house.expect(burst * REPLY.len());
    house
}

fn assert_house(house: Box<House>) {
    assert!(house.is_as_expected());
}

#[library_benchmark(setup = house, teardown = assert_house)]
#[bench::one_request(1)]
#[bench::requests_32(BURST)]
fn loop_turn(mut house: Box<House>) -> Box<House> {
    house.turn();
    house
}

fn full_house(burst: usize) -> Box<House> {
    let mut house = House::room(MEMBERS);
    house.send(0, SAID.repeat(burst).as_bytes());
    house.expect(burst * MEMBERS * HEARD.len());
    house
}

#[library_benchmark(setup = full_house, teardown = assert_house)]
#[bench::one_message_100_members(1)]
#[bench::messages_32_100_members(BURST)]
fn loop_fan_out(mut house: Box<House>) -> Box<House> {
    house.turn();
    house
}

library_benchmark_group!(name = numbers, benchmarks = [parse, format]);
library_benchmark_group!(name = messages, benchmarks = framing);
library_benchmark_group!(
    name = engine,
    benchmarks = [engine_turn, engine_connection, engine_fan_out, engine_deadlines]
);
library_benchmark_group!(name = websocket, benchmarks = [websocket_turn, websocket_fan_out]);
library_benchmark_group!(name = whole_loop, benchmarks = [loop_turn, loop_fan_out]);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [numbers, messages, engine, websocket, whole_loop]
);
