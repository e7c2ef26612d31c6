use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::keys;
use crate::engine::limits::FramingRule;
use crate::engine::service::Service;

const LISTEN: &str = "[greeting]\nlisten = [\"tcp://localhost:9\"]\n";

fn config(text: &str) -> Config {
    parse(Path::new("f"), text).unwrap_or_else(|errors| panic!("{text}\n{}", errors.join("\n")))
}

fn errors(text: &str) -> Vec<String> {
    parse(Path::new("f"), text).expect_err(text)
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once_with_places() {
    let text = r#"history = 3
colour = 1
mux = 7
[lgo]
[log]
level = loud
level = "info"
[limits]
max_conections = 5
max_connections = 0
max_message = "17MiB"
backlog = 5
listen_backlog = 65536
idle_timeout = 300
message_timeout = "5 parsecs"
shutdown_grace = "0s"
raw_gap = "20s"
framing = true
colour = "red"
max_connections_per_address = -1
[multiply]
listen = ["tcp://localhost:70000", 5, "tcp://127.0.0.1:80", "tcp://localhost:80",
  "tcp://0.0.0.0:80", "tcp://127.0.0.1:80"]
mode = 0660
group = ""
[chat
history = "inside a table that is not understood"
[mux]
"#;
    let expected = r#"f:1:1: unknown key "history"; it belongs under [chat]
f:2:1: unknown key "colour"; known tables: [log], [limits], [tls], [nats], SERVICES
f:3:1: mux is 7; it must be a table: [mux]
f:4:2: unknown table [lgo]; did you mean [log]?
f:6:9: loud is not a number; write text in quotes: "loud"
f:9:1: unknown key "max_conections"; did you mean "max_connections"?
f:10:19: max_connections is 0; it must be 1 to 1000000 (the kernel lets one process hold about a million of them)
f:11:15: max_message is "17MiB"; it must be 1 byte to 16MiB (a message is held in memory whole)
f:12:11: backlog is 5; it must be 4KiB to 1GiB (less would hold only a few replies, and one client could fill more)
f:13:18: listen_backlog is 65536; it must be 1 to 65535 (the kernel's queue needs at least one place; net.core.somaxconn limits it too)
f:14:16: idle_timeout is 300; it must be a string with a unit, for example "20ms", "30s", "5min" or "1h"
f:15:19: message_timeout is "5 parsecs"; it must be a string with a unit, for example "20ms", "30s", "5min" or "1h"
f:17:11: raw_gap is "20s"; it must be 1ms to 10s (every result to a raw client waits that long)
f:18:11: framing is true; it must be "auto", "line", "raw", "c" or "telnet"
f:19:1: unknown key "colour"; known in [limits]: max_connections, max_connections_per_address, max_message, backlog, max_queued, listen_backlog, share_ports, first_message_timeout, idle_timeout, message_timeout, send_timeout, linger_timeout, max_refused_lingering, answers_per_second, shutdown_grace, raw_gap, framing, messages_per_second
f:20:31: max_connections_per_address is -1; it must be 1 to 1000000, or 0 for no bound (the kernel lets one process hold about a million of them)
f:22:11: tcp://localhost:70000: a port is 1 to 65535
f:22:36: an endpoint must be a string; did you mean "tcp://localhost:5"?
f:22:61: tcp://localhost:80 conflicts with tcp://127.0.0.1:80 at f:22:39; remove one or choose another place
f:23:3: tcp://0.0.0.0:80 conflicts with tcp://127.0.0.1:80 at f:22:39; remove one or choose another place
f:23:23: tcp://127.0.0.1:80 is already at f:22:39; remove one or choose another place
f:24:8: a number cannot begin with 0; write permission bits in quotes, for example "0660"
f:25:9: group is ""; it must be the name of a group, for example "ipcd"
f:26:6: unclosed table; expected `]`
f:28:2: mux is already defined; remove one"#;
    let services = Service::ALL.map(|service| format!("[{service}]")).join(", ");
    assert_eq!(errors(text).join("\n"), expected.replace("SERVICES", &services));
}

#[test]
fn value_beyond_its_bounds_is_refused_and_at_them_accepted() {
    for (key, good, bad) in [
        ("max_connections", &["1", "1_000_000"][..], &["0", "-1", "1000001", "\"5\"", "1.5", "[]"][..]),
        ("max_connections_per_address", &["0", "1_000_000"], &["-1", "1000001"]),
        (
            "max_message",
            &["1", "\"256KiB\"", "\"1 kB\""],
            &["0", "\"16777217\"", "\"4 spoons\"", "true", "1.5"],
        ),
        ("backlog", &["4096", "\"1GiB\"", "\"64KiB\""], &["4095", "\"1.1GiB\"", "18446744073709551615"]),
        ("listen_backlog", &["1", "65535"], &["0", "65536"]),
        ("idle_timeout", &["\"1ms\"", "\"365days\""], &["\"999us\"", "\"366days\"", "5", "\"5\"", "\"\""]),
        ("first_message_timeout", &["\"0s\"", "\"1ms\"", "\"365days\""], &["\"366days\"", "0", "\"never\""]),
        ("send_timeout", &["\"1ms\"", "\"365days\""], &["\"0s\"", "60"]),
        ("messages_per_second", &["0", "1", "10000"], &["-1", "10001", "0.5", "\"3\""]),
        ("linger_timeout", &["\"1ms\"", "\"1h\""], &["\"0s\"", "\"61min\"", "2"]),
        ("answers_per_second", &["0", "10", "100000"], &["-1", "100001", "\"10\"", "0.5"]),
        ("max_refused_lingering", &["0", "65536"], &["-1", "65537", "\"5\""]),
        ("message_timeout", &["\"1ms\"", "\"1h 30min\""], &["\"0s\"", "1979-05-27"]),
        ("shutdown_grace", &["\"0s\"", "\"365days\""], &["\"366days\"", "0"]),
        ("raw_gap", &["\"1ms\"", "\"10s\""], &["\"0ms\"", "\"10001ms\""]),
        ("framing", &["\"auto\"", "\"line\"", "\"raw\""], &["\"Raw\"", "1", "{ a = 1 }"]),
    ] {
        for value in good {
            config(&format!("{LISTEN}[limits]\n{key} = {value}\n"));
        }
        for value in bad {
            let errors = errors(&format!("{LISTEN}[limits]\n{key} = {value}\n"));
            assert_eq!(errors.len(), 1, "{errors:?}");
            let begin = format!("f:4:{}: {key} is {value}; it must be ", key.len() + 4);
            assert!(errors[0].starts_with(&begin), "{}", errors[0]);
        }
    }
    for (table, key, good, bad) in [
        ("multiply", "max_connections", &["0", "7"][..], &["-1", "1000001"][..]),
        (
            "multiply",
            "mode",
            &["\"0\"", "\"0777\"", "\"660\""],
            &["\"1777\"", "\"0668\"", "\"00660\"", "\"\"", "432", "\"+66\""],
        ),
        ("multiply", "group", &["\"users\"", "\"domain users\""], &["\"\"", "\"a:b\"", "\"a\\u001b\"", "5"]),
        ("talk", "first_message_timeout", &["\"0s\"", "\"1s\""], &["1", "\"-1s\""]),
        ("stats", "max_machines", &["1", "10000"], &["0", "10001"]),
        ("watch", "max_watchers", &["1", "64"], &["0", "65"]),
        ("chat", "history", &["0", "10000"], &["-1", "10001"]),
        ("chat", "name_timeout", &["\"1ms\""], &["60", "\"0s\""]),
        ("mux", "default", &["\"multiply\"", "\"chat\""], &["\"mux\"", "\"talking\"", "5"]),
        ("log", "level", &["\"error\"", "\"trace\""], &["\"loud\"", "\"off\"", "3"]),
    ] {
        for value in good {
            config(&format!("{LISTEN}[{table}]\n{key} = {value}\n"));
        }
        for value in bad {
            let errors = errors(&format!("{LISTEN}[{table}]\n{key} = {value}\n"));
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].contains(&format!("{key} is {value}; it must be ")), "{}", errors[0]);
        }
    }
}

#[test]
fn limits_apply_to_all_services_and_a_services_own_table_wins() {
    let text = "[chat]\nmax_message = 5\nmax_connections = 7\nframing = \"raw\"\nmode = \"0600\"\ngroup = \"g\"\n\
                listen = [\"unix:///a\"]\nhistory = 9\n\
                [limits]\nmax_message = 6\nmax_connections = 8\nidle_timeout = \"2s\"\n\
                [greeting]\nlisten = [\"unix:///b\"]\n[mux]\ndefault = \"chat\"\n[log]\nlevel = \"debug\"\n";
    let config = config(text);
    let (chat, other) = (config.settings.of(Service::Chat), config.settings.of(Service::Multiply));
    assert_eq!((chat.message_bytes_max, other.message_bytes_max), (5, 6));
    assert_eq!(
        (chat.connections_max, other.connections_max, config.settings.connections_max),
        (Some(7), None, 8)
    );
    assert_eq!((chat.framing, other.framing), (FramingRule::Raw, FramingRule::Auto));
    assert_eq!((chat.idle_timeout, other.idle_timeout), (Duration::from_secs(2), Duration::from_secs(2)));
    assert_eq!((chat.listening, other.listening), (true, false));
    assert_eq!((config.settings.chat_history, config.settings.mux_default), (9, Service::Chat));
    assert_eq!(config.log_level, log::LevelFilter::Debug);
    let listens: Vec<_> = config
        .listens
        .iter()
        .map(|listen| (listen.service, listen.mode, listen.group.as_str(), listen.position.as_str()))
        .collect();
    assert_eq!(
        listens,
        [(Service::Greeting, 0o660, "ipcd", "f:14:11"), (Service::Chat, 0o600, "g", "f:7:11")]
    );
}

#[test]
fn first_message_timeout_is_refused_without_a_first_message() {
    let text = format!("{LISTEN}first_message_timeout = \"1s\"\n[chat]\nfirst_message_timeout = \"1s\"\n");
    let reason = "unknown key \"first_message_timeout\"; it belongs under [limits] or [multiply] or [hello]";
    for (error, position) in errors(&text).iter().zip(["f:3:1: ", "f:5:1: "]) {
        assert!(error.strip_prefix(position).is_some_and(|rest| rest.starts_with(reason)), "{error}");
    }
    let text =
        format!("{LISTEN}[limits]\nfirst_message_timeout = \"9s\"\n[mux]\nfirst_message_timeout = \"0s\"\n");
    let config = config(&text);
    let timeout = |service| config.settings.of(service).first_message_timeout;
    assert_eq!((timeout(Service::Hello), timeout(Service::Mux)), (Some(Duration::from_secs(9)), None));
}

#[test]
fn backlog_below_one_message_is_refused_where_it_was_set() {
    let reason = "of 1048576 bytes is too small for messages of 2097152; it must be at least max_message";
    let limits = format!("{LISTEN}[limits]\nmax_message = \"2MiB\"\n");
    assert_eq!(errors(&limits), [format!("f:4:15: a backlog {reason}")]);
    let chat =
        format!("{LISTEN}[limits]\nbacklog = \"3MiB\"\nmax_message = \"2MiB\"\n[chat]\nbacklog = \"1MiB\"\n");
    assert_eq!(errors(&chat), [format!("f:7:11: a backlog {reason}")]);
    config(&format!("{limits}backlog = \"2MiB\"\n"));
}

#[test]
fn total_queue_bound_below_four_messages_is_refused() {
    let text = format!("{LISTEN}[limits]\nmax_queued = \"1MiB\"\n[chat]\nmax_message = 262145\n");
    let reason = "max_queued of 1048576 bytes is too small for messages of 262145; it must be at least four times max_message";
    assert_eq!(errors(&text), [format!("f:6:15: {reason}")]);
    assert_eq!(config(&text.replace("262145", "262144")).settings.queued_bytes_max, 1 << 20);
}

#[test]
fn endpoint_that_cannot_carry_the_service_is_refused() {
    assert_eq!(
        errors("[chat]\nlisten = [\"udp://localhost:5\"]\n"),
        [
            "f:2:11: udp://localhost:5 cannot carry chat; it can carry multiply, greeting, hello, and chat can be on tcp, tls, unix, unixseq, fifo, mq, shm"
        ]
    );
    // Characters that reverse text are shown as their numbers.
    let turned = errors("[chat]\nlisten = [\"unixgram:///a\\u202eb\"]\n");
    assert!(turned[0].starts_with("f:2:11: unixgram:///a\\u{202e}b cannot carry chat"), "{turned:?}");
    for (service, endpoint) in [("greeting", "fifo:///a"), ("mux", "unixgram:///a")] {
        let errors = errors(&format!("[{service}]\nlisten = [\"{endpoint}\"]\n"));
        assert!(errors[0].contains(&format!("cannot carry {service}")), "{errors:?}");
    }
    for (service, endpoint) in
        [("multiply", "fifo:///a"), ("greeting", "udp://[::1]:5"), ("chat", "unixseq:///a")]
    {
        config(&format!("[{service}]\nlisten = [\"{endpoint}\"]\n"));
    }
}

#[test]
fn only_overlapping_endpoints_are_refused() {
    for (first, second, meets) in [
        ("tcp://localhost:1", "tcp://localhost:1", true),
        ("tcp://localhost:1", "tcp://127.0.0.1:1", true),
        ("tcp://[::1]:1", "tcp://localhost:1", true),
        ("tcp://0.0.0.0:1", "tcp://127.0.0.2:1", true),
        ("tcp://localhost:1", "tcp://[::]:1", true),
        ("unix:///a/b", "unix:///a//b", true),
        ("tcp://localhost:1", "tcp://localhost:2", false),
        ("tcp://127.0.0.1:1", "tcp://[::1]:1", false),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.2:1", false),
        ("unix:///a", "unix://%t/a", false),
        ("unix:///a", "unixseq:///a", true),
        ("unixseq:///a.in", "fifo:///a", true),
        ("unix:///a", "fifo:///a", false),
        ("tcp://0.0.0.0:5", "udp://127.0.0.1:5", false),
        ("udp://0.0.0.0:5", "udp://127.0.0.1:5", true),
        ("udp://localhost:5", "udp://[::]:5", true),
    ] {
        // In one service and in two.
        let other = if second.starts_with("fifo") { "chat" } else { "greeting" };
        for between in ["\", \"", &format!("\"]\n[{other}]\nlisten = [\"")] {
            let text = format!("[multiply]\nlisten = [\"{first}{between}{second}\"]\n");
            match (parse(Path::new("f"), &text), meets) {
                (Ok(config), false) => assert_eq!(config.listens.len(), 2, "{text}"),
                (Err(errors), true) => {
                    assert_eq!(errors.len(), 1, "{errors:?}");
                    assert!(errors[0].contains(" at f:2:11; remove one"), "{errors:?}");
                }
                (result, _) => panic!("{text}: {result:?}"),
            }
        }
    }
}

#[test]
fn file_without_endpoints_is_refused_with_what_to_add() {
    let expected = "no service has an endpoint; add one, for example listen = [\"tcp://localhost:65432\"] under [multiply]";
    // At the end, where one would be added, and after all other errors.
    for text in ["", "# nothing\n", "[chat]\nhistory = 5\n", "[chat]\nlisten = []\n"] {
        assert_eq!(errors(text), [format!("f:{}:1: {expected}", text.lines().count() + 1)], "{text}");
    }
    let both = errors("# nothing\n[nosuch]\n");
    assert!(both.len() == 2 && both[0].starts_with("f:2:2: unknown table [nosuch]; "), "{both:?}");
    assert!(both[1].ends_with(expected), "{both:?}");
    // A user who meant to add one gets only the error in it.
    for text in [
        "[chat]\nlisten = [\"tcp://localhost\"]\n",
        "[chat]\nlisten = 5\n",
        "[chat]\nlisen = []\n",
        "[caht]\nlisten = [\"tcp://localhost:1\"]\n",
        "[nosuch]\nlisten = [\"tcp://localhost:1\"]\n",
        "listen = []\n",
        "[chat]\nlisten = [tcp]\n",
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(!errors[0].ends_with(expected), "{errors:?}");
    }
}

#[test]
fn number_of_reported_mistakes_is_limited() {
    let of = |count| errors(&(0..count).map(|n| format!("k{n} = 1\n")).collect::<String>());
    let many = of(150);
    assert_eq!(many.len(), ERRORS_MAX + 1);
    // The service without a listener is among them.
    assert_eq!(many[ERRORS_MAX], "f: 51 more errors; correct these first");
    let just = of(ERRORS_MAX);
    assert!(just.len() == ERRORS_MAX + 1 && !just[ERRORS_MAX].contains("more mistakes"), "{just:?}");
}

#[test]
fn byte_order_mark_and_crlf_have_no_effect() {
    let text = format!("\u{feff}{}", LISTEN.replace('\n', "\r\n"));
    assert_eq!(config(&text), config(LISTEN));
}

#[test]
fn table_names_are_distinct() {
    let names: Vec<_> = Table::all().map(Table::name).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    assert!(keys().contains(&("chat", "history")) && !keys().contains(&("mux", "history")));
}

#[test]
fn nearest_key_is_suggested() {
    for (text, expected) in [
        // A key of another table, however similar it is to one of this table.
        ("[limits]\nname_timeout = \"5s\"\n", "f:2:1: unknown key \"name_timeout\"; it belongs under [chat]"),
        (
            "[limits]\nallow_addresses = []\n",
            "f:2:1: unknown key \"allow_addresses\"; it belongs under a service, for example [chat]",
        ),
        (
            "[limits]\nhistroy = 5\n",
            "f:2:1: unknown key \"histroy\"; did you mean \"history\"? it belongs under [chat]",
        ),
        ("[multiply]\nlevel = \"info\"\n", "f:2:1: unknown key \"level\"; it belongs under [log]"),
        (
            "[chat]\nlisten = [\"0.0.0.0:33000\"]\n",
            "f:2:11: 0.0.0.0:33000: did you mean tcp://0.0.0.0:33000?",
        ),
        ("[chat]\nlisten = [\"33000\"]\n", "f:2:11: 33000: did you mean tcp://localhost:33000?"),
        (
            "[chat]\nlisten = [33000]\n",
            "f:2:11: an endpoint must be a string; did you mean \"tcp://localhost:33000\"?",
        ),
        (
            "[chat]\nlisten = \"tcp://localhost:33000\"\n",
            "f:2:10: listen is \"tcp://localhost:33000\"; it must be a list; did you mean [\"tcp://localhost:33000\"]?",
        ),
        (
            "[chat]\nlisten = \"33000\"\n",
            "f:2:10: listen is \"33000\"; it must be a list; did you mean [\"tcp://localhost:33000\"]?",
        ),
        (
            "[chat]\nlisten = [“tcp://localhost:33000”]\n",
            "f:2:11: “ is a typographic quotation mark; TOML needs straight ones: \"text\"",
        ),
        (
            "[chat]\nname_timeout = ‘5s’\n",
            "f:2:16: ‘ is a typographic quotation mark; TOML needs straight ones: \"text\"",
        ),
        ("[log]\nlevel = \"warning\"\n", "f:2:9: level is \"warning\"; did you mean \"warn\"?"),
        ("[log]\nlevel = \"INFO\"\n", "f:2:9: level is \"INFO\"; did you mean \"info\"?"),
        (
            "[log]\nlevel = \"loud\"\n",
            "f:2:9: level is \"loud\"; it must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "[chat]\ntranscript = \"chat.log\"\n",
            "f:2:14: transcript is \"chat.log\"; it must be an absolute path, for example \"/var/log/ipcd/chat.log\", or \"\" for none",
        ),
    ] {
        let errors = errors(&format!("{text}{LISTEN}"));
        assert_eq!(errors, [expected], "{text}");
    }
    // One within a text is a character like any other.
    config("[chat]\ntranscript = \"/var/log/“chat”\"\n[greeting]\nlisten = [\"tcp://localhost:9\"]\n");
}
