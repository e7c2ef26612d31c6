//! How the cost grows with the number of connections.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::fit::Line;
use crate::load::Requests;
use crate::peer::{Environment, Over, Peer, Service};
use crate::words::{Form, exchanges};
use crate::workload::{Round, round};

pub const PEERS: [Peer; 4] = [Peer::Limit, Peer::Ipcd, Peer::Redis, Peer::Tokio];

/// Numbers of connections, with one request in flight on each.
pub const COUNTS: [usize; 9] = [1, 10, 100, 1000, 2500, 5000, 10_000, 15_000, 19_000];

/// The rounds of one peer at each number of connections.
pub type Curve = Vec<(usize, Vec<Round>)>;

/// Measures all peers at all numbers that their limits allow, in turn, round by round.
pub fn measure(
    peers: &[Peer],
    rounds: usize,
    time: Duration,
    quick: bool,
    environment: &Environment,
) -> Result<Vec<(Peer, Curve)>> {
    let most = if quick { 100 } else { environment.descriptors as usize - 200 };
    let counts = COUNTS.into_iter().filter(|&count| count <= most);
    let curve: Curve = counts.map(|count| (count, Vec::new())).collect();
    let mut curves: Vec<_> =
        PEERS.into_iter().filter(|peer| peers.contains(peer)).map(|peer| (peer, curve.clone())).collect();
    for _ in 0..rounds {
        for at in 0..curve.len() {
            for (peer, curve) in &mut curves {
                let (count, done) = &mut curve[at];
                let once = once(*peer, *count, time, environment);
                done.push(once.with_context(|| format!("{}, {count} connections", peer.title()))?);
            }
        }
    }
    Ok(curves)
}

fn once(peer: Peer, count: usize, time: Duration, environment: &Environment) -> Result<Round> {
    let mut server = peer.spawn(Service::Multiply, Over::Tcp, environment)?;
    server.wait()?;
    let mut clients =
        Requests::connect(&server.endpoint, count, exchanges(peer, 1, Form::Lines), 1)?.with_latency();
    let resident = Some(server.memory("Rss")?);
    Ok(Round { resident, ..round(&server, &mut clients, time)? })
}

/// From so many connections on, there is always another request waiting when one is done. The curve below is another one.
const MANY: usize = 100;

/// The processor time of a request in µs, by the decimal logarithm of the number of connections.
pub fn processor_time(curve: &Curve) -> Option<Line> {
    line(curve, |count, round| Some((count.log10(), round.cpu)))
}

/// The resident memory in bytes, by the number of connections.
pub fn memory(curve: &Curve) -> Option<Line> {
    line(curve, |count, round| Some((count, round.resident? as f64)))
}

fn line(curve: &Curve, point: impl Fn(f64, &Round) -> Option<(f64, f64)>) -> Option<Line> {
    let many = curve.iter().filter(|(count, _)| *count >= MANY);
    let points =
        many.flat_map(|(count, rounds)| rounds.iter().filter_map(|round| point(*count as f64, round)));
    Line::through(&points.collect::<Vec<_>>())
}
