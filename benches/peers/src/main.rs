//! Compares ipcd with alternatives to it. `benches/run` builds everything and starts this program.

mod client;
mod crowd;
mod endpoint;
mod fit;
mod flood;
mod history;
mod interval;
mod load;
mod manager;
mod opinion;
mod peer;
mod plot;
mod poller;
mod report;
mod rest;
mod room;
mod scaling;
mod server;
mod stream;
mod tail;
mod words;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use opinion::Tcpkali;
use peer::{Environment, Over, Peer};
use report::Report;
use server::Cores;
use stream::Certificate;
use workload::Kind;

/// Measures ipcd beside the alternatives: the server's processor time for each request, and rates.
#[derive(Parser)]
#[command(name = "benches/run")]
struct Arguments {
    /// Run only these workloads, by name or by the beginning of the name
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Run only these peers
    #[arg(long, value_delimiter = ',', value_enum)]
    peers: Vec<Peer>,
    /// Rounds of each workload; in each round, every peer runs once
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds for each peer in a round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Run everything once, briefly and with few connections, to check that all peers send the right bytes
    #[arg(long)]
    quick: bool,
    /// List the workloads
    #[arg(long)]
    list: bool,
    /// Measures this daemon as well, as the peer `former`: that of another revision
    #[arg(long)]
    former: Option<PathBuf>,
    /// Appends the figures of ipcd to this file; a whole run does so to benches/history.csv
    #[arg(long)]
    history: Option<PathBuf>,
    #[arg(long, hide = true)]
    ipcd: PathBuf,
    #[arg(long, hide = true)]
    limit: PathBuf,
    #[arg(long, hide = true)]
    limit_tls: PathBuf,
    #[arg(long, hide = true)]
    limit_ws: PathBuf,
    #[arg(long, hide = true)]
    tokio: PathBuf,
    /// The repository, where the tables are written
    #[arg(long, hide = true)]
    root: PathBuf,
}

/// Workloads that do not measure a request's processor time.
const OTHERS: [(&str, &str); 9] = [
    ("idle", "as many idle connections as there can be: memory, processor time"),
    ("start", "from the start to the first reply"),
    ("calls", "system calls for a request"),
    ("scaling", "one request in flight on each of 1 to 19,000 connections"),
    ("tls-idle", "over TLS: memory of idle connections"),
    ("tls-start", "over TLS: from the start to the first reply"),
    ("tls-calls", "over TLS: system calls for a request"),
    ("ws-idle", "over WebSocket: memory of idle connections"),
    ("tls-flood", "round trips of a client in the clear, while 1,000 handshakes begin at once"),
];

/// Workloads of ipcd alone.
const ALONE: [(&str, &str); 3] = [
    ("crowd", "a room of 10,000 members: when the last one has each message"),
    ("tail", "round trips of one client while the daemon does something large for others"),
    ("wake-ups", "how often the daemon is woken with nobody connected, and with 10,000 silent members"),
];

/// Rounds of `scaling`, which spends most of its time on connecting.
const SCALING_ROUNDS: usize = 3;

/// Rounds of `latency` at least: the 99th percentile of one round says little.
const LATENCY_ROUNDS: usize = 15;

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
    let names: Vec<(&str, &str)> =
        workload::ALL.iter().map(|workload| (workload.name, workload.title)).chain(OTHERS).collect();
    let second =
        opinion::ALL.iter().map(|asked| (asked.name, "a second opinion: the same, asked by tcpkali"));
    let names: Vec<_> = names.into_iter().chain(second).chain(ALONE).collect();
    if arguments.list {
        for (name, title) in names {
            println!("{name:12} {title}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    for wanted in &arguments.workloads {
        let is_known = names.iter().any(|(name, _)| name.starts_with(wanted.as_str()));
        ensure!(is_known, "no workload begins with {wanted:?}; --list shows them");
    }
    let (rounds, time) = match arguments.quick {
        true => (1, Duration::from_millis(50)),
        false => (arguments.rounds, Duration::try_from_secs_f64(arguments.seconds)?),
    };
    ensure!(rounds > 0, "at least one round");
    let directory = tempfile::Builder::new().prefix("ipcd-peers-").tempdir()?;
    let environment = environment(&arguments, directory.path())?;
    let peers = installed(&arguments.peers, &environment);
    let mut report = Report::new(&environment, rounds, time);
    let quick = arguments.quick;
    for workload in workload::ALL.iter().filter(|workload| arguments.wants(workload.name)) {
        eprintln!("{}", workload.title);
        let rounds = match workload.kind {
            Kind::Latency(..) if !quick => rounds.max(LATENCY_ROUNDS),
            _ => rounds,
        };
        let outcomes =
            workload::measure(workload, &peers, rounds, time, quick, &environment, &mut report.disturbed);
        for (peer, outcome) in &outcomes {
            if let Err(error) = outcome {
                report.fail(*peer, error);
            }
        }
        report.timed.push((workload, outcomes));
    }
    measure_plain(&arguments, &mut report, &peers, rounds, &environment);
    measure_tls(&arguments, &mut report, &peers, rounds, &environment)?;
    let [.., (name, title), _] = OTHERS;
    if arguments.wants(name) {
        eprintln!("{title}");
        let over_ws: Vec<Peer> = Peer::OVER_WS.into_iter().filter(|peer| peers.contains(peer)).collect();
        let idle = |peer| rest::idle(peer, Over::Ws, &environment, arguments.quick);
        report.ws_idle = each(&over_ws, &mut report.failed, idle);
    }
    let [_, _, _, (name, title), ..] = OTHERS;
    if arguments.wants(name) {
        eprintln!("{title}");
        report.scaling = scaling::measure(&peers, rounds.min(SCALING_ROUNDS), time, quick, &environment)?;
    }
    measure_opinion(&arguments, &mut report, &peers, rounds, time, &environment);
    measure_ipcd(&arguments, &mut report, &peers, &environment)?;
    println!("{}", report.heading());
    for table in [
        report.timed_table(|_| true),
        report.opinion_table(),
        report.tls_table(),
        report.flood_table(),
        report.ws_table(),
        report.rest_table(),
        report.scaling_table(),
        report.fit_table(),
        report.crowd_table(),
        report.tail_table(),
    ] {
        if table.lines().count() > 2 {
            println!("\n{table}");
        }
    }
    let is_whole = arguments.workloads.is_empty() && arguments.peers.is_empty() && !quick;
    if is_whole {
        write(&report, &arguments.root)?;
    }
    let usual = is_whole.then(|| arguments.root.join("benches/history.csv"));
    if let Some(file) = arguments.history.or(usual) {
        history::append(&report, &arguments.root, &file)?;
    }
    // If another server fails, the report says so. If one of these fails, the run fails.
    let ours = [Peer::Ipcd, Peer::Former, Peer::Limit, Peer::Tokio];
    let is_mistaken = report.failed.iter().any(|peer| ours.contains(peer));
    Ok(if is_mistaken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Everything that the servers need. Raises the limit on open files as far as this process may.
fn environment(arguments: &Arguments, directory: &Path) -> Result<Environment> {
    let (_, descriptors) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, descriptors, descriptors)
        .context("raising the limit of open files")?;
    Ok(Environment {
        ipcd: arguments.ipcd.clone(),
        former: arguments.former.clone(),
        limit: arguments.limit.clone(),
        limit_tls: arguments.limit_tls.clone(),
        limit_ws: arguments.limit_ws.clone(),
        certificate: Certificate::make(directory)?,
        tokio: arguments.tokio.clone(),
        python: arguments.root.join("benches/peers/threaded.py"),
        web: ["ws-server.js", "ws-server.py"].map(|name| arguments.root.join("benches/peers").join(name)),
        directory: directory.to_owned(),
        cores: Cores::choose()?,
        descriptors: descriptors.min(1_000_000),
    })
}

/// The servers to compare: the named ones or, if none is named, all whose programs are installed.
fn installed(wanted: &[Peer], environment: &Environment) -> Vec<Peer> {
    let mut peers = Vec::new();
    for peer in Peer::ALL {
        let is_there = peer != Peer::Former || environment.former.is_some();
        if !is_there || !wanted.is_empty() && !wanted.contains(&peer) {
            continue;
        }
        match peer.missing() {
            Some(program) => eprintln!("{program} is not installed: {} is left out", peer.title()),
            None => peers.push(peer),
        }
    }
    peers
}

fn measure_plain(
    arguments: &Arguments,
    report: &mut Report,
    peers: &[Peer],
    rounds: usize,
    environment: &Environment,
) {
    let [idle, start, calls, ..] = OTHERS;
    let quick = arguments.quick;
    let rest: Vec<Peer> = rest::PEERS.into_iter().filter(|peer| peers.contains(peer)).collect();
    report.silence = rest::silence(quick);
    if arguments.wants(idle.0) {
        eprintln!("{}", idle.1);
        report.idle = each(&rest, &mut report.failed, |peer| rest::idle(peer, Over::Tcp, environment, quick));
    }
    if arguments.wants(start.0) {
        eprintln!("{}", start.1);
        let times = if quick { 1 } else { 3 * rounds };
        report.start =
            each(&rest, &mut report.failed, |peer| rest::start(peer, Over::Tcp, environment, times));
    }
    if arguments.wants(calls.0) && !rest::can_count() {
        eprintln!("strace is not installed: system calls are left out");
    } else if arguments.wants(calls.0) {
        eprintln!("{}", calls.1);
        report.calls = each(&rest, &mut report.failed, |peer| rest::calls(peer, Over::Tcp, environment));
    }
}

fn measure_tls(
    arguments: &Arguments,
    report: &mut Report,
    peers: &[Peer],
    rounds: usize,
    environment: &Environment,
) -> Result<()> {
    let [.., tls_idle, tls_start, tls_calls, _, tls_flood] = OTHERS;
    let quick = arguments.quick;
    let (over_tls, over): (Vec<Peer>, _) =
        (Peer::OVER_TLS.into_iter().filter(|peer| peers.contains(peer)).collect(), Over::Tls);
    if arguments.wants(tls_idle.0) {
        eprintln!("{}", tls_idle.1);
        report.tls_idle =
            each(&over_tls, &mut report.failed, |peer| rest::idle(peer, over, environment, quick));
    }
    if arguments.wants(tls_start.0) {
        eprintln!("{}", tls_start.1);
        let times = if quick { 1 } else { 3 * rounds };
        report.tls_start =
            each(&over_tls, &mut report.failed, |peer| rest::start(peer, over, environment, times));
    }
    if arguments.wants(tls_calls.0) && rest::can_count() {
        eprintln!("{}", tls_calls.1);
        report.tls_calls = each(&over_tls, &mut report.failed, |peer| rest::calls(peer, over, environment));
    }
    if arguments.wants(tls_flood.0) && peers.contains(&Peer::Ipcd) {
        eprintln!("{}", tls_flood.1);
        report.flood = Some(flood::measure(Peer::Ipcd, environment, rounds, quick)?);
    }
    Ok(())
}

/// Waits until the connections of earlier workloads have given their ports back, a minute after their end (TIME_WAIT, tcp(7)). What
/// follows needs many, and chooses none itself.
fn wait_for_ports() {
    const FEW: usize = 1000;
    let in_time_wait = || {
        let table = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        let count = table.split_once(" tw ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        count.unwrap_or(0)
    };
    let deadline = Instant::now() + Duration::from_secs(90);
    while in_time_wait() > FEW && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What is measured of ipcd alone.
fn measure_ipcd(
    arguments: &Arguments,
    report: &mut Report,
    peers: &[Peer],
    environment: &Environment,
) -> Result<()> {
    let wanted = |(name, title): (&str, &str)| {
        let is_wanted = arguments.wants(name) && peers.contains(&Peer::Ipcd);
        if is_wanted {
            wait_for_ports();
            eprintln!("{title}");
        }
        is_wanted
    };
    let [crowd, tail, wake_ups] = ALONE;
    if wanted(crowd) {
        report.big_room = Some(crowd::measure(environment, arguments.quick).context("crowd")?);
    }
    if wanted(tail) {
        report.tail = tail::measure(environment, arguments.quick).context("tail")?;
    }
    if wanted(wake_ups) {
        report.wake_ups = Some(rest::wake_ups(environment, arguments.quick).context("wake-ups")?);
    }
    Ok(())
}

/// Asks for the second opinion.
fn measure_opinion(
    arguments: &Arguments,
    report: &mut Report,
    peers: &[Peer],
    rounds: usize,
    time: Duration,
    environment: &Environment,
) {
    let wanted: Vec<_> = opinion::ALL.iter().filter(|asked| arguments.wants(asked.name)).collect();
    if wanted.is_empty() {
        return;
    }
    let Some(tcpkali) = Tcpkali::find() else {
        eprintln!("tcpkali is not installed: there is no second opinion");
        return;
    };
    for asked in wanted {
        eprintln!("{}, by {}", asked.beside, tcpkali.title);
        wait_for_ports();
        let outcomes = opinion::measure(asked, &tcpkali, peers, rounds, time, environment, arguments.quick);
        for (peer, outcome) in &outcomes {
            if let Err(error) = outcome {
                report.fail(*peer, error);
            }
        }
        report.opinions.push((asked, outcomes));
    }
    report.tcpkali = Some(tcpkali.title);
}

/// Runs the measurement for each peer, and keeps the results.
fn each<T>(peers: &[Peer], failed: &mut Vec<Peer>, ask: impl Fn(Peer) -> Result<T>) -> Vec<(Peer, T)> {
    let mut all = Vec::new();
    for &peer in peers {
        match ask(peer) {
            Ok(figures) => all.push((peer, figures)),
            Err(error) => {
                eprintln!("  {}: {error:#}", peer.title());
                failed.push(peer);
            }
        }
    }
    all
}

/// Writes the figures of a whole run into the documents.
fn write(report: &Report, root: &Path) -> Result<()> {
    let heading = report.heading();
    let few =
        format!("{heading}\n\n{}", report.timed_table(|workload| report::TELLING.contains(&workload.title)));
    let [timed, rest, scaling] = [report.timed_table(|_| true), report.rest_table(), report.scaling_table()];
    let [opinion, fit] = [report.opinion_table(), report.fit_table()];
    let [crowd, tail] = [report.crowd_table(), report.tail_table()];
    report::rewrite(&root.join("README.md"), &few)?;
    let page = root.join("docs/performance.md");
    report::rewrite(
        &page,
        &format!("{heading}\n\n{timed}\n{opinion}\n{rest}\n{scaling}\n{fit}\n{crowd}\n{tail}"),
    )?;
    report::rewrite_tls(&page, &format!("{heading}\n\n{}\n{}", report.tls_table(), report.flood_table()))?;
    report::rewrite_ws(&page, &format!("{heading}\n\n{}", report.ws_table()))?;
    let plot = root.join("docs/scaling.svg");
    fs::write(&plot, plot::scaling(&report.scaling, &heading)?).with_context(|| plot.display().to_string())
}
