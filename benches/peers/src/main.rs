//! Measures ipcd beside what people would use instead. `benches/run` builds everything and calls this.

#![allow(dead_code)]

mod endpoint;
mod load;
mod peer;
mod poller;
mod report;
mod room;
mod server;
mod words;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use peer::{Ground, Peer};
use report::Report;
use server::Cores;

/// Measures ipcd beside what people would use instead: the processor time that a server takes for each request, and rates.
#[derive(Parser)]
#[command(name = "benches/run")]
struct Arguments {
    /// Only these workloads, by name or by how the name begins
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Only these peers
    #[arg(long, value_delimiter = ',', value_enum)]
    peers: Vec<Peer>,
    /// Rounds of each workload, in which all peers take their turns
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of each peer's turn
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Everything once, for a moment and with few connections: whether all say the right bytes
    #[arg(long)]
    quick: bool,
    /// Lists the workloads
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true)]
    ipcd: PathBuf,
    #[arg(long, hide = true)]
    limit: PathBuf,
    #[arg(long, hide = true)]
    tokio: PathBuf,
    /// The repository, for what is written there
    #[arg(long, hide = true)]
    root: PathBuf,
}

impl Arguments {
    fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| workload.starts_with(name.as_str()))
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("benches/run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    if arguments.list {
        for workload in &workload::ALL {
            println!("{:12} {}", workload.name, workload.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let known = |name: &String| workload::ALL.iter().any(|workload| workload.name.starts_with(name.as_str()));
    for name in &arguments.workloads {
        ensure!(known(name), "no workload begins with {name:?}; --list shows them");
    }
    let (rounds, time) = match arguments.quick {
        true => (1, Duration::from_millis(50)),
        false => (arguments.rounds, Duration::try_from_secs_f64(arguments.seconds)?),
    };
    ensure!(rounds > 0, "at least one round");
    let (_, descriptors) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, descriptors, descriptors)
        .context("raising the limit of open files")?;
    let directory = tempfile::Builder::new().prefix("ipcd-peers-").tempdir()?;
    let ground = Ground {
        ipcd: arguments.ipcd.clone(),
        limit: arguments.limit.clone(),
        tokio: arguments.tokio.clone(),
        python: arguments.root.join("benches/peers/threaded.py"),
        directory: directory.path().to_owned(),
        cores: Cores::choose()?,
        descriptors: descriptors.min(1_000_000),
    };
    let mut peers = Vec::new();
    for peer in Peer::ALL {
        if !arguments.peers.is_empty() && !arguments.peers.contains(&peer) {
            continue;
        }
        match peer.missing() {
            Some(program) => eprintln!("{program} is not installed: {} is left out", peer.title()),
            None => peers.push(peer),
        }
    }
    let mut report = Report::new(&ground, rounds, time);
    for workload in workload::ALL.iter().filter(|workload| arguments.wants(workload.name)) {
        eprintln!("{}", workload.title);
        let outcomes = workload::measure(workload, &peers, rounds, time, arguments.quick, &ground);
        for (peer, outcome) in &outcomes {
            if let Err(error) = outcome {
                eprintln!("  {}: {error}", peer.title());
            }
        }
        report.timed.push((workload, outcomes));
    }
    println!("{}", report.heading());
    println!("\n{}", report.timed_table());
    // What ipcd or the limit cannot do is a mistake; of others it is a result.
    Ok(if report.has_failed(&[Peer::Ipcd, Peer::Limit, Peer::Tokio]) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
