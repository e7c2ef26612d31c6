//! The tables of results.

mod alone;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::crowd::BigRoom;
use crate::flood::Flood;
use crate::interval::Estimate;
use crate::opinion::{self, Asked};
use crate::peer::{Environment, Over, Peer};
use crate::rest::{self, Calls, Idle, Start};
use crate::scaling::{self, Curve};
use crate::tail;
use crate::workload::{Disturbed, Kind, Outcome, Round, Workload};

/// The workloads in the short table of README.md.
pub const TELLING: [&str; 3] = [
    "multiply, TCP, 64 connections, 1 in flight",
    "multiply, Unix socket, 64 connections, 32 in flight",
    "chat, 100 members, single messages",
];

/// Shown where there is no measurement.
const NOTHING: &str = "–";

pub struct Report {
    pub machine: String,
    pub date: String,
    how: String,
    /// Another revision is measured too.
    compares: bool,
    pub timed: Vec<(&'static Workload, Vec<(Peer, Outcome)>)>,
    /// The workloads of the other load generator, and its name.
    pub opinions: Vec<(&'static Asked, Vec<(Peer, Outcome)>)>,
    pub tcpkali: Option<String>,
    pub idle: Vec<(Peer, Idle)>,
    pub start: Vec<(Peer, Start)>,
    pub calls: Vec<(Peer, Calls)>,
    /// Idle connections over TLS.
    pub tls_idle: Vec<(Peer, Idle)>,
    pub tls_start: Vec<(Peer, Start)>,
    pub tls_calls: Vec<(Peer, Calls)>,
    pub flood: Option<Flood>,
    pub tail: Vec<tail::Row>,
    pub wake_ups: Option<rest::Silence>,
    pub big_room: Option<BigRoom>,
    /// Idle connections over WebSocket.
    pub ws_idle: Vec<(Peer, Idle)>,
    pub scaling: Vec<(Peer, Curve)>,
    /// Rounds that were measured again, and those that were disturbed then too.
    pub disturbed: Disturbed,
    /// The duration of the idle measurement.
    pub silence: Duration,
    /// Servers that failed a measurement.
    pub failed: Vec<Peer>,
}

impl Report {
    pub fn new(environment: &Environment, rounds: usize, time: Duration) -> Report {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        let date =
            Command::new("date").arg("+%Y-%m-%d").output().map(|output| output.stdout).unwrap_or_default();
        let machine = format!(
            "Linux {}, {}, {cpus} CPUs",
            release.trim(),
            model.map_or("a processor", |(_, model)| model),
        );
        let how = format!(
            "{rounds} rounds of {} s for each peer in turn; {}",
            time.as_secs_f64(),
            environment.cores.as_words()
        );
        Report {
            machine,
            date: String::from_utf8_lossy(&date).trim().to_owned(),
            how,
            compares: environment.former.is_some(),
            timed: Vec::new(),
            opinions: Vec::new(),
            tcpkali: None,
            idle: Vec::new(),
            start: Vec::new(),
            calls: Vec::new(),
            tls_idle: Vec::new(),
            tls_start: Vec::new(),
            tls_calls: Vec::new(),
            flood: None,
            tail: Vec::new(),
            wake_ups: None,
            big_room: None,
            ws_idle: Vec::new(),
            scaling: Vec::new(),
            disturbed: Disturbed::default(),
            silence: Duration::ZERO,
            failed: Vec::new(),
        }
    }

    pub fn heading(&self) -> String {
        format!("{}, {}; {}; {}.", self.machine, self.date, self.how, self.disturbed.as_words())
    }

    pub fn fail(&mut self, peer: Peer, error: &str) {
        eprintln!("  {}: {error}", peer.title());
        self.failed.push(peer);
    }

    /// Processor time, ratio to the limit and rate, for the `wanted` workloads.
    pub fn timed_table(&self, wanted: impl Fn(&Workload) -> bool) -> String {
        let is_timed = |peer: &Peer| !matches!(peer, Peer::Memcached | Peer::Node) && !peer.is_front();
        let peers: Vec<Peer> = self.columns(&Peer::ALL).into_iter().filter(is_timed).collect();
        self.timed(&peers, |workload| !matches!(workload.over, Over::Tls | Over::Ws) && wanted(workload))
    }

    /// The table for TLS, with its other costs.
    pub fn tls_table(&self) -> String {
        let peers = self.columns(&Peer::OVER_TLS);
        let mut table = self.timed(&peers, |workload| workload.over == Over::Tls);
        beside(&mut table, &peers, (&self.tls_idle, &self.tls_start, &self.tls_calls));
        table
    }

    /// The table for WebSocket.
    pub fn ws_table(&self) -> String {
        let peers = self.columns(&Peer::OVER_WS);
        let mut table = self.timed(&peers, |workload| workload.over == Over::Ws);
        beside(&mut table, &peers, (&self.ws_idle, &[], &[]));
        table
    }

    /// These servers; another revision only if it is measured.
    fn columns(&self, peers: &[Peer]) -> Vec<Peer> {
        peers.iter().copied().filter(|peer| *peer != Peer::Former || self.compares).collect()
    }

    /// Each workload's ratio to the limit.
    pub fn ratios(&self) -> impl Iterator<Item = (&'static str, Estimate)> {
        self.timed.iter().filter_map(|(workload, outcomes)| {
            let of = |peer| {
                let (_, outcome) = outcomes.iter().find(|(other, _)| *other == peer)?;
                Some(processor_times(outcome.as_ref().ok()?))
            };
            Some((workload.name, Estimate::of_ratios(&of(Peer::Ipcd)?, &of(Peer::Limit)?)))
        })
    }

    fn timed(&self, peers: &[Peer], wanted: impl Fn(&Workload) -> bool) -> String {
        let mut table = header("µs of the server's processor time", peers.iter().map(|peer| peer.title()));
        for (workload, outcomes) in self.timed.iter().filter(|(workload, _)| wanted(workload)) {
            row(&mut table, workload.title, peers.iter().map(|&peer| timed_cell(outcomes, peer)));
            if let Kind::Latency(..) = workload.kind {
                let cells = peers.iter().map(|&peer| latency(outcome_of(outcomes, peer)));
                row(&mut table, "its latency in µs: p50 / p99 / max", cells);
            }
        }
        table
    }

    /// What the other load generator finds, beside the figures of this one.
    pub fn opinion_table(&self) -> String {
        let Some(tcpkali) = &self.tcpkali else { return String::new() };
        let peers = self.columns(&opinion::PEERS);
        let titles = peers
            .iter()
            .flat_map(|peer| [format!("{}: here", peer.title()), format!("{}: {tcpkali}", peer.title())]);
        let mut table = header("µs of the server's processor time", titles);
        for (asked, theirs) in &self.opinions {
            let ours = self.timed.iter().find(|(workload, _)| workload.name == asked.beside);
            let nobody = Vec::new();
            let ours = ours.map_or(&nobody, |(_, outcomes)| outcomes);
            let cells = peers.iter().flat_map(|&peer| [timed_cell(ours, peer), timed_cell(theirs, peer)]);
            row(&mut table, asked.title(), cells);
        }
        table
    }

    /// Memory, idle processor time, start and system calls.
    pub fn rest_table(&self) -> String {
        let peers = self.columns(&rest::PEERS);
        let mut table = header("", peers.iter().map(|peer| peer.title()));
        beside(&mut table, &peers, (&self.idle, &self.start, &self.calls));
        if !self.idle.is_empty() {
            let title = format!("ms of processor time in {} s with all idle", self.silence.as_secs_f64());
            line(&mut table, &title, &peers, &self.idle, |idle| format!("{:.1}", idle.cpu_ms));
            let title = "times that it was woken meanwhile";
            line(&mut table, title, &peers, &self.idle, |idle| idle.woken.to_string());
        }
        if let Some(rest::Silence { time, members, woken: [alone, full] }) = self.wake_ups {
            let time = time.as_secs_f64();
            for (title, woken) in [
                (format!("times that it is woken in {time} s with nobody connected"), alone),
                (format!("the same with {} silent members in the room", grouped(members)), full),
            ] {
                line(&mut table, &title, &peers, &[(Peer::Ipcd, woken)], ToString::to_string);
            }
        }
        table
    }

    /// The data of the plot.
    pub fn scaling_table(&self) -> String {
        let columns =
            scaling::PEERS.into_iter().filter(|peer| self.scaling.iter().any(|(other, _)| other == peer));
        let mut table =
            header("connections: µs of processor time; latency p50 / p99", columns.map(Peer::title));
        let counts = self.scaling.first().into_iter().flat_map(|(_, curve)| curve.iter().enumerate());
        for (at, (count, _)) in counts {
            let cells = self.scaling.iter().map(|(_, curve)| {
                let rounds = &curve[at].1;
                let cpu = significant(median(rounds.iter().map(|round| round.cpu)));
                let latencies = || rounds.iter().filter_map(|round| round.latency);
                let [p50, p99] = [median(latencies().map(|it| it.p50)), median(latencies().map(|it| it.p99))];
                format!("{cpu}; {p50:.0} / {p99:.0}")
            });
            row(&mut table, &grouped(*count), cells);
        }
        table
    }
}

/// Costs of a few servers apart from processor time: idle connections, start, system calls.
type Beside<'a> = (&'a [(Peer, Idle)], &'a [(Peer, Start)], &'a [(Peer, Calls)]);

fn beside(table: &mut String, peers: &[Peer], (idle, start, calls): Beside<'_>) {
    if let Some((_, Idle { connections, .. })) = idle.first() {
        let title = format!("bytes of memory for each of {} idle connections", grouped(*connections));
        line(table, &title, peers, idle, |idle| format!("{:.0}", idle.each));
        let title = "kept of it when all have closed";
        line(table, title, peers, idle, |idle| format!("{:.0} %", idle.kept * 100.0));
    }
    line(table, "ms from the start to the first reply", peers, start, |start| format!("{:.1}", start.ms));
    let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    line(table, "MiB resident at rest", peers, start, |start| mebibytes(start.resident));
    let mut counted = |title, which: fn(&Calls) -> f64| {
        line(table, title, peers, calls, |calls| significant(which(calls)));
    };
    counted("system calls for a request, 1 in flight", |calls| calls.one);
    counted("the same, 32 in flight", |calls| calls.pipelined);
    counted("system calls for a short connection", |calls| calls.short);
}

/// Adds a row with the measured servers, if any was measured.
fn line<T>(table: &mut String, title: &str, peers: &[Peer], all: &[(Peer, T)], cell: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    let of = |peer| all.iter().find(|(other, _)| *other == peer);
    row(
        table,
        title,
        peers.iter().map(|&peer| of(peer).map_or(NOTHING.to_owned(), |(_, figures)| cell(figures))),
    );
}

/// Replaces the text between two marker lines of a file.
pub fn rewrite(path: &Path, text: &str) -> Result<()> {
    rewrite_between(path, text, LINES)
}

/// Replaces the tables for TLS.
pub fn rewrite_tls(path: &Path, text: &str) -> Result<()> {
    rewrite_between(path, text, TLS)
}

/// Replaces the tables for WebSocket.
pub fn rewrite_ws(path: &Path, text: &str) -> Result<()> {
    rewrite_between(path, text, WS)
}

fn rewrite_between(path: &Path, text: &str, lines: [&str; 2]) -> Result<()> {
    let name = path.display();
    let old = fs::read_to_string(path).with_context(|| name.to_string())?;
    let new = between(&old, text, lines)
        .with_context(|| format!("{name}: no line {} with {} behind it", lines[0], lines[1]))?;
    fs::write(path, new).with_context(|| name.to_string())
}

const LINES: [&str; 2] = ["<!-- benches/run -->\n", "<!-- end of benches/run -->"];
const WS: [&str; 2] = ["<!-- benches/run, WebSocket -->\n", "<!-- end of benches/run, WebSocket -->"];
const TLS: [&str; 2] = ["<!-- benches/run, TLS -->\n", "<!-- end of benches/run, TLS -->"];

fn between(old: &str, text: &str, [begin, end]: [&str; 2]) -> Option<String> {
    let (before, rest) = old.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim_end()))
}

fn processor_times(rounds: &[Round]) -> Vec<f64> {
    rounds.iter().map(|round| round.cpu).collect()
}

fn outcome_of(outcomes: &[(Peer, Outcome)], peer: Peer) -> Option<&Outcome> {
    outcomes.iter().find(|(other, _)| *other == peer).map(|(_, outcome)| outcome)
}

/// The figures of one server, with the ratio to the limit of the same outcomes.
fn timed_cell(outcomes: &[(Peer, Outcome)], peer: Peer) -> String {
    let limit = outcome_of(outcomes, Peer::Limit).and_then(|outcome| outcome.as_ref().ok());
    match outcome_of(outcomes, peer) {
        None => NOTHING.to_owned(),
        Some(Err(_)) => "fails".to_owned(),
        Some(Ok(rounds)) => cell(rounds, limit.filter(|_| peer != Peer::Limit)),
    }
}

fn cell(rounds: &[Round], limit: Option<&Vec<Round>>) -> String {
    let of = processor_times;
    let cpu = significant(median(of(rounds).into_iter()));
    let rate = rate(median(rounds.iter().map(|round| round.per_second)));
    match limit {
        None => format!("{cpu} ({rate})"),
        Some(limit) => {
            // The ratio within each round: only runs side by side can be compared.
            let ratio = Estimate::of_ratios(&of(rounds), &of(limit));
            let is_noise = Estimate::of_noise(&of(limit)).is_some_and(|noise| noise.contains(ratio.middle));
            let mark = if is_noise { "≈" } else { "×" };
            let Estimate { middle, low, high } = ratio;
            format!("{cpu} {mark}{middle:.2} [{low:.2}–{high:.2}] ({rate})")
        }
    }
}

fn latency(outcome: Option<&Outcome>) -> String {
    let Some(Ok(rounds)) = outcome else { return NOTHING.to_owned() };
    let latencies: Vec<_> = rounds.iter().filter_map(|round| round.latency).collect();
    if latencies.is_empty() {
        return NOTHING.to_owned();
    }
    let [p50, max] = [
        median(latencies.iter().map(|latency| latency.p50)),
        median(latencies.iter().map(|latency| latency.max)),
    ];
    let p99 = Estimate::of(&latencies.iter().map(|latency| latency.p99).collect::<Vec<f64>>());
    format!("{p50:.0} / {:.0} [{:.0}–{:.0}] / {max:.0}", p99.middle, p99.low, p99.high)
}

pub fn header(first: &str, columns: impl Iterator<Item = impl Into<String>>) -> String {
    let columns: Vec<String> = columns.map(Into::into).collect();
    format!("| {first} | {} |\n|---|{}\n", columns.join(" | "), "--:|".repeat(columns.len()))
}

pub fn row(table: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<_> = cells.collect();
    let _ = writeln!(table, "| {first} | {} |", cells.join(" | "));
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// The value with three significant digits.
pub fn significant(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// With thousands separators: 19,600 for 19600.
pub fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate per second, with its unit.
fn rate(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1} M/s", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k/s", value / 1e3),
        value if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
        value => format!("{value:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_value_or_the_mean_of_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }

    #[test]
    fn only_the_part_between_the_marker_lines_is_replaced() {
        let [begin, end] = LINES;
        let old = format!("a\n{begin}old\n{end}\nb\n");
        assert_eq!(between(&old, "new\n", LINES).unwrap(), format!("a\n{begin}\nnew\n\n{end}\nb\n"));
        assert_eq!(between(end, "new", LINES), None);
    }

    #[test]
    fn figures_have_three_significant_digits() {
        assert_eq!([0.1234, 4.567, 45.67, 456.7].map(significant), ["0.123", "4.57", "45.7", "457"]);
    }
}
