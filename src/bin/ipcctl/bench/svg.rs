//! The plot, as SVG: one row for each mechanism, latency on the left and throughput on the right.

use std::fmt::Write;

use super::mechanism::Responder;
use super::report::{Outcome, Report, Row, grouped, micro};

/// Lengths, in the plot's own units (pixels, where it is not scaled).
const ROW: usize = 26;
const TOP: usize = 96;
const LATENCY_LEFT: usize = 200;
const RATE_LEFT: usize = 640;
const AXIS: usize = 340;
const WIDTH: usize = 1060;

/// Attributes rather than a style sheet, which not every program that shows SVG understands.
const TEXT: &str = r##"font-family="sans-serif" font-size="13" fill="#222""##;
const TITLE: &str = r#"font-size="16" font-weight="bold""#;
const SMALL: &str = r#"font-size="11""#;

/// The most characters of a reason that fit.
const REASON: usize = 120;

pub(crate) fn plot(report: &Report) -> String {
    let height = TOP + ROW * report.mechanisms.len() + 40;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">"#
    );
    let [machine, what] = report.heading().map(|line| escape(&line));
    let _ = writeln!(svg, "<title>Round trips over every mechanism</title>\n<desc>{machine}; {what}</desc>");
    let _ = writeln!(svg, r##"<rect width="100%" height="100%" fill="#fff"/><g {TEXT}>"##);
    let mut text = |style: &str, x: usize, y: usize, words: &str| {
        let _ = writeln!(svg, r#"<text {style} x="{x}" y="{y}">{words}</text>"#);
    };
    text(TITLE, 16, 26, "Round trips over every mechanism");
    text(SMALL, 16, 46, &machine);
    text(SMALL, 16, 62, &what);
    text(SMALL, LATENCY_LEFT, TOP - 10, "µs: p50 (bar), p90 (light), p99 (line)");
    let right = format!("a second: one by one (bar), {} in flight (light)", report.in_flight);
    text(SMALL, RATE_LEFT, TOP - 10, &right);
    for (at, row) in report.mechanisms.iter().enumerate() {
        draw(&mut svg, report, row, TOP + ROW * at);
    }
    let bottom = height - 20;
    for (x, responder, words) in
        [(16, Responder::Ipcd, "with ipcd"), (120, Responder::Ipcctl, "between two bare processes")]
    {
        let _ = writeln!(
            svg,
            r#"<rect fill="{}" x="{x}" y="{}" width="12" height="12"/>"#,
            colours(responder)[0],
            bottom - 10
        );
        let _ = writeln!(svg, r#"<text {SMALL} x="{}" y="{bottom}">{words}</text>"#, x + 18);
    }
    svg.push_str("</g>\n</svg>");
    svg
}

/// The colours of a bar's first part and of the rest. The pairs also differ in lightness.
fn colours(responder: Responder) -> [&'static str; 2] {
    match responder {
        Responder::Ipcd => ["#1b6ca8", "#a9c9e2"],
        Responder::Ipcctl => ["#e08e2b", "#f5d7b0"],
    }
}

fn draw(svg: &mut String, report: &Report, row: &Row, top: usize) {
    let (middle, [full, light]) = (top + 16, colours(row.responder));
    let _ = writeln!(svg, r#"<text x="16" y="{middle}">{}</text>"#, escape(&row.title));
    let figures = match &row.outcome {
        Outcome::Measured(figures) => figures,
        Outcome::Missing { error } => {
            let error = escape(&error.chars().take(REASON).collect::<String>());
            let _ = writeln!(svg, r#"<text {SMALL} x="{LATENCY_LEFT}" y="{middle}">{error}</text>"#);
            return;
        }
    };
    let mut bar = |colour: &str, x: usize, length: f64| {
        let y = top + 4;
        let _ = writeln!(svg, r#"<rect fill="{colour}" x="{x}" y="{y}" width="{length:.1}" height="16"/>"#);
    };
    let along = |value: u64, end: u64| (value as f64 / end as f64).min(1.0) * AXIS as f64;
    let scale = report.scale_ns();
    let latency = &figures.latency_ns;
    let (p50, p90, p99) = (along(latency.p50, scale), along(latency.p90, scale), along(latency.p99, scale));
    bar(light, LATENCY_LEFT, p90);
    bar(full, LATENCY_LEFT, p50);
    let most = report.most_per_second();
    let (one, many) = (along(figures.per_second, most), along(figures.pipelined.per_second, most));
    bar(light, RATE_LEFT, many);
    bar(full, RATE_LEFT, one);
    let (from, to, y) = (LATENCY_LEFT as f64 + p90, LATENCY_LEFT as f64 + p99, top + 12);
    let _ = writeln!(svg, r##"<line stroke="#222" x1="{from:.1}" y1="{y}" x2="{to:.1}" y2="{y}"/>"##);
    let mut value = |x: f64, words: &str| {
        let _ = writeln!(svg, r#"<text {SMALL} x="{:.1}" y="{middle}">{words}</text>"#, x + 6.0);
    };
    value(to, &micro(latency.p50));
    value(RATE_LEFT as f64 + one.max(many), &grouped(figures.per_second));
}

/// Text escaped for XML, which allows no control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_special_characters_are_escaped() {
        assert_eq!(escape("a<b> & \"c\"\u{1b}é"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}é");
    }
}
