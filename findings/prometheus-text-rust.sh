#!/usr/bin/env bash
# Two Rust readers of Prometheus's text format (exposition_formats.md, version 0.0.4) with lines that the format allows:
# - prometheus-parse 0.2.5, Scrape::parse(): silently loses samples whose name contains a colon (as the names of recording
#   rules do), and samples with a `}` in a label's value. It loses a label whose value contains a `=`, cuts a value at a
#   comma and may read the rest as another label; escapes stay in the value.
# - openmetrics-parser 0.5.1, prometheus::parse_prometheus(): fails if the text contains two metrics
#   without `# TYPE`, as the documentation's own example does; TYPE is optional there ("untyped" without).
#   Its openmetrics::parse_openmetrics() rejects a text of only `# EOF`, from a server without a metric yet (OpenMetrics 1.0, ABNF:
#   metricset is `*metricfamily`).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.1.0"
edition = "2021"
[dependencies]
prometheus-parse = "=0.2.5"
openmetrics-parser = "=0.5.1"
TOML
cat > src/main.rs <<'RS'
use openmetrics_parser::{openmetrics::parse_openmetrics, prometheus::parse_prometheus};
use std::collections::BTreeMap;

/// One sample as prometheus-parse has it: name and labels; "lost" if there is none.
fn sample(line: &str) -> String {
    let scrape = prometheus_parse::Scrape::parse(std::iter::once(Ok(line.to_owned()))).unwrap();
    match &scrape.samples[..] {
        [] => "lost".to_owned(),
        [one] => format!("{} {:?}", one.metric, one.labels.iter().collect::<BTreeMap<_, _>>()),
        more => format!("{} samples", more.len()),
    }
}

fn main() {
    let mut changed = false;
    for (line, expected) in [
        (r#"up{job="a"} 1"#, r#"up {"job": "a"}"#),
        ("job:up:sum 1", "lost"),
        (r#"hits{path="/rooms/{name}"} 1"#, "lost"),
        (r#"hits{path="/?room=a",code="200"} 1"#, r#"hits {"code": "200"}"#),
        (r#"hits{agent="a, b=c"} 1"#, r#"hits {" b": "c", "agent": "a"}"#),
        (r#"hits{path="C:\\a\n"} 1"#, r#"hits {"path": "C:\\\\a\\n"}"#),
    ] {
        let seen = sample(line);
        println!("prometheus-parse: {line}: {seen}");
        changed |= seen != expected;
    }
    let typed = "# TYPE a gauge\na 1\n# TYPE b gauge\nb 2\n";
    for (text, expected) in [("a 1\n", "taken"), ("a 1\nb 2\n", "refused"), (typed, "taken")] {
        let seen = if parse_prometheus(text).is_ok() { "taken" } else { "refused" };
        println!("openmetrics-parser, Prometheus: {text:?}: {seen}");
        changed |= seen != expected;
    }
    for (text, expected) in [("# TYPE a gauge\na 1\n# EOF\n", "taken"), ("# EOF\n", "refused")] {
        let seen = if parse_openmetrics(text).is_ok() { "taken" } else { "refused" };
        println!("openmetrics-parser, OpenMetrics: {text:?}: {seen}");
        changed |= seen != expected;
    }
    assert!(!changed, "this has changed");
}
RS
cargo run -q
