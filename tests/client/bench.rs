//! `ipcctl bench`: every mechanism is measured, in each form, and nothing is left behind. No test depends on the
//! speed.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::harness::logged::assert_without_numbers;
use crate::harness::{Daemon, process, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;

/// Every mechanism, and its responder.
const MECHANISMS: [(&str, &str); 19] = [
    ("tcp", "ipcd"),
    ("unix", "ipcd"),
    ("unixseq", "ipcd"),
    ("udp", "ipcd"),
    ("unixgram", "ipcd"),
    ("fifo", "ipcd"),
    ("mq", "ipcd"),
    ("shm", "ipcd"),
    ("stdio", "ipcd"),
    ("pipes", "ipcctl"),
    ("socketpair", "ipcctl"),
    ("mqueue", "ipcctl"),
    ("futex", "ipcctl"),
    ("uring", "ipcctl"),
    ("eventfd", "ipcctl"),
    ("semaphores", "ipcctl"),
    ("sysvsemaphores", "ipcctl"),
    ("signals", "ipcctl"),
    ("sysvqueue", "ipcctl"),
];

/// A bench with a temporary directory of its own, so that the test sees what it leaves there.
fn bench(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.arg("bench").args(arguments).env("TMPDIR", temporary).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs a bench that succeeds, writes nothing to standard error, and leaves nothing.
fn measured(arguments: &[&str]) -> String {
    let temporary = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = bench(temporary.path(), arguments).output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{status}: {}", text(&stderr));
    assert_eq!(files(temporary.path()), BTreeSet::new());
    text(&stdout).to_owned()
}

fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Processes whose parent is this one.
fn children(of: u32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A process that has ended counts as gone, even if its busy parent has not waited for it.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn rows(report: &Value) -> &Vec<Value> {
    report["mechanisms"].as_array().unwrap()
}

#[test]
fn all_mechanisms_of_this_machine_are_measured() {
    let report: Value = serde_json::from_str(&measured(&["--count", "30", "--json"])).unwrap();
    assert_eq!((&report["schema"], &report["request"]), (&Value::from(1), &Value::from("5 10")));
    assert_eq!(report["ipcctl"], env!("CARGO_PKG_VERSION"));
    assert!(report["machine"]["kernel"].as_str().unwrap().starts_with("Linux "), "{report}");
    assert!(report["machine"]["processors"].as_u64().unwrap() > 0 && report["pinned"].is_null());
    let named =
        rows(&report).iter().map(|row| (row["name"].as_str().unwrap(), row["partner"].as_str().unwrap()));
    assert_eq!(named.collect::<Vec<_>>(), MECHANISMS);
    for row in rows(&report) {
        let latency = |name: &str| row["latency_ns"][name].as_u64().unwrap();
        let percentiles = ["min", "p50", "p90", "p99", "max"].map(latency);
        assert!(percentiles[0] > 0 && percentiles.is_sorted(), "{row}");
        let pipelined = &row["pipelined"];
        assert_eq!([&row["round_trips"], &pipelined["round_trips"], &pipelined["in_flight"]], [30, 30, 4]);
        for rate in [&row["per_second"], &pipelined["per_second"]] {
            assert!(rate.as_u64().unwrap() > 0, "{row}");
        }
    }
}

#[test]
fn time_one_request_and_one_choice_of_mechanism_are_enough() {
    let arguments =
        ["--duration", "5ms", "--request", "2 ** -1", "--only", "futex,tcp", "--pin=together", "--json"];
    let report: Value = serde_json::from_str(&measured(&arguments)).unwrap();
    assert_eq!((report["request"].as_str(), report["pinned"].as_str()), (Some("2 ** -1"), Some("together")));
    let named: Vec<_> = rows(&report).iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["tcp", "futex"]);
    assert!(rows(&report).iter().all(|row| row["round_trips"].as_u64().unwrap() > 0), "{report}");
}

#[test]
fn processes_are_pinned_only_with_two_processors() {
    // It is set for this thread and inherited by its child processes.
    let allowed = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|processor| allowed.is_set(*processor)).unwrap());
    sched_setaffinity(None, &one).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let output = bench(temporary.path(), &["--count", "1", "--only", "pipes", "--pin"]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("try --pin=together"), "{output:?}");
    let table = measured(&["--count", "1", "--only", "pipes", "--pin=together"]);
    assert!(table.replace('\n', " ").contains("on one processor"), "{table}"); // wherever the line breaks
}

#[test]
fn table_has_a_row_and_bar_for_each_mechanism() {
    let table = measured(&["--count", "20", "--only", "unix,mq,pipes,mqueue"]);
    for title in [" Unix stream socket ", " two message queues ", " two pipes ", " POSIX message queues "] {
        let lines: Vec<&str> = table.lines().filter(|line| line.starts_with(title)).collect();
        // Figures, latency, throughput, and the kernel's part.
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[3].ends_with(" 2"), "{table}");
        assert!(!lines[0].contains('█') && lines[1].contains('█') && lines[2].contains('█'), "{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let text = table.replace('\n', " ");
    assert!(text.contains("Fastest here: ") && text.contains("with the daemon: "), "{table}");
}

#[test]
fn busy_machine_is_reported_beside_the_figures() {
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let (report, table) = std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let arguments = ["--only", "pipes", "--duration", "400ms"];
        let outcome = std::panic::catch_unwind(|| {
            (measured(&[&arguments[..], &["--json"]].concat()), measured(&arguments))
        });
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        outcome.unwrap()
    });
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["others_percent"].as_f64().unwrap() > 10.0, "{report}");
    assert!(table.contains("Warning: this machine was busy with something else ("), "{table}");
}

#[test]
fn plot_is_well_formed_with_a_row_for_each_mechanism() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plot.svg");
    let table = measured(&["--count", "10", "--only", "unix,eventfd", "--svg", file.to_str().unwrap()]);
    assert!(table.contains("Unix stream socket"));
    let plot = std::fs::read_to_string(file).unwrap();
    let plot = roxmltree::Document::parse(&plot).unwrap();
    assert_eq!(plot.root_element().tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    let texts: Vec<&str> = plot.descendants().filter_map(|node| node.text()).collect();
    for title in ["Unix stream socket", "shared memory, eventfd"] {
        assert!(texts.contains(&title), "{texts:?}");
    }
    let numbers = ["x", "y", "width", "height", "x1", "x2"];
    let attributes = plot.descendants().flat_map(|node| node.attributes());
    for number in attributes.filter(|it| numbers.contains(&it.name()) && !it.value().ends_with('%')) {
        assert!(number.value().parse::<f64>().is_ok_and(|value| value >= 0.0), "{number:?}");
    }
}

#[test]
fn unwritable_plot_is_a_failure() {
    let temporary = tempfile::tempdir().unwrap();
    let arguments = ["--count", "1", "--only", "pipes", "--svg", "/nonexistent/plot.svg"];
    let output = bench(temporary.path(), &arguments).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).starts_with("ipcctl: /nonexistent/plot.svg: "), "{output:?}");
}

#[test]
fn endpoint_of_a_running_daemon_is_the_only_one_measured() {
    let daemon = Daemon::with(
        "[multiply]\nlisten = [\"tcp://{ip}:65432\", \"unix://{dir}/other.sock\"]\n[chat]\nlisten = [\"tcp://{ip}:33000\"]\n\
         [mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\ndefault = \"chat\"\n",
    );
    let own = daemon.directory.path().join("other.sock");
    let tcp = format!("tcp://{}:65432", daemon.ip);
    let mux = format!("unix://{}", daemon.socket().display());
    let own = format!("unix://{}", own.display());
    for (to, direct, name) in [(&tcp, false, "tcp"), (&mux, false, "unix"), (&own, true, "unix")] {
        let mut arguments = vec!["--count", "20", "--json", "--to", to];
        arguments.extend(direct.then_some("--direct"));
        let report: Value = serde_json::from_str(&measured(&arguments)).unwrap();
        let [row] = &rows(&report)[..] else { panic!("{report}") };
        assert_eq!((row["name"].as_str(), row["title"].as_str()), (Some(name), Some(to.as_str())));
        assert_eq!(row["round_trips"], 20);
    }
    // Another service than multiply answers there.
    let chat = format!("tcp://{}:33000", daemon.ip);
    let output = bench(daemon.directory.path(), &["--count", "1", "--to", &chat]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(": this is chat, not multiply"), "{output:?}");
    daemon.stop();
}

#[test]
fn each_failure_has_its_exit_status_and_reason() {
    let temporary = tempfile::tempdir().unwrap();
    for (arguments, status, says) in [
        (&["--to", "unix:///nonexistent/s"][..], 69, "no ipcd at unix:///nonexistent/s: no such file"),
        (&["--to", "fifo:///nonexistent/s"], 69, "no ipcd at fifo:///nonexistent/s: no such file"),
        (&["--to", "tcp://127.0.0.1:1", "--only", "tcp"], 2, "leave out --only"),
        (&["--only", "carrier-pigeon"], 2, "possible values: tcp, unix"),
        (&["--count", "0"], 2, "1..=10000000"),
        (&["--count", "1", "--duration", "1s"], 2, "cannot be used with"),
        (&["--request", "5"], 2, "expected two numbers"),
        (&["--request", "5\n10"], 2, "one line"),
        (&["--json", "--markdown"], 2, "cannot be used with"),
    ] {
        let output = bench(temporary.path(), arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.starts_with("ipcctl: ") && said.contains(says) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(files(temporary.path()), BTreeSet::new());
}

#[test]
fn unresponsive_peer_times_out_as_asked() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", silent.local_addr().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let output = bench(temporary.path(), &["--to", &to, "--timeout", "100ms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(text(&output.stderr).contains("no answer within 100ms; --timeout changes this time"));
}

/// A bench that runs until somebody ends it, and the process that answers it.
fn endless(temporary: &Path, mechanism: &str) -> (Child, i32) {
    let arguments = ["--duration", "1h", "--only", mechanism];
    let bench = bench(temporary, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let partner = wait_until("the other process runs", || children(bench.id()).first().copied());
    // It has reached its final state: it works, in its own process group.
    wait_until("they talk", || {
        let io = std::fs::read_to_string(format!("/proc/{partner}/status")).ok()?;
        let switches = io.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        (switches.trim().parse::<u64>().ok()? > 100).then_some(())
    });
    (bench, partner)
}

#[test]
fn signal_leaves_no_process_and_no_file() {
    for (mechanism, signal) in [("unix", Signal::INT), ("mqueue", Signal::TERM), ("futex", Signal::HUP)] {
        let temporary = tempfile::tempdir().unwrap();
        let (mut bench, partner) = endless(temporary.path(), mechanism);
        assert_eq!(files(temporary.path()).len(), 1);
        kill_process(Pid::from_child(&bench), signal).unwrap();
        let status = bench.wait().unwrap();
        let ended_by = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(ended_by, Some(signal.as_raw()), "{mechanism}");
        assert!(!is_running(partner), "{mechanism}");
        assert_eq!(files(temporary.path()), BTreeSet::new(), "{mechanism}");
        let queue = format!("/ipcctl-bench-{}-requests", bench.id());
        let gone = nix::mqueue::mq_open(
            queue.as_str(),
            nix::mqueue::MQ_OFlag::O_RDONLY,
            nix::sys::stat::Mode::empty(),
            None,
        );
        assert_eq!(gone.err(), Some(nix::errno::Errno::ENOENT), "{mechanism}");
    }
}

#[test]
fn killed_bench_ends_its_responder() {
    for mechanism in ["unix", "eventfd"] {
        let temporary = tempfile::tempdir().unwrap();
        let (mut bench, partner) = endless(temporary.path(), mechanism);
        bench.kill().unwrap();
        bench.wait().unwrap();
        wait_until("the other process ends", || (!is_running(partner)).then_some(()));
    }
}

#[test]
fn dead_partner_ends_the_measurement_with_a_reason() {
    for mechanism in ["unix", "pipes", "mqueue", "futex", "eventfd"] {
        let temporary = tempfile::tempdir().unwrap();
        let (bench, partner) = endless(temporary.path(), mechanism);
        kill_process(Pid::from_raw(partner).unwrap(), Signal::KILL).unwrap();
        let output = bench.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert_eq!(said, format!("ipcctl: {mechanism}: the other process was ended by signal 9\n"));
        assert_eq!(files(temporary.path()), BTreeSet::new());
    }
}

#[test]
fn nothing_starts_without_a_private_directory() {
    let output = bench(Path::new("/proc/self/fd"), &["--count", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ipcctl: a private directory: "), "{output:?}");
}

#[test]
fn endpoint_that_nobody_listens_at_is_named_without_error_numbers() {
    let temporary = tempfile::tempdir().unwrap();
    let ip = process::address();
    let unix = temporary.path().join("nobody.sock");
    for to in [format!("udp://{ip}:65432"), format!("tcp://{ip}:65432"), format!("unix://{}", unix.display())]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        let output = command.args(["--to", &to, "bench", "--count", "5"]).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{told}");
        assert!(told.starts_with(&format!("ipcctl: no ipcd at {to}: ")), "{told}");
        assert_without_numbers(told);
    }
}

#[test]
fn undeliverable_result_is_a_failure() {
    let temporary = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = bench(temporary.path(), &["--count", "1", "--only", "pipes"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ipcctl: standard output: no space left"), "{output:?}");
}

/// The contents of docs/mechanisms.md between two marks: the command's arguments, and its output.
fn shown() -> Vec<(Vec<&'static str>, &'static str)> {
    let parts = include_str!("../../docs/mechanisms.md").split("<!-- ipcctl ").skip(1);
    let parts = parts.map(|part| part.split_once(" -->").unwrap());
    parts
        .map(|(arguments, rest)| {
            let text = rest.split("<!-- end -->").next().unwrap().trim();
            (arguments.split(' ').skip(1).collect(), text)
        })
        .collect()
}

/// The lines of a table in Markdown after the machine's line, with `#` for each figure.
fn form(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let [machine, "", head, rule, rows @ ..] = &lines[..] else { panic!("{text}") };
    assert!(machine.starts_with("ipcctl ") && machine.contains("Linux "), "{machine}");
    let cell = |cell: &str| {
        let is_figure = cell.replace(',', "").parse::<f64>().is_ok();
        if is_figure { "#".to_owned() } else { cell.to_owned() }
    };
    let row = |row: &&str| row.split('|').map(str::trim).map(cell).collect::<Vec<_>>().join("|");
    [*head, *rule].map(str::to_owned).into_iter().chain(rows.iter().map(row)).collect()
}

#[test]
fn readme_rows_are_rows_of_the_first_table_in_the_docs() {
    let (_, part) =
        include_str!("../../README.md").split_once("<!-- rows of docs/mechanisms.md -->").unwrap();
    let rows: Vec<&str> = part.split("<!-- end -->").next().unwrap().trim().lines().collect();
    assert!(rows.len() > 3);
    for row in rows {
        assert!(shown()[0].1.lines().any(|line| line == row), "README.md: {row}");
    }
}

#[test]
fn tables_in_the_docs_have_the_commands_format() {
    let shown = shown();
    assert_eq!(shown.len(), 2);
    for (mut arguments, text) in shown {
        // The machine may have only one processor.
        arguments.retain(|argument| *argument != "--pin=apart");
        arguments.extend(["--count", "10"]);
        let form = form(text);
        assert_eq!(form, self::form(measured(&arguments).trim()));
        assert!(form.len() > 8 && form[2..].iter().all(|row| row.contains("|#|#|#|#|#|#|#|")), "{form:?}");
    }
}

#[test]
fn bench_partner_runs_no_program_of_the_callers_choice() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    // Named ipcd, first in PATH, with a file where the configuration would be.
    let forged = directory.path().join("ipcd");
    std::fs::write(&forged, format!("#!/bin/sh\n: > {}\n", mark.display())).unwrap();
    std::fs::set_permissions(&forged, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = forged.to_str().unwrap();
    let own = std::process::id().to_string();
    for task in [
        &["run", path][..],
        &["run", "/bin/sh", "-c", path],
        &["daemon", path],
        &["daemon-on-pipes", path],
        &["daemon", "--", path],
        &["daemon", path, path],
        &["lines", path],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(["bench-responder", &own]).args(task);
        let output = command.env("PATH", directory.path()).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success() && !mark.exists(), "{task:?}: {output:?}");
    }
    // It does not start the daemon with another user's configuration either, although that user is its parent.
    let config = directory.path().join("good.toml");
    std::fs::write(&config, "[multiply]\nlisten = [\"unix:///x\"]\n").unwrap();
    for task in ["daemon-on-pipes", "daemon", "lines"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(["bench-responder", &own, task]).args((task != "lines").then_some(&config));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let refusal = "ipcctl: bench-responder is only for ipcctl bench\n";
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), refusal), "{task}");
    }
    // Nor does the bench take its daemon from a variable.
    let temporary = tempfile::tempdir().unwrap();
    let mut command = bench(temporary.path(), &["--count", "30", "--only", "unix,stdio"]);
    let output = command.env("PATH", directory.path()).output().unwrap();
    assert!(output.status.success() && !mark.exists(), "{output:?}");
}
