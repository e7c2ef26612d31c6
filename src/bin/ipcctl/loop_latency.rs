//! The duration of turns of the daemon's event loop: percentiles and a histogram, for people.

use serde_json::Value;

/// The most rows of the histogram; neighbours share a row if there are more.
const ROWS_MAX: usize = 8;

/// The length of a bar for all turns.
const BAR: u128 = 40;

/// A bucket: its longest time in microseconds (`None`: any), and its number of turns.
type Bucket = (Option<u64>, u64);

/// The `turns` of a report.
pub(crate) struct Turns {
    buckets: Vec<Bucket>,
    total: u128,
}

impl Turns {
    pub(crate) fn of(report: &Value) -> Turns {
        let buckets = report.as_array().map(Vec::as_slice).unwrap_or_default().iter();
        let buckets: Vec<Bucket> = buckets
            .map(|bucket| (bucket["up_to_us"].as_u64(), bucket["count"].as_u64().unwrap_or(0)))
            .collect();
        let total = buckets.iter().map(|(_, count)| u128::from(*count)).sum();
        Turns { buckets, total }
    }

    /// The number of turns, and their percentiles.
    pub(crate) fn summary(&self) -> String {
        if self.total == 0 {
            return "turns of the event loop: none yet".to_owned();
        }
        let [p50, p90, p99, max] = [50, 90, 99, 100].map(|percent| self.bound(percent));
        format!("turns of the event loop: {}; p50 {p50}, p90 {p90}, p99 {p99}, max {max}", self.total)
    }

    /// The bucket of a percentile.
    fn bound(&self, percent: u128) -> String {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut counted = 0;
        for (at, (up_to, count)) in self.buckets.iter().enumerate() {
            counted += u128::from(*count);
            if counted >= wanted {
                return match (up_to, at.checked_sub(1).and_then(|before| self.buckets[before].0)) {
                    (Some(up_to), _) => format!("<= {}", span(*up_to)),
                    (None, Some(above)) => format!("> {}", span(above)),
                    (None, None) => "any".to_owned(),
                };
            }
        }
        "-".to_owned()
    }

    /// Rows of a table: limit, number, and a bar. Empty rows at both ends are omitted.
    pub(crate) fn rows(&self) -> Vec<[String; 3]> {
        let has_some = |bucket: &Bucket| bucket.1 > 0;
        let Some(first) = self.buckets.iter().position(has_some) else { return Vec::new() };
        let last = self.buckets.iter().rposition(has_some).unwrap_or(first);
        let shown = &self.buckets[first..=last];
        let shared = shown.chunks(shown.len().div_ceil(ROWS_MAX));
        let rows = shared.map(|share| {
            let count: u128 = share.iter().map(|(_, count)| u128::from(*count)).sum();
            let up_to = share.last().and_then(|bucket| bucket.0).map_or("more".to_owned(), span);
            // Every number above 0 is visible.
            let cells = (count * BAR).div_ceil(self.total) as usize;
            [up_to, count.to_string(), "#".repeat(cells)]
        });
        rows.collect()
    }
}

/// Microseconds with their unit.
fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{:.1}ms", micros as f64 / 1e3),
        _ => format!("{:.1}s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As the daemon has them: powers of two, and one for what takes longer.
    fn turns(counts: &[u64]) -> Turns {
        let bucket = |(at, count): (usize, &u64)| match at + 1 < counts.len() {
            true => json!({"up_to_us": 1_u64 << at, "count": count}),
            false => json!({"up_to_us": null, "count": count}),
        };
        Turns::of(&counts.iter().enumerate().map(bucket).collect())
    }

    #[test]
    fn percentile_is_the_upper_bound_of_its_bucket() {
        assert_eq!(
            turns(&[50, 40, 9, 1, 0]).summary(),
            "turns of the event loop: 100; p50 <= 1us, p90 <= 2us, p99 <= 4us, max <= 8us"
        );
        let mut counts = [0; 24];
        (counts[10], counts[20], counts[23]) = (51, 48, 1);
        assert_eq!(
            turns(&counts).summary(),
            "turns of the event loop: 100; p50 <= 1.0ms, p90 <= 1.0s, p99 <= 1.0s, max > 4.2s"
        );
        for none in [Value::Null, json!([]), json!([{"up_to_us": 1, "count": "x"}])] {
            let turns = Turns::of(&none);
            assert_eq!(
                (turns.summary().as_str(), turns.rows().len()),
                ("turns of the event loop: none yet", 0)
            );
        }
    }

    #[test]
    fn histogram_has_few_rows_and_shows_every_sample() {
        let row = |up_to: &str, count: &str, cells| [up_to.to_owned(), count.to_owned(), "#".repeat(cells)];
        assert_eq!(
            turns(&[0, 300, 0, 100, 0, 0]).rows(),
            [row("2us", "300", 30), row("4us", "0", 0), row("8us", "100", 10)]
        );
        // Every bucket, in threes.
        let mut counts = [0; 24];
        (counts[0], counts[23]) = (1_000_000, 1);
        let rows = turns(&counts).rows();
        assert_eq!((rows.len(), &rows[0]), (ROWS_MAX, &row("4us", "1000000", 40)));
        assert_eq!(rows[7], row("more", "1", 1));
        let total: u64 = rows.iter().map(|[_, count, _]| count.parse::<u64>().unwrap()).sum();
        assert_eq!(total, 1_000_001);
    }
}
