//! The results for a terminal that is too narrow for the whole table: the median latency, and one throughput.

use std::fmt::Write;

use super::super::layout::wrapped;
use super::mechanism::Responder;
use super::report::{Outcome, Report, grouped, micro};

/// Columns of the figures: a latency and a throughput.
const FIGURES: usize = 18;

/// The narrowest readable line.
const WIDTH_MIN: usize = 30;

pub(super) fn table(report: &Report, width: usize) -> String {
    let width = width.max(WIDTH_MIN);
    let title_width = width - FIGURES;
    let mut lines: Vec<String> = report.heading().map(|line| wrapped(&line, width, "")).into();
    lines.push(String::new());
    lines.push(format!("{:title_width$}{:>8}{:>10}", "", "p50, µs", "a second"));
    for responder in [Responder::Ipcd, Responder::Ipcctl] {
        let rows: Vec<_> = report.mechanisms.iter().filter(|row| row.responder == responder).collect();
        if !rows.is_empty() {
            lines.push(wrapped(responder.heading(), width, ""));
        }
        for row in rows {
            let mut line = format!(" {}", row.title);
            if line.chars().count() > title_width {
                lines.push(wrapped(&line, width, "  "));
                line.clear();
            }
            match &row.outcome {
                Outcome::Measured(figures) => {
                    let (p50, per_second) = (micro(figures.latency_ns.p50), grouped(figures.per_second));
                    let _ =
                        write!(line, "{:1$}{p50:>8}{per_second:>10}", "", title_width - line.chars().count());
                    lines.push(line);
                }
                Outcome::Missing { error } => lines.push(wrapped(&format!("{line} {error}"), width, "  ")),
            }
        }
    }
    for sentence in report.sentences() {
        lines.push(String::new());
        lines.push(wrapped(&sentence, width, ""));
    }
    lines.join("\n")
}
