//! What a person reads: the table with its bars, and the same table for a document. `--json` is the structure itself.

use std::fmt::Write;

use serde::Serialize;

use super::machine::Machine;
use super::measure::{Fault, Figures, IN_FLIGHT, Pin};
use super::mechanism::{Mechanism, Partner};

/// Raised with every change that a reader of the JSON would notice, but for a new member.
const SCHEMA: u32 = 1;

/// The columns of a name, and at least those of a title.
const NAME: usize = 14;
const TITLE: usize = 21;

/// A bar's length, in characters.
const BAR: usize = 40;

/// The whole outcome, as `--json` writes it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    /// The version of ipcctl.
    pub(crate) ipcctl: &'static str,
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// Where each process was kept, if it was.
    pub(crate) pinned: Option<Pin>,
    pub(crate) request: String,
    pub(crate) mechanisms: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) partner: Partner,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Measured(Figures),
    Missing { error: String },
}

impl Row {
    pub(crate) fn new(mechanism: Mechanism, outcome: &Result<Figures, Fault>) -> Row {
        let outcome = match outcome {
            Ok(figures) => Outcome::Measured(figures.clone()),
            Err(fault) => Outcome::Missing { error: fault.text().to_owned() },
        };
        Row {
            name: mechanism.name(),
            title: mechanism.title().to_owned(),
            partner: mechanism.partner(),
            outcome,
        }
    }

    pub(crate) fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Measured(figures) => Some(figures),
            Outcome::Missing { .. } => None,
        }
    }
}

impl Partner {
    fn heading(self) -> &'static str {
        match self {
            Partner::Ipcd => "with the daemon: its event loop, its framing, its limits",
            Partner::Ipcctl => "between two bare processes, which do nothing else",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Partner::Ipcd => "ipcd",
            Partner::Ipcctl => "a bare process",
        }
    }
}

/// Nanoseconds as microseconds.
pub(crate) fn micro(nanoseconds: u64) -> String {
    format!("{:.1}", nanoseconds as f64 / 1000.0)
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Report {
    pub(crate) fn new(request: String, pinned: Option<Pin>, date: String, mechanisms: Vec<Row>) -> Report {
        let machine = Machine::this();
        let ipcctl = env!("CARGO_PKG_VERSION");
        Report { schema: SCHEMA, ipcctl, date, machine, pinned, request, mechanisms }
    }

    /// Where and what, in two lines.
    pub(crate) fn heading(&self) -> [String; 2] {
        let Report { ipcctl, date, machine, pinned, request, .. } = self;
        let pinned = match pinned {
            Some(Pin::Apart) => "each process on a processor of its own",
            Some(Pin::Together) => "both processes on one processor",
            None => "not pinned",
        };
        [
            format!("ipcctl {ipcctl}, {}, {pinned}, {date}", machine.line()),
            format!("\"{request}\" and its two replies, every byte compared; who waits sleeps, nobody spins"),
        ]
    }

    pub(crate) fn table(&self) -> String {
        let mut text = self.heading().join("\n") + "\n\n";
        let indent = " ".repeat(self.names_width());
        let _ = writeln!(text, "{indent}{:^40}{:>25}", "one round trip, µs", "round trips a second");
        let _ = writeln!(
            text,
            "{indent}{:>8}{:>8}{:>8}{:>8}{:>8}{:>12}{:>13}",
            "min",
            "p50",
            "p90",
            "p99",
            "max",
            "one by one",
            format!("{IN_FLIGHT} in flight")
        );
        self.grouped_rows(&mut text, |row| match &row.outcome {
            Outcome::Measured(Figures { latency_ns, per_second, pipelined, .. }) => {
                let values = latency_ns.all().map(|value| format!("{:>8}", micro(value)));
                let (one, many) = (grouped(*per_second), grouped(pipelined.per_second));
                Some(format!("{}{one:>12}{many:>13}", values.concat()))
            }
            Outcome::Missing { error } => Some(format!("  {error}")),
        });
        if self.mechanisms.iter().any(|row| row.figures().is_some()) {
            self.bars(&mut text);
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// How wide the names and titles are, in columns.
    fn names_width(&self) -> usize {
        let longest = self.mechanisms.iter().map(|row| row.title.chars().count()).max().unwrap_or(0);
        NAME + longest.max(TITLE) + 1
    }

    /// A line for each row that `write` has something to say of.
    fn grouped_rows(&self, text: &mut String, write: impl Fn(&Row) -> Option<String>) {
        for partner in [Partner::Ipcd, Partner::Ipcctl] {
            let rows = self.mechanisms.iter().filter(|row| row.partner == partner);
            let rows: Vec<_> = rows.filter_map(|row| Some((row, write(row)?))).collect();
            if !rows.is_empty() {
                let _ = writeln!(text, "{}", partner.heading());
            }
            for (row, rest) in rows {
                let names = format!("  {:11} {}", row.name, row.title);
                let _ = writeln!(text, "{names:0$}{rest}", self.names_width());
            }
        }
    }

    fn bars(&self, text: &mut String) {
        let scale = self.scale_ns();
        let cells = |value: u64| ((value as f64 / scale as f64) * BAR as f64).round() as usize;
        let _ = writeln!(
            text,
            "\nlatency: half are within █ (p50, µs), nine of ten within ▒, 99 of 100 within ░"
        );
        self.grouped_rows(text, |row| {
            let Figures { latency_ns, .. } = row.figures()?;
            let mut bar = String::new();
            for (percentile, cell) in [(latency_ns.p50, '█'), (latency_ns.p90, '▒'), (latency_ns.p99, '░')]
            {
                let length = cells(percentile).clamp(1, BAR);
                bar.extend(std::iter::repeat_n(cell, length.saturating_sub(bar.chars().count())));
            }
            // It goes on: drawn whole, one slow round trip in a hundred would make the others too small to see.
            let more = if cells(latency_ns.p99) > BAR { "…" } else { "" };
            Some(format!("{:>9}  {bar}{more}", micro(latency_ns.p50)))
        });
        let most = self.most_per_second();
        let length = |value: u64| (value as f64 / most as f64 * BAR as f64).round().max(1.0) as usize;
        let _ = writeln!(text, "\nround trips a second: one by one █, {IN_FLIGHT} in flight ░");
        self.grouped_rows(text, |row| {
            let Figures { per_second, pipelined, .. } = row.figures()?;
            let (one, many) = (length(*per_second), length(pipelined.per_second));
            let bar = "█".repeat(one) + &"░".repeat(many.saturating_sub(one));
            Some(format!("{:>9}  {bar}", grouped(*per_second)))
        });
    }

    /// The end of the axis of latencies: all of the p90, and as much of the p99 as leaves the rest to be seen.
    pub(crate) fn scale_ns(&self) -> u64 {
        let figures = || self.mechanisms.iter().filter_map(Row::figures);
        let p90 = figures().map(|figures| figures.latency_ns.p90).max().unwrap_or(1);
        let p99 = figures().map(|figures| figures.latency_ns.p99).max().unwrap_or(1);
        p99.min(p90 + p90 / 2).max(1)
    }

    /// The end of the axis of throughput.
    pub(crate) fn most_per_second(&self) -> u64 {
        let figures = self.mechanisms.iter().filter_map(Row::figures);
        figures.map(|figures| figures.per_second.max(figures.pipelined.per_second)).max().unwrap_or(1).max(1)
    }

    pub(crate) fn markdown(&self) -> String {
        let [machine, what] = self.heading();
        let mut text = format!("{machine}; {what}.\n\n");
        let _ = writeln!(
            text,
            "| mechanism | who answers | min µs | p50 µs | p90 µs | p99 µs | max µs | a second | a second, {IN_FLIGHT} in flight |"
        );
        let _ = writeln!(text, "|---|---|--:|--:|--:|--:|--:|--:|--:|");
        for row in &self.mechanisms {
            let _ = write!(text, "| {} | {} |", row.title, row.partner.name());
            match &row.outcome {
                Outcome::Measured(Figures { latency_ns, per_second, pipelined, .. }) => {
                    let values = latency_ns.all().map(|value| format!(" {} |", micro(value)));
                    text.push_str(&values.concat());
                    let (one, many) = (grouped(*per_second), grouped(pipelined.per_second));
                    let _ = writeln!(text, " {one} | {many} |");
                }
                Outcome::Missing { error } => {
                    let error = error.replace('|', "\\|");
                    let _ = writeln!(text, " | | | | | | {error} |");
                }
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
