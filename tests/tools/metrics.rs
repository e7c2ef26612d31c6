//! The metrics, read by Prometheus itself.

use crate::harness::around::{in_namespaces, may_unshare};
use crate::harness::program::{Program, command};
use crate::harness::{Daemon, MULTIPLY, TestDir, USUAL, wait_until};

const PORT: u16 = 33080;
const EXAMPLE: &str = include_str!("../../packaging/examples/prometheus.yml");

/// An address that is not loopback, in a network namespace of the test's own.
const ELSEWHERE: &str = "192.0.2.7";

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
    let own = format!("{}:9090", daemon.ip); // an address of this test only
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

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn prometheus_elsewhere_scrapes_with_the_token_from_a_file() {
    if !may_unshare() {
        return;
    }
    let test_dir = TestDir::new();
    test_dir
        .write_config(&test_dir.fill(&format!("{USUAL}[page]\nlisten = [\"http://{ELSEWHERE}:{PORT}\"]\n")));
    let prepare = format!("ip link set lo up; ip addr add {ELSEWHERE}/24 dev lo");
    let net = in_namespaces(&["--net"], &prepare, &test_dir.command());
    let daemon = test_dir.start(net);
    let pid = daemon.pid().to_string();
    let inside =
        |arguments: &[&str]| command("nsenter", [&["--net", "--target", &pid][..], arguments].concat());
    let ask = |url: &str, more: &[&str]| {
        let curl = ["curl", "--silent", "--show-error", "--max-time", "30", "--noproxy", "*", url];
        Program::run(inside(&[&curl[..], more].concat()), "").output
    };
    let metrics = format!("http://{ELSEWHERE}:{PORT}/metrics");
    assert!(ask(&metrics, &["--write-out", "%{http_code}"]).ends_with("\n401"));

    let mut ipcctl = command(env!("CARGO_BIN_EXE_ipcctl"), ["--to"]);
    ipcctl.arg(format!("unix://{}", daemon.socket().display())).args(["page", "--teacher"]);
    let told = Program::run(ipcctl, "").output;
    let token = told.lines().next().unwrap().split_once("#teacher=").unwrap().1;
    let directory = tempfile::tempdir().unwrap();
    let (file, credentials) = (directory.path().join("prometheus.yml"), directory.path().join("ipcd-token"));
    std::fs::write(&credentials, format!("{token}\n")).unwrap();
    // The example's lines for another machine.
    let own = EXAMPLE.replace("  # - job_name: ipcd-elsewhere", "  - job_name: ipcd-elsewhere");
    let own = own
        .replace("  #   ", "    ")
        .replace("15s", "1s")
        .replace("teacher.local:33080", &format!("{ELSEWHERE}:{PORT}"));
    let own = own.replace("/etc/prometheus/ipcd-token", credentials.to_str().unwrap());
    std::fs::write(&file, &own).unwrap();
    let file = file.to_str().unwrap();
    let checked = Program::run(command("promtool", ["check", "config", file]), "");
    assert!(checked.status.success() && own.contains("credentials_file"), "{checked:?} {own}");
    let (config, web) = (format!("--config.file={file}"), format!("{ELSEWHERE}:9090"));
    let (listen, data) = (
        format!("--web.listen-address={web}"),
        format!("--storage.tsdb.path={}", directory.path().join("data").display()),
    );
    let running = Program::start(inside(&["prometheus", "--log.level=warn", &config, &listen, &data]));
    let query = format!("http://{web}/api/v1/query?query=");
    wait_until("a scrape with the token", || {
        let answer = ask(&format!("{query}up"), &[]);
        let is_up = answer.contains("\"job\":\"ipcd-elsewhere\"") && answer.contains("\"1\"");
        is_up.then_some(())
    });
    drop(running);
    daemon.stop();
}
