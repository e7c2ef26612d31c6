//! The figures of ipcd, one line each, so that they can be followed over the revisions: benches/history.csv.

use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::peer::Peer;
use crate::report::Report;

const HEADER: &str = "commit,date,machine,figure,value,low,high\n";

/// Appends the figures of this run, and the counts of instructions of this revision.
pub fn append(report: &Report, root: &Path, file: &Path) -> Result<()> {
    let counts = fs::read_to_string(root.join("benches/instructions/counts.txt")).unwrap_or_default();
    let lines = lines(report, &revision(root), &counts);
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        let header = if file.metadata()?.len() == 0 { HEADER } else { "" };
        file.write_all(format!("{header}{lines}").as_bytes())
    };
    write().with_context(|| file.display().to_string())
}

/// What is measured: the commit, with a plus sign if something has changed since.
fn revision(root: &Path) -> String {
    let described =
        Command::new("git").arg("-C").arg(root).args(["describe", "--always", "--dirty=+"]).output();
    described.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn lines(report: &Report, revision: &str, counts: &str) -> String {
    let mut lines = String::new();
    let start = format!("{revision},{},\"{}\"", report.date, report.machine.replace('"', "'"));
    for (workload, ratio) in report.ratios() {
        let _ = writeln!(
            lines,
            "{start},{workload}: processor time of the limit,{:.3},{:.3},{:.3}",
            ratio.middle, ratio.low, ratio.high
        );
    }
    let ours = report.idle.iter().find(|(peer, _)| *peer == Peer::Ipcd);
    if let Some((_, idle)) = ours {
        let _ = writeln!(lines, "{start},idle: bytes of memory for each connection,{:.0},,", idle.each);
    }
    let ours = report.start.iter().find(|(peer, _)| *peer == Peer::Ipcd);
    if let Some((_, figures)) = ours {
        let _ = writeln!(lines, "{start},start: ms to the first reply,{:.2},,", figures.ms);
        let _ = writeln!(lines, "{start},start: bytes resident at rest,{},,", figures.resident);
    }
    for line in counts.lines().filter(|line| !line.starts_with('#')) {
        if let [path, count] = line.split_whitespace().collect::<Vec<_>>()[..] {
            let _ = writeln!(lines, "{start},{path}: instructions,{},,", count.replace(',', ""));
        }
    }
    lines
}
