//! The tables.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::peer::{Ground, Peer};
use crate::workload::{Kind, Outcome, Round, Workload};

/// Where nobody was asked.
const NOTHING: &str = "–";

pub struct Report {
    machine: String,
    how: String,
    pub timed: Vec<(&'static Workload, Vec<(Peer, Outcome)>)>,
}

impl Report {
    pub fn new(ground: &Ground, rounds: usize, time: Duration) -> Report {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        let date =
            Command::new("date").arg("+%Y-%m-%d").output().map(|output| output.stdout).unwrap_or_default();
        let machine = format!(
            "Linux {}, {}, {cpus} CPUs, {}",
            release.trim(),
            model.map_or("a processor", |(_, model)| model),
            String::from_utf8_lossy(&date).trim()
        );
        let how = format!(
            "{rounds} rounds of {} s for each peer in turn; {}",
            time.as_secs_f64(),
            ground.cores.as_words()
        );
        Report { machine, how, timed: Vec::new() }
    }

    pub fn heading(&self) -> String {
        format!("{}; {}.", self.machine, self.how)
    }

    pub fn has_failed(&self, peers: &[Peer]) -> bool {
        let outcomes = self.timed.iter().flat_map(|(_, outcomes)| outcomes);
        outcomes.filter(|(peer, _)| peers.contains(peer)).any(|(_, outcome)| outcome.is_err())
    }

    /// Processor time, ratio to the limit, rate.
    pub fn timed_table(&self) -> String {
        let peers: Vec<Peer> = Peer::ALL.into_iter().filter(|&peer| peer != Peer::Memcached).collect();
        let mut table = header("µs of the server's processor time", peers.iter().map(|peer| peer.title()));
        for (workload, outcomes) in &self.timed {
            let of = |peer| outcomes.iter().find(|(other, _)| *other == peer).map(|(_, outcome)| outcome);
            let limit = of(Peer::Limit).and_then(|outcome| outcome.as_ref().ok());
            let cells = peers.iter().map(|&peer| match of(peer) {
                None => NOTHING.to_owned(),
                Some(Err(_)) => "fails".to_owned(),
                Some(Ok(rounds)) => cell(rounds, limit.filter(|_| peer != Peer::Limit)),
            });
            row(&mut table, workload.title, cells);
            if let Kind::Latency(..) = workload.kind {
                let cells = peers.iter().map(|&peer| latency(of(peer)));
                row(&mut table, "its latency in µs: p50 / p99 / max", cells);
            }
        }
        table
    }
}

fn cell(rounds: &[Round], limit: Option<&Vec<Round>>) -> String {
    let cpu = significant(median(rounds.iter().map(|round| round.cpu)));
    let rate = rate(median(rounds.iter().map(|round| round.per_second)));
    match limit {
        None => format!("{cpu} ({rate})"),
        Some(limit) => {
            // Of rounds that were side by side.
            let ratio = median(rounds.iter().zip(limit).map(|(round, limit)| round.cpu / limit.cpu));
            format!("{cpu} ×{ratio:.2} ({rate})")
        }
    }
}

fn latency(outcome: Option<&Outcome>) -> String {
    let Some(Ok(rounds)) = outcome else { return NOTHING.to_owned() };
    let latencies: Vec<_> = rounds.iter().filter_map(|round| round.latency).collect();
    if latencies.is_empty() {
        return NOTHING.to_owned();
    }
    let [p50, p99, max] = [
        median(latencies.iter().map(|latency| latency.p50)),
        median(latencies.iter().map(|latency| latency.p99)),
        median(latencies.iter().map(|latency| latency.max)),
    ];
    format!("{p50:.0} / {p99:.0} / {max:.0}")
}

pub fn header(first: &str, columns: impl Iterator<Item = &'static str>) -> String {
    let columns: Vec<_> = columns.collect();
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

/// Three digits that say something.
pub fn significant(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// So many a second.
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
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }

    #[test]
    fn three_digits_are_shown() {
        assert_eq!([0.1234, 4.567, 45.67, 456.7].map(significant), ["0.123", "4.57", "45.7", "457"]);
    }
}
