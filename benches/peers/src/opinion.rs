//! A second opinion: requests sent by a load generator of another project, tcpkali. Its processes share nothing with this program;
//! only the server's processor time is read here, as in all other workloads.

use std::cell::Cell;
use std::env;
use std::io::Read;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::endpoint::Endpoint;
use crate::peer::{Environment, Over, Peer, Service};
use crate::server::{Server, is_installed};
use crate::words::{Exchange, Form, exchanges};
use crate::workload::{self, Outcome, Round};

/// A workload that tcpkali can do: connections that each send the same message at a fixed rate.
pub struct Asked {
    pub name: &'static str,
    /// The workload of this program with the same connections, and the same number of requests in a write.
    pub beside: &'static str,
    connections: usize,
    requests: u64,
    /// Messages a second on each connection.
    rate: u64,
}

impl Asked {
    /// The title of the workload beside it.
    pub fn title(&self) -> &'static str {
        workload::ALL
            .iter()
            .find(|workload| workload.name == self.beside)
            .map_or("", |workload| workload.title)
    }
}

pub const ALL: [Asked; 3] = [
    Asked { name: "second-64x1", beside: "tcp-64x1", connections: 64, requests: 1, rate: 500 },
    Asked { name: "second-1000x1", beside: "tcp-1000x1", connections: 1000, requests: 1, rate: 30 },
    Asked { name: "second-64x32", beside: "tcp-64x32", connections: 64, requests: 32, rate: 100 },
];

pub const PEERS: [Peer; 5] = [Peer::Limit, Peer::Ipcd, Peer::Former, Peer::Redis, Peer::Tokio];

/// Connections that it opens in a second. At 100,000, version 1.2.0 never ended with 1,000 connections.
const CONNECTS: usize = 2000;

/// At this rate it has ended in nearly all runs. One that does not, or in which it was late, is repeated, and not counted.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(5);

const SHORTEST: Duration = Duration::from_secs(1);

/// Connections in a run that only checks.
const QUICK: usize = 64;

/// One run of it.
#[derive(Clone, Copy)]
struct Run {
    connections: usize,
    /// Messages a second on each.
    rate: u64,
    time: Duration,
}

/// tcpkali, as it is named in the tables.
#[derive(Clone)]
pub struct Tcpkali {
    program: String,
    pub title: String,
    /// Runs until now, each from a loopback address of its own. It binds each connection before it connects, so for a minute after a run
    /// its ports are not free on that address, and from one address a 17th run of 1,000 connections found too few.
    runs: Cell<u16>,
}

impl Tcpkali {
    /// The program that `IPCD_TCPKALI` names, or else the installed one.
    pub fn find() -> Option<Tcpkali> {
        let program = env::var("IPCD_TCPKALI").unwrap_or_else(|_| "tcpkali".to_owned());
        if !is_installed(&program) {
            return None;
        }
        let said = Command::new(&program).arg("--version").output().ok()?;
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        Some(Tcpkali { title: format!("tcpkali {version}"), program, runs: Cell::new(0) })
    }

    /// Runs it once. Returns the replies that it received whole, and the server's processor time. It counts bytes, and does not compare
    /// them.
    fn run(&self, server: &Server, exchange: &Exchange, run: Run) -> Result<(u64, Duration)> {
        let Endpoint::Tcp(port) = server.endpoint else { unreachable!("a port of TCP") };
        let mut command = Command::new(&self.program);
        command.args(["--workers", "1", "--write-combine", "off"]);
        command.args([
            "--connect-rate",
            &CONNECTS.to_string(),
            "--connections",
            &run.connections.to_string(),
        ]);
        self.runs.set(self.runs.get().wrapping_add(1));
        let source = Ipv4Addr::from_bits(0x7f01_0000 + u32::from(self.runs.get()));
        command.args(["--source-ip", &source.to_string()]);
        command.args(["--duration", &run.time.as_secs_f64().to_string()]);
        command.args(["--message-rate", &run.rate.to_string(), "--message"]);
        command.arg(str::from_utf8(&exchange.request)?).arg(format!("127.0.0.1:{port}"));
        for _ in 0..TRIES {
            let before = server.cpu()?;
            let said =
                output_within(&mut command, run.time + PATIENCE).with_context(|| self.title.clone())?;
            let cpu = server.cpu()? - before;
            let Some(said) = said else { continue };
            let total = |title| total(&said, title).with_context(|| format!("{}: {said}", self.title));
            let asked = total("Total data sent:")? / exchange.request.len() as u64;
            let answered = total("Total data received:")? / exchange.reply.len() as u64;
            ensure!(answered > 0, "none of {asked} messages was answered");
            // It does not count what each connection wrote last: one message, and more where it was late.
            if answered <= asked + run.connections as u64 {
                return Ok((answered, cpu));
            }
        }
        bail!("{} did not end, or counted too few of its messages, in {TRIES} runs", self.title)
    }
}

/// Standard output of a program that succeeds, unless it takes too long. It writes less than a pipe holds.
fn output_within(command: &mut Command, time: Duration) -> Result<Option<String>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let deadline = Instant::now() + time;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() < deadline => sleep(Duration::from_millis(5)),
            None => {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
        }
    };
    let (mut said, mut problems) = (String::new(), String::new());
    child.stdout.take().context("its output")?.read_to_string(&mut said)?;
    child.stderr.take().context("its errors")?.read_to_string(&mut problems)?;
    ensure!(status.success(), "{status}: {}", problems.trim_end());
    Ok(Some(said))
}

/// The number of bytes in such a line: "Total data sent:     156.7 KiB (160475 bytes)".
fn total(said: &str, title: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix(title))?;
    line.split_once('(')?.1.split_once(' ')?.0.parse().ok()
}

/// Measures all peers with it, in turn, round by round.
pub fn measure(
    asked: &Asked,
    tcpkali: &Tcpkali,
    peers: &[Peer],
    rounds: usize,
    time: Duration,
    environment: &Environment,
    quick: bool,
) -> Vec<(Peer, Outcome)> {
    let start = |peer: Peer| -> Result<Server> {
        let mut server = peer.spawn(Service::Multiply, Over::Tcp, environment)?;
        server.wait()?;
        Ok(server)
    };
    let mut all: Vec<_> = PEERS
        .into_iter()
        .filter(|peer| peers.contains(peer))
        .map(|peer| (peer, start(peer), Vec::new()))
        .collect();
    let connections = if quick { asked.connections.min(QUICK) } else { asked.connections };
    // The time to connect counts.
    let time = time.max(SHORTEST) + Duration::from_secs_f64(connections as f64 / CONNECTS as f64);
    let run = Run { connections, rate: asked.rate, time };
    for _ in 0..rounds {
        for (peer, server, done) in &mut all {
            let Ok(running) = server else { continue };
            match once(asked.requests, tcpkali, *peer, running, run) {
                Ok(round) => done.push(round),
                Err(error) => *server = Err(error),
            }
        }
    }
    let outcome = |server: Result<Server>, done| server.map(|_| done).map_err(|error| format!("{error:#}"));
    all.into_iter().map(|(peer, server, done)| (peer, outcome(server, done))).collect()
}

fn once(requests: u64, tcpkali: &Tcpkali, peer: Peer, server: &Server, run: Run) -> Result<Round> {
    let exchange = &exchanges(peer, requests, Form::Lines)[0];
    let (answered, cpu) = tcpkali.run(server, exchange, run)?;
    let answered = (answered * requests) as f64;
    Ok(Round {
        cpu: cpu.as_secs_f64() * 1e6 / answered,
        per_second: answered / run.time.as_secs_f64(),
        latency: None,
        resident: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_the_number_of_bytes_in_its_line() {
        let said =
            "Total data sent:     156.7 KiB (160475 bytes)\nTotal data received: 0.6 MiB (609805 bytes)\n";
        assert_eq!(total(said, "Total data sent:"), Some(160_475));
        assert_eq!(total(said, "Total data received:"), Some(609_805));
        assert_eq!(total("", "Total data sent:"), None);
    }
}
