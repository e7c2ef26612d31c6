//! Every command with every kind of endpoint, of the right service and of every other one: it works, or one sentence says what is
//! there or what would be right.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::{ipcctl, ipcctl_with, text};
use crate::certificate::made;
use crate::harness::{Daemon, TestDir};

/// The services, each on a port for TCP and the next one for TLS.
const SERVICES: [(&str, u16); 6] = [
    ("multiply", 7010),
    ("greeting", 7020),
    ("hello", 7030),
    ("chat", 7040),
    ("stats", 7050),
    ("status", 7060),
];

/// The commands that end by themselves, each with its service and the beginning of its output.
const COMMANDS: [(&str, &[&str], &str); 9] = [
    ("multiply", &["multiply", "5", "10"], "50.0\n"),
    ("multiply", &["multiply", "-"], "50.0\n"),
    ("greeting", &["greeting"], "Message received."),
    ("hello", &["hello"], "Hello from server"),
    ("chat", &["chat", "--name"], ""),
    ("status", &["status"], "ipcd "),
    ("stats", &["report", "--once"], ""),
    ("stats", &["top", "--once"], "HOST "),
    ("stats", &["top", "--once", "--json"], "["),
];

/// Orders to the daemon, which only its Unix socket accepts.
const ORDERS: [&str; 7] =
    ["reload", "kick ann", "mute ann", "unmute ann", "say hi", "close 127.9.9.9", "handover"];

fn daemon() -> Daemon {
    let test_dir = TestDir::new();
    made(test_dir.directory.path(), &["localhost", &test_dir.ip.to_string()]);
    let mut config = "[tls]\ncertificate = \"{dir}/server-localhost.pem\"\nkey = \"{dir}/server-localhost-key.pem\"\n\
                      [mux]\nlisten = [\"unix://{dir}/ipcd.sock\", \"unixseq://{dir}/packets.sock\"]\n\
                      [talk]\nlisten = [\"tcp://{ip}:7070\", \"tls://{ip}:7071\", \"unix://{dir}/talk.sock\"]\n\
                      [watch]\nlisten = [\"unix://{dir}/watch.sock\"]\n"
        .to_owned();
    for (service, port) in SERVICES {
        config += &format!(
            "[{service}]\nlisten = [\"tcp://{{ip}}:{port}\", \"tls://{{ip}}:{}\", \"unix://{{dir}}/{service}.sock\"]\n",
            port + 1
        );
    }
    test_dir.write_config(&config);
    let command = test_dir.command();
    test_dir.start(command)
}

/// The options for an endpoint, written with `{ip}` and `{dir}`.
fn reach(daemon: &Daemon, endpoint: &str) -> Vec<String> {
    let directory = daemon.directory.path().display().to_string();
    let to = endpoint.replace("{ip}", &daemon.ip.to_string()).replace("{dir}", &directory);
    let mut options = vec!["--to".to_owned(), to];
    if endpoint.starts_with("tls://") {
        options.extend(["--ca".to_owned(), format!("{directory}/ca.pem")]);
    }
    options
}

fn with<'a>(reach: &'a [String], arguments: &[&'a str]) -> Vec<&'a str> {
    reach.iter().map(String::as_str).chain(arguments.iter().copied()).collect()
}

/// The service's endpoint, and all endpoints of others, each with its service.
fn targets() -> Vec<(&'static str, String)> {
    let kinds = |(service, port): (&'static str, u16)| {
        let places = [
            format!("tcp://{{ip}}:{port}"),
            format!("tls://{{ip}}:{}", port + 1),
            format!("unix://{{dir}}/{service}.sock"),
        ];
        places.map(|place| (service, place))
    };
    let muxes =
        ["unix://{dir}/ipcd.sock", "unixseq://{dir}/packets.sock"].map(|place| ("mux", place.to_owned()));
    SERVICES.into_iter().flat_map(kinds).chain(muxes).collect()
}

#[test]
fn every_command_works_or_says_what_is_there_at_every_endpoint() {
    let daemon = daemon();
    let check = |at: usize, found: &str, endpoint: &str| {
        let reach = reach(&daemon, endpoint);
        for (number, (wanted, arguments, begins)) in COMMANDS.into_iter().enumerate() {
            let name = format!("ann {at} {number}");
            let mut arguments = with(&reach, arguments);
            if wanted == "chat" {
                arguments.push(&name);
            }
            let output = ipcctl_with(&arguments, "5 10\n");
            let (printed, said) = (text(&output.stdout), text(&output.stderr));
            if wanted == "status" && endpoint.starts_with("unixseq://") {
                assert_eq!(said, "ipcctl: status is not offered here: its answer is longer than a packet\n");
            } else if [wanted, "mux"].contains(&found) {
                assert_eq!((output.status.code(), said), (Some(0), ""), "{arguments:?}");
                // Other members may be in the room.
                let own = format!("{name}: 5 10");
                let is_heard = wanted != "chat" || printed.lines().any(|line| line == own);
                assert!(is_heard && printed.starts_with(begins), "{arguments:?}: {printed}");
            } else {
                assert_eq!((output.status.code(), printed), (Some(1), ""), "{arguments:?}: {said}");
                let says = format!("ipcctl: {}: this is {found}, not {wanted}\n", reach[1]);
                assert_eq!(said, says, "{arguments:?}");
            }
        }
    };
    std::thread::scope(|scope| {
        for (at, (found, endpoint)) in targets().into_iter().enumerate() {
            let check = &check;
            scope.spawn(move || check(at, found, &endpoint));
        }
    });
    daemon.stop();
}

#[test]
fn watch_and_class_work_on_unix_sockets_and_say_what_is_elsewhere() {
    let daemon = daemon();
    for endpoint in ["unix://{dir}/ipcd.sock", "unixseq://{dir}/packets.sock", "unix://{dir}/watch.sock"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(reach(&daemon, endpoint)).arg("watch").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ipcctl: Watching: all\n", "{endpoint}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let check = |found: &str, endpoint: &str| {
        let reach = reach(&daemon, endpoint);
        let class = ipcctl(&with(&reach, &["class", "--once"]));
        let (printed, said) = (text(&class.stdout), text(&class.stderr));
        match (found, endpoint.starts_with("unix")) {
            _ if endpoint.starts_with("unixseq://") => {
                assert!(said.ends_with("longer than a packet\n"), "{said}")
            }
            ("mux" | "status", true) => assert!(printed.starts_with("CLIENT "), "{class:?}"),
            // The kernel does not identify the client there.
            ("status", false) => {
                assert!(
                    said.starts_with("ipcctl: class is only for root, the daemon's own user, "),
                    "{said}"
                );
            }
            _ => assert_eq!(said, format!("ipcctl: {}: this is {found}, not status\n", reach[1])),
        }
        if found != "mux" {
            let watch = ipcctl(&with(&reach, &["watch"]));
            assert_eq!(text(&watch.stderr), format!("ipcctl: {}: this is {found}, not watch\n", reach[1]));
        }
    };
    std::thread::scope(|scope| {
        for (found, endpoint) in targets() {
            let check = &check;
            scope.spawn(move || check(found, &endpoint));
        }
    });
    daemon.stop();
}

#[test]
fn talk_meets_a_partner_at_every_kind_of_endpoint() {
    let daemon = daemon();
    for endpoint in ["tcp://{ip}:7070", "tls://{ip}:7071", "unix://{dir}/talk.sock", "unix://{dir}/ipcd.sock"]
    {
        let reach = reach(&daemon, endpoint);
        let talk = with(&reach, &["talk"]);
        let [one, two] = std::thread::scope(|scope| {
            let two = scope.spawn(|| ipcctl_with(&talk, "hello\n"));
            [ipcctl_with(&talk, "hello\n"), two.join().unwrap()]
        });
        // After the farewell, a client has received everything before it, and sends nothing more.
        assert!(one.status.success() && two.status.success(), "{endpoint}: {one:?} {two:?}");
        assert!(
            [&one, &two].iter().any(|output| text(&output.stdout) == "hello\nbye\n"),
            "{endpoint}: {one:?} {two:?}"
        );
    }
    daemon.stop();
}

#[test]
fn orders_are_taken_by_the_mux_and_explained_elsewhere() {
    let daemon = daemon();
    let others = ["udp://{ip}:7010", "fifo://{dir}/pair", "unixgram://{dir}/letters.sock"]
        .map(|other| ("other", other.to_owned()));
    for (found, endpoint) in targets().into_iter().chain(others) {
        let reach = reach(&daemon, &endpoint);
        for order in ORDERS.into_iter().filter(|order| found != "mux" || *order != "handover") {
            let output = ipcctl(&with(&reach, &order.split(' ').collect::<Vec<_>>()));
            let (status, said) = (output.status.code(), text(&output.stderr));
            assert!(said.lines().count() <= 1, "{order}: {said}");
            let is_unix = endpoint.starts_with("unix://") || endpoint.starts_with("unixseq://");
            match (found, is_unix) {
                ("mux", _) if ["reload", "say hi"].contains(&order) => {
                    assert_eq!((status, said), (Some(0), ""))
                }
                ("mux", _) => assert!(status == Some(1) && !said.contains("unknown"), "{order}: {said}"),
                (_, false) => {
                    assert!(
                        status == Some(2) && said.contains("only the daemon's Unix socket takes orders;"),
                        "{said}"
                    );
                }
                (_, true) => {
                    let is_told = said.contains(&format!(": this is {found}, not control"))
                        || said.contains("this is not the mux of ipcd; ");
                    assert!(status == Some(1) && is_told, "{order} at {endpoint}: {said}");
                }
            }
        }
    }
    daemon.stop();
}

#[test]
fn commands_that_need_a_connection_refuse_datagrams_and_fifos() {
    for (endpoint, arguments) in [
        ("udp://127.0.0.1:1", &["chat", "--name", "ann"][..]),
        ("udp://127.0.0.1:1", &["talk"]),
        ("udp://127.0.0.1:1", &["status"]),
        ("udp://127.0.0.1:1", &["class", "--once"]),
        ("udp://127.0.0.1:1", &["watch"]),
        ("unixgram:///nonexistent/s", &["top", "--once"]),
        ("unixgram:///nonexistent/s", &["report", "--once"]),
        ("fifo:///nonexistent/f", &["hello"]),
        ("fifo:///nonexistent/f", &["chat", "--name", "ann"]),
    ] {
        let output = ipcctl(&[&["--to", endpoint], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains(" needs a connection; use a tcp://, tls://, ") && said.lines().count() == 1,
            "{said}"
        );
    }
}

#[test]
fn bench_measures_multiply_or_says_what_is_there() {
    let daemon = daemon();
    for (found, endpoint) in targets() {
        let reach = reach(&daemon, &endpoint);
        let output = ipcctl(&with(&reach, &["bench", "--count", "5", "--markdown"]));
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        match found {
            _ if endpoint.starts_with("tls://") => {
                assert!(
                    output.status.code() == Some(2) && said.contains("bench does not measure TLS; "),
                    "{said}"
                );
            }
            "multiply" | "mux" => {
                assert!(output.status.success() && printed.contains(&reach[1]), "{output:?}")
            }
            // Its reply is longer than any reply of multiply.
            "status" if said.ends_with(": its line is longer than 1024 bytes\n") => {}
            _ => assert!(said.ends_with(&format!(": this is {found}, not multiply\n")), "{endpoint}: {said}"),
        }
    }
    daemon.stop();
}

#[test]
fn socket_with_another_name_that_serves_only_multiply_is_told() {
    let daemon = Daemon::with("[multiply]\nlisten = [\"unix://{dir}/m.sock\", \"unixseq://{dir}/m.seq\"]\n");
    for endpoint in ["unix://{dir}/m.sock", "unixseq://{dir}/m.seq"] {
        let to = reach(&daemon, endpoint);
        let said = ipcctl(&with(&to, &["multiply", "5", "*", "10"]));
        let expected = format!("ipcctl: {}: this socket serves only multiply; add --direct\n", to[1]);
        assert_eq!((said.status.code(), text(&said.stderr)), (Some(1), &expected[..]));
        assert_eq!(text(&ipcctl(&with(&to, &["--direct", "multiply", "5", "10"])).stdout), "50.0\n");
        let wrong = ipcctl(&with(&to, &["--direct", "multiply", "5", "x"]));
        assert_eq!(text(&wrong.stderr), "ipcctl: not a number: 'x'\n");
    }
    daemon.stop();
}
