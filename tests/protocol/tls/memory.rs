//! The memory of encrypted connections, and how much of it is returned when they have gone.

use super::client::TlsClient;
use super::{MULTIPLY, daemon};
use crate::harness::{Probe, wait_until};

const MANY: usize = 400;

/// Bytes that an idle connection may take, in a build that is not optimized as well.
const IDLE_BYTES_MAX: usize = 8 * 1024;

#[test]
fn idle_connections_take_little_memory_and_return_it() {
    let (daemon, config) = daemon("[log]\nlevel = \"warn\"\n[limits]\nmax_connections_per_address = 0\n");
    let ask = || {
        let mut client = TlsClient::connect(&daemon, MULTIPLY, &config);
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
        client
    };
    // Memory that is needed only once is not a connection's.
    drop((0..10).map(|_| ask()).collect::<Vec<_>>());
    let mut probe = Probe::new(&daemon);
    probe.wait();
    let before = daemon.resident_bytes();
    let mut clients: Vec<TlsClient> = (0..MANY).map(|_| ask()).collect();
    let growth = daemon.resident_bytes() - before;
    assert!(growth <= MANY * IDLE_BYTES_MAX, "{} bytes each", growth / MANY);
    // The tables keep the places of all who came before the last, but nothing else of them.
    let last = clients.pop();
    drop(clients);
    // A fifth is what the tables of so few keep; without returning it would be nearly all.
    wait_until("the memory is given back", || {
        (daemon.resident_bytes().saturating_sub(before) <= growth / 2).then_some(())
    });
    drop((probe, last));
    daemon.stop();
}
