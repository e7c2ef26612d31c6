//! The metrics, read by Prometheus itself.

use crate::harness::program::{Program, command};
use crate::harness::{Daemon, MULTIPLY, USUAL, wait_until};

const PORT: u16 = 33080;
const EXAMPLE: &str = include_str!("../../packaging/examples/prometheus.yml");

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}[page]\nlisten = [\"http://{{ip}}:{PORT}\"]\n"))
}

fn curl(arguments: &[&str]) -> String {
    let mut curl = command("curl", ["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"]);
    curl.args(arguments);
    Program::run(curl, "").output
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let daemon = daemon();
    let url = format!("http://{}:{PORT}/metrics", daemon.ip);
    let text = curl(&["--header", "Accept: text/plain", &url]);
    assert!(text.contains("# TYPE ipcd_requests_total counter\n"), "{text}");
    let checked = Program::run(command("promtool", ["check", "metrics"]), &text);
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(checked.output + &checked.errors, "", "it complains of nothing");
    daemon.stop();
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn prometheus_scrapes_with_the_example_of_a_configuration() {
    let daemon = daemon();
    let mut client = daemon.tcp(MULTIPLY);
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("prometheus.yml");
    let own = EXAMPLE.replace("localhost:33080", &format!("{}:{PORT}", daemon.ip)).replace("15s", "1s");
    assert_ne!(own, EXAMPLE);
    std::fs::write(&file, own).unwrap();
    let file = file.to_str().unwrap();
    let checked = Program::run(command("promtool", ["check", "config", file]), "");
    assert!(checked.status.success(), "{checked:?}");
    let own = format!("{}:9090", daemon.ip); // an address of the test's own
    let mut prometheus = command("prometheus", ["--log.level=warn"]);
    prometheus.arg(format!("--config.file={file}")).arg(format!("--web.listen-address={own}"));
    prometheus.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
    let running = Program::start(prometheus);
    let ask = |query: &str| {
        let url = format!("http://{own}/api/v1/query");
        curl(&["--get", "--data-urlencode", &format!("query={query}"), &url])
    };
    for (query, value) in [
        ("up{job=\"ipcd\"}", "\"1\""),
        ("ipcd_requests_total{service=\"multiply\"}", "\"1\""),
        ("ipcd_build_info", "\"1\""),
        ("ipcd_turn_seconds_bucket{le=\"+Inf\"} == on() group_left ipcd_turn_seconds_count", "le"),
    ] {
        wait_until(query, || {
            let answer = ask(query);
            let is_there = answer.contains("\"job\":\"ipcd\"") && answer.contains(value);
            (answer.starts_with("{\"status\":\"success\"") && is_there).then_some(())
        });
    }
    drop(running);
    daemon.stop();
}
