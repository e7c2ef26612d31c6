//! The output for people: the table with its bars, and the same table in Markdown. `--json` is the structure itself.

use std::fmt::Write;

use serde::Serialize;

use super::super::layout::wrapped;
use super::busy;
use super::failure::MeasureError;
use super::machine::Machine;
use super::measure::{Figures, Pin};
use super::mechanism::{Mechanism, Responder};

/// Raised for every change of the JSON except a new member.
const SCHEMA: u32 = 1;

/// The columns of a whole line, for a terminal of the usual width.
pub(super) const WIDTH: usize = 80;

/// The columns of a title with its indent. A longer title gets its own line.
const TITLE: usize = 23;

/// A bar's length, in characters.
const BAR: usize = 40;

/// The whole result, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    /// The version of ipcctl.
    pub(crate) ipcctl: &'static str,
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// How the processes were pinned, if they were.
    pub(crate) pinned: Option<Pin>,
    pub(crate) request: String,
    /// Requests in flight in the second half, where the mechanism takes so many.
    pub(crate) in_flight: u64,
    /// The share of the processors' time that others used, in percent, if known.
    pub(crate) others_percent: Option<f64>,
    pub(crate) mechanisms: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) title: String,
    #[serde(rename = "partner")] // as its documentation has it
    pub(crate) responder: Responder,
    /// What waits in the kernel between sending and receiving.
    pub(crate) in_kernel: &'static str,
    /// How often the kernel copies a message.
    pub(crate) copies: u8,
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
    pub(crate) fn new(mechanism: Mechanism, outcome: &Result<Figures, MeasureError>) -> Row {
        let outcome = match outcome {
            Ok(figures) => Outcome::Measured(figures.clone()),
            Err(error) => Outcome::Missing { error: error.text().to_owned() },
        };
        Row {
            name: mechanism.name(),
            title: mechanism.title().to_owned(),
            responder: mechanism.responder(),
            in_kernel: mechanism.in_kernel(),
            copies: mechanism.copies(),
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

impl Responder {
    pub(super) fn heading(self) -> &'static str {
        match self {
            Responder::Ipcd => "with the daemon: event loop, framing, limits",
            Responder::Ipcctl => "between two bare processes that do nothing else",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Responder::Ipcd => "ipcd",
            Responder::Ipcctl => "a bare process",
        }
    }
}

/// Nanoseconds as microseconds.
pub(crate) fn micro(nanoseconds: u64) -> String {
    // From ten milliseconds on there is no room for tenths.
    let decimals = usize::from(nanoseconds < 9_999_950);
    format!("{:.decimals$}", nanoseconds as f64 / 1000.0)
}

/// A number with thousands separators.
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
    pub(crate) fn new(
        request: String,
        in_flight: u64,
        pinned: Option<Pin>,
        date: String,
        mechanisms: Vec<Row>,
        others_percent: Option<f64>,
    ) -> Report {
        let machine = Machine::this();
        let ipcctl = env!("CARGO_PKG_VERSION");
        Report {
            schema: SCHEMA,
            ipcctl,
            date,
            machine,
            pinned,
            request,
            in_flight,
            others_percent,
            mechanisms,
        }
    }

    /// The machine and the workload, in two lines.
    pub(crate) fn heading(&self) -> [String; 2] {
        let Report { ipcctl, date, machine, pinned, request, .. } = self;
        let pinned = match pinned {
            Some(Pin::Apart) => "each process on its own processor",
            Some(Pin::Together) => "both processes on one processor",
            None => "not pinned",
        };
        [
            format!("ipcctl {ipcctl}, {}, {pinned}, {date}", machine.line()),
            format!("\"{request}\" and its two replies, every byte compared; waiting processes sleep"),
        ]
    }

    pub(crate) fn table(&self) -> String {
        let heading = self.heading().map(|line| wrapped(&line, WIDTH, ""));
        let mut text = heading.join("\n") + "\n\n";
        let _ = writeln!(text, "{:TITLE$}{:^36}{:>21}", "", "one round trip, µs", "round trips a second");
        let _ = writeln!(
            text,
            "{:TITLE$}{:>7}{:>7}{:>7}{:>8}{:>9}{:>9}{:>10}",
            "",
            "min",
            "p50",
            "p90",
            "p99",
            "max",
            "1 by 1",
            format!("{} {}", self.in_flight, if self.in_flight < 10 { "at once" } else { "a time" })
        );
        self.grouped_rows(&mut text, |row| match &row.outcome {
            Outcome::Measured(Figures { latency_ns, per_second, pipelined, .. }) => {
                let [min, p50, p90, p99, max] = latency_ns.all().map(micro);
                let (one, many) = (grouped(*per_second), grouped(pipelined.per_second));
                Some(format!("{min:>7}{p50:>7}{p90:>7}{p99:>8}{max:>9}{one:>9}{many:>10}"))
            }
            Outcome::Missing { error } => Some(format!(" {error}")),
        });
        if self.mechanisms.iter().any(|row| row.figures().is_some()) {
            self.bars(&mut text);
        }
        let _ = writeln!(text, "\nwhat waits in the kernel, and how often it copies each message");
        self.grouped_rows(&mut text, |row| Some(format!(" {:<16}{}", row.in_kernel, row.copies)));
        text.truncate(text.trim_end().len());
        for sentence in self.sentences() {
            text += "\n\n";
            text += &wrapped(&sentence, WIDTH, "");
        }
        text
    }

    /// The fastest mechanism, and warnings.
    pub(super) fn sentences(&self) -> Vec<String> {
        let p50 = |row: &Row| row.figures().map(|figures| figures.latency_ns.p50);
        let fastest = |rows: &mut dyn Iterator<Item = &Row>| -> Option<String> {
            let (row, p50) = rows.filter_map(|row| Some((row, p50(row)?))).min_by_key(|(_, p50)| *p50)?;
            Some(format!("{}, at {} µs", row.title, micro(p50)))
        };
        let has_several = self.mechanisms.iter().filter_map(p50).count() > 1;
        let all = fastest(&mut self.mechanisms.iter()).filter(|_| has_several);
        let of_ipcd = |row: &&Row| row.responder == Responder::Ipcd;
        let sentence = all.map(|all| match fastest(&mut self.mechanisms.iter().filter(of_ipcd)) {
            Some(ipcd) if ipcd != all => format!("Fastest here: {all}; with the daemon: {ipcd}."),
            _ => format!("Fastest here: {all}."),
        });
        let warning =
            self.others_percent.and_then(busy::warning).map(|warning| format!("Warning: {warning}."));
        sentence.into_iter().chain(warning).collect()
    }

    /// A line for each row that `write` handles.
    fn grouped_rows(&self, text: &mut String, write: impl Fn(&Row) -> Option<String>) {
        for responder in [Responder::Ipcd, Responder::Ipcctl] {
            let rows = self.mechanisms.iter().filter(|row| row.responder == responder);
            let rows: Vec<_> = rows.filter_map(|row| Some((row, write(row)?))).collect();
            if !rows.is_empty() {
                let _ = writeln!(text, "{}", responder.heading());
            }
            for (row, rest) in rows {
                let title = format!(" {}", row.title);
                let line = match title.chars().count() <= TITLE {
                    true => format!("{title:TITLE$}{rest}"),
                    false => format!("{title}\n{:TITLE$}{rest}", ""),
                };
                let indent = " ".repeat(TITLE + 1);
                let lines = line.lines().map(|line| wrapped(line, WIDTH, &indent));
                let _ = writeln!(text, "{}", lines.collect::<Vec<_>>().join("\n"));
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
            // Cut: drawn whole, one slow round trip in a hundred would make the others too small to see.
            let more = if cells(latency_ns.p99) > BAR { "…" } else { "" };
            Some(format!("{:>9} {bar}{more}", micro(latency_ns.p50)))
        });
        let most = self.most_per_second();
        let length = |value: u64| (value as f64 / most as f64 * BAR as f64).round().max(1.0) as usize;
        let _ = writeln!(text, "\nround trips a second: one by one █, {} in flight ░", self.in_flight);
        self.grouped_rows(text, |row| {
            let Figures { per_second, pipelined, .. } = row.figures()?;
            let (one, many) = (length(*per_second), length(pipelined.per_second));
            let bar = "█".repeat(one) + &"░".repeat(many.saturating_sub(one));
            Some(format!("{:>9} {bar}", grouped(*per_second)))
        });
    }

    /// The end of the axis of latencies: it shows every p90, and of the p99 as much as leaves the other bars visible.
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
        let warning = self.others_percent.and_then(busy::warning);
        let warning = warning.map(|warning| format!(" **{warning}.**")).unwrap_or_default();
        let mut text = format!("{machine}; {what}.{warning}\n\n");
        let _ = writeln!(
            text,
            "| mechanism | who answers | min µs | p50 µs | p90 µs | p99 µs | max µs | a second | a second, {} in flight | in the kernel | copies |",
            self.in_flight
        );
        let _ = writeln!(text, "|---|---|--:|--:|--:|--:|--:|--:|--:|---|--:|");
        for row in &self.mechanisms {
            let _ = write!(text, "| {} | {} |", row.title, row.responder.name());
            match &row.outcome {
                Outcome::Measured(Figures { latency_ns, per_second, pipelined, .. }) => {
                    let values = latency_ns.all().map(|value| format!(" {} |", micro(value)));
                    text.push_str(&values.concat());
                    let (one, many) = (grouped(*per_second), grouped(pipelined.per_second));
                    let fewer = match pipelined.in_flight {
                        same if same == self.in_flight => String::new(),
                        fewer => format!(" ({fewer} in flight)"),
                    };
                    let _ = writeln!(text, " {one} | {many}{fewer} | {} | {} |", row.in_kernel, row.copies);
                }
                Outcome::Missing { error } => {
                    let error = error.replace('|', "\\|");
                    let _ = writeln!(text, " | | | | | | {error} | {} | {} |", row.in_kernel, row.copies);
                }
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Latency, Pipelined};
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn table_fits_80_columns_for_all_figures() {
        let latency =
            Latency { min: 999_900, p50: 9_999_900, p90: 23_438_100, p99: 99_999_900, max: 999_999_900 };
        let pipelined = Pipelined { in_flight: 4, round_trips: 1, per_second: 9_999_999 };
        let figures = Figures { round_trips: 1, latency_ns: latency, per_second: 999_999, pipelined };
        let rows =
            Mechanism::value_variants().iter().map(|mechanism| Row::new(*mechanism, &Ok(figures.clone())));
        let mut rows: Vec<Row> = rows.collect();
        rows.push(Row::new(
            Mechanism::Tcp,
            &Err(MeasureError::Missing("it is not there for a long reason ".repeat(9))),
        ));
        rows[1].title = "unix:///run/user/1000/some/where/multiply.sock".to_owned();
        let report = Report::new("5 10".to_owned(), 4, None, "2026-11-21".to_owned(), rows, Some(25.0));
        let table = report.table();
        assert!(table.contains(" 9999.9  23438  100000 "), "{table}");
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", line.chars().count());
        }
        for width in [30, 40, 79] {
            let table = super::super::narrow::table(&report, width);
            let is_word = |line: &str| !line.trim().contains(' '); // a path is not broken
            for line in table.lines() {
                assert!(line.chars().count() <= width || is_word(line), "{width}: {line}");
            }
            assert!(table.contains(" 9999.9   999,999") && table.contains("Warning: this"), "{table}");
        }
        assert!(
            table.contains("Fastest here: ") && table.contains("Warning: this machine was busy"),
            "{table}"
        );
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
