//! The tables of what is measured of ipcd alone, and of what the curves say.

use super::{NOTHING, Report, grouped, header, row, significant};
use crate::scaling;

impl Report {
    /// The effect of handshakes on a client without TLS.
    pub fn flood_table(&self) -> String {
        let Some(flood) = &self.flood else { return String::new() };
        let titles = ["p50", "p99", "max"];
        let mut table = header("ipcd, µs of a round trip in the clear", titles.into_iter());
        let count = grouped(flood.handshakes);
        for (title, latency) in [
            ("with nobody else".to_owned(), flood.quiet),
            (format!("while {count} handshakes begin at once"), flood.hellos),
            (format!("while {count} handshakes end at once, each with a request"), flood.finished),
        ] {
            let cells = [latency.p50, latency.p99, latency.max].map(|time| format!("{time:.0}"));
            row(&mut table, &title, cells.into_iter());
        }
        table
    }

    /// What the curves say about more connections than one process may have.
    pub fn fit_table(&self) -> String {
        let lines: Vec<_> = self
            .scaling
            .iter()
            .filter_map(|(peer, curve)| {
                Some((*peer, scaling::processor_time(curve)?, scaling::memory(curve)?))
            })
            .collect();
        if lines.is_empty() {
            return String::new();
        }
        let titles = lines.iter().map(|(peer, ..)| peer.title());
        let mut table = header("the line through the figures from 100 connections on", titles);
        let either = |(value, error): (f64, f64)| format!("{} ± {}", significant(value), significant(error));
        let cells = lines.iter().map(|(_, time, _)| {
            format!("{:.2} + {:.2} log₁₀ n, ± {:.2}", time.start, time.slope, time.error)
        });
        row(&mut table, "µs of processor time for a request with n connections", cells);
        for count in [100_000.0_f64, 1e6] {
            let title = format!("the same with {} connections", grouped(count as usize));
            row(&mut table, &title, lines.iter().map(|(_, time, _)| either(time.at(count.log10()))));
        }
        let cells = lines.iter().map(|(.., memory)| significant(memory.slope));
        row(&mut table, "bytes of memory for a connection", cells);
        for count in [100_000.0, 1e6] {
            let title = format!("MiB with {} connections", grouped(count as usize));
            let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
            let cells = lines.iter().map(|(.., memory)| {
                let (value, error) = memory.at(count);
                either((mebibytes(value), mebibytes(error)))
            });
            row(&mut table, &title, cells);
        }
        table
    }

    /// The latency of the last member of a large room.
    pub fn crowd_table(&self) -> String {
        let Some(room) = &self.big_room else { return String::new() };
        let titles = [
            "µs of processor time for a delivery",
            "ms to the median member",
            "ms to the last, p50",
            "p99",
            "max",
        ];
        let mut table = header("ipcd, one message after the other", titles.into_iter());
        let last = room.last;
        let times = [room.median, last.p50, last.p99, last.max].map(|time| significant(time / 1e3));
        let cells = std::iter::once(significant(room.cpu)).chain(times);
        row(&mut table, &format!("a room of {} members", grouped(room.members)), cells);
        table
    }

    /// What one client notices of large things that happen to others.
    pub fn tail_table(&self) -> String {
        let titles = [
            "p50",
            "p99",
            "p99.9",
            "longest of one event",
            "ms that an event lasts",
            "ms of its processor time",
        ];
        let mut table = header("ipcd, µs of a round trip during", titles.into_iter());
        for tail in &self.tail {
            let whole = |time: f64| format!("{time:.0}");
            let mut cells = vec![NOTHING.to_owned(); 3];
            if let Some(trips) = tail.trips {
                cells = [trips.p50, trips.p99, trips.p999].map(whole).to_vec();
            }
            let cpu = tail.cpu.map_or(NOTHING.to_owned(), significant);
            cells.extend([whole(tail.worst), significant(tail.lasts), cpu]);
            row(&mut table, &tail.title, cells.into_iter());
        }
        table
    }
}
