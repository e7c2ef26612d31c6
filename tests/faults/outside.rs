//! The daemon's surroundings are broken: its configuration, its log, the service manager's descriptors, the network.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ipcd::config::Config;
use rustix::process::Signal;

use super::fixture::{Chance, Fixture, Healthy, answered, effort, owed};
use crate::harness::around::failure;
use crate::harness::interrupted::uninterrupted;
use crate::harness::{Daemon, MULTIPLY, TIMEOUT, TestDir, USUAL, wait_until};

const SHIPPED: [&str; 2] = [include_str!("../../etc/ipcd.toml"), include_str!("../../etc/classroom.toml")];

/// A configuration with random damage.
fn mutated(chance: &mut Chance) -> Vec<u8> {
    let mut bytes =
        chance.pick(&SHIPPED).replace("\n#", if chance.below(2) == 0 { "\n" } else { "\n#" }).into_bytes();
    for _ in 0..1 + chance.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = chance.below(bytes.len());
        let end = (at + 1 + chance.below(40)).min(bytes.len());
        match chance.below(7) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at.max(1)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = chance.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => {
                let word = chance.pick(&[
                    "[[",
                    "]]",
                    "\"\"\"",
                    "=",
                    "99999999999999999999",
                    "-1",
                    "[multiply]\n",
                    "\u{1b}[2J",
                    "\u{202e}",
                    "unix://",
                    "0x",
                    "'",
                ]);
                bytes.splice(at..at, word.bytes());
            }
            5 => bytes[at] = chance.next() as u8,
            _ => bytes.splice(at..at, std::iter::repeat_n(b'[', 1 + chance.below(300))).for_each(drop),
        }
    }
    bytes
}

/// Each line of an error has a position, and no terminal obeys anything in it.
#[track_caller]
fn has_a_place(file: &Path, line: &str) {
    if line.ends_with(" more errors; correct these first") {
        return; // the end of a long list
    }
    let place = line.strip_prefix(&format!("{}:", file.display())).unwrap_or_else(|| panic!("{line:?}"));
    let mut parts = place.splitn(3, ':');
    let number =
        |text: Option<&str>| text.is_some_and(|text| text.parse::<usize>().is_ok_and(|number| number > 0));
    assert!(number(parts.next()) && number(parts.next()), "{line:?}");
    assert!(
        !line.contains(
            |character: char| character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character)
        ),
        "{line:?}"
    );
}

#[test]
fn mutated_configuration_is_read_or_every_error_has_a_place() {
    let count = effort(5_000, 1_000_000);
    let fixture = Fixture::with(USUAL).expect_in_log("reload").expect_in_log("ipcd.toml");
    let (mut chance, mut good, mut longest) = (Chance::new(17), 0, Duration::ZERO);
    let file = fixture.directory.path().join("mutated.toml");
    for _ in 0..count {
        let bytes = mutated(&mut chance);
        // A new file: if one is truncated and written again, some file systems wait until it is on the disk.
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, &bytes).unwrap();
        let (read, took) = owed(None, || Config::read(&file));
        match read {
            Ok(_) => good += 1,
            Err(errors) => {
                assert!(errors.iter().next().is_some(), "no error is told");
                errors.iter().for_each(|line| has_a_place(&file, line));
            }
        }
        longest = longest.max(took);
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    // The same mutants, read by the program itself and by a running daemon.
    for _ in 0..effort(20, 500) {
        std::fs::write(&file, mutated(&mut chance)).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_ipcd"));
        let check = check.arg("--check").arg("--config").arg(&file).output().unwrap();
        let (said, told) =
            (String::from_utf8(check.stderr).unwrap(), String::from_utf8(check.stdout).unwrap());
        match check.status.code() {
            Some(0) => assert_eq!(told, format!("OK: {}\n", file.display())),
            status => {
                assert_eq!((status, told.as_str()), (Some(78), ""), "{said}");
                said.lines()
                    .filter(|line| !line.starts_with("warning: "))
                    .for_each(|line| has_a_place(&file, line));
            }
        }
    }
    let mut control = fixture.unix();
    control.say("control\n");
    for _ in 0..effort(20, 2_000) {
        // Only text that is not TOML: a valid mutant would close endpoints, and rightly so.
        let mut bytes = mutated(&mut chance);
        bytes.extend_from_slice(b"\n[[[\n");
        std::fs::write(fixture.directory.path().join("ipcd.toml"), bytes).unwrap();
        control.say("reload\n");
        assert!(control.hear_line().starts_with("Error: "));
        // There may be several.
        control.say("x\n");
        while !control.hear_line().contains("unknown request: 'x'") {}
    }
    drop(control);
    fixture.end(&format!("{count} mutants, {good} of them right, the slowest read in {longest:.0?}"));
}

#[test]
fn non_configuration_is_refused_at_once_even_on_reload() {
    let fixture = Fixture::with(USUAL).expect_in_log("reload").expect_in_log("ipcd.toml");
    let file = fixture.directory.path().join("ipcd.toml");
    let mut control = fixture.unix();
    control.say("control\n");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    for _ in 0..effort(3, 100) {
        for (says, make) in [
            (
                "is a FIFO",
                &(|| {
                    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap()
                }) as &dyn Fn(),
            ),
            ("is a directory", &|| std::fs::create_dir(&file).unwrap()),
            ("is too large", &|| File::create(&file).unwrap().set_len(1 << 30).unwrap()),
            ("too many symbolic links", &|| std::os::unix::fs::symlink(&file, &file).unwrap()),
            ("no such file", &|| ()),
        ] {
            let _ = std::fs::remove_file(&file);
            let _ = std::fs::remove_dir(&file);
            make();
            let (heard, took) = owed(Some(fixture.pid()), || {
                control.say("reload\n");
                control.hear_line()
            });
            assert!(heard.contains(says), "{heard}");
            assert!(took < Duration::from_secs(1), "{took:?}: {heard}");
            let mut check = Command::new(env!("CARGO_BIN_EXE_ipcd"));
            let said = failure(check.arg("--check").arg("--config").arg(&file), 78);
            assert!(said.contains(says), "{said}");
        }
    }
    let _ = std::fs::remove_dir(&file);
    fixture.write_config(USUAL);
    control.say("reload\n");
    control.hear("OK\n");
    drop(control);
    fixture.end("a FIFO, a directory, 1 GiB, a loop of links in the configuration's place");
}

/// After a million mistakes, most are counted, few are logged, and nobody waits.
#[test]
fn flood_of_mistakes_is_counted_not_logged() {
    let count = effort(50_000, 1_000_000);
    let fixture = Fixture::with(USUAL).expect_in_log("more lines suppressed");
    let (mut client, begun) = (fixture.tcp(MULTIPLY), Instant::now());
    let (lines, reply) = ("5 x\n".repeat(1000), "Data received\nError: not a number: 'x'\n".repeat(1000));
    for _ in 0..count / 1000 {
        client.say(&lines);
        client.hear(&reply);
    }
    drop(client);
    let counted = |log: &[String]| -> usize {
        let written = log.iter().filter(|line| line.contains("error reply: ")).count();
        let more = log.iter().filter(|line| line.ends_with(" more lines suppressed: error replies"));
        written + more.map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap()).sum::<usize>()
    };
    wait_until("all are counted", || (counted(&fixture.log()) == count).then_some(()));
    let lines = fixture.log().len();
    // 200 lines a second are written, and a line tells how many were not.
    let most = 1_000 + 202 * begun.elapsed().as_secs() as usize;
    assert!(lines < most, "{lines} lines, at most {most}");
    fixture.end(&format!("{count} mistakes, {lines} lines in the log"));
}

/// Standard error accepts nothing: a full disk, a pipe whose reader sleeps, or no reader.
#[test]
fn blocked_log_costs_only_lines() {
    let mut sleeper = Command::new("sleep").arg("600").stdin(Stdio::piped()).spawn().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let outlets: [(&str, Stdio); 3] = [
        ("a full disk", File::options().write(true).open("/dev/full").unwrap().into()),
        ("a pipe whose reader sleeps", sleeper.stdin.take().unwrap().into()),
        ("a pipe without a reader", writer.into()),
    ];
    for (what, stderr) in outlets {
        let test_dir = TestDir::new();
        test_dir.write_config(USUAL);
        let mut command = test_dir.command();
        command.args(["--log-level", "trace"]);
        let mut daemon = test_dir.start_unheard(command, stderr, MULTIPLY);
        let healthy = Healthy::on(daemon.tcp(MULTIPLY));
        let descriptors = daemon.descriptors();
        for _ in 0..effort(2_000, 50_000) {
            let mut client = daemon.tcp(MULTIPLY);
            client.say("5 x\n");
            client.hear("Data received\nError: not a number: 'x'\n");
        }
        wait_until("every descriptor is back", || (daemon.descriptors() <= descriptors).then_some(()));
        let waits = healthy.end();
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
        eprintln!("the log on {what}: H {} requests, worst {:.0?}", waits.len(), waits.last().unwrap());
    }
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

/// No descriptor of a wrong kind is taken for an endpoint.
#[test]
fn wrong_descriptor_is_never_taken_for_an_endpoint() {
    use crate::harness::manager::Manager;
    for _ in 0..effort(2, 100) {
        let test_dir = TestDir::new();
        test_dir.write_config(USUAL);
        let manager = Manager::new(&test_dir);
        let at = |name: &str| test_dir.directory.path().join(name);
        let listener = TcpListener::bind((test_dir.ip, 4000)).unwrap();
        let (connected, other_end) = UnixStream::pair().unwrap();
        let (pipe, pipe_end) = std::io::pipe().unwrap();
        let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bound.bind(&std::net::SocketAddr::from((test_dir.ip, 4001)).into()).unwrap();
        let wrong: Vec<(&str, OwnedFd)> = vec![
            ("elsewhere", listener.into()),
            ("connected", connected.into()),
            ("pipe", pipe.into()),
            ("file", File::open(test_dir.config_file()).unwrap().into()),
            ("datagrams", UdpSocket::bind((test_dir.ip, MULTIPLY)).unwrap().into()),
            ("unix datagrams", UnixDatagram::bind(at("gram")).unwrap().into()),
            ("elsewhere", UnixListener::bind(at("elsewhere.sock")).unwrap().into()),
            ("not listening", bound.into()),
            ("null", File::open("/dev/null").unwrap().into()),
            ("ipcd-record", File::open("/dev/zero").unwrap().into()),
            ("ipcd-connections", File::open("/dev/null").unwrap().into()),
        ];
        let count = wrong.len();
        let wrong = wrong.into_iter().map(|(name, fd)| (name.to_owned(), fd)).collect();
        let daemon = test_dir.start_with(&manager, wrong);
        let healthy = Healthy::on(daemon.tcp(MULTIPLY));
        answered(&mut daemon.unix());
        let fresh = Daemon::usual();
        wait_until("nothing is kept of what was handed over", || {
            let (ours, usual) = (daemon.descriptors(), fresh.descriptors());
            (ours <= usual + 2).then_some(()) // the healthy client, and the socket to the manager
        });
        healthy.end();
        wait_until("each descriptor of no use has its warning", || {
            let warnings = daemon.log().iter().filter(|line| line.starts_with("warning: ")).count();
            (warnings >= count - 2).then_some(())
        });
        daemon.stop();
        drop((other_end, pipe_end));
    }
}

/// If a manager does not listen, or does not read, the daemon's clients do not notice.
#[test]
fn deaf_or_missing_manager_delays_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let full = directory.path().join("full");
    let receiver = UnixDatagram::bind(&full).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"x", &full).is_ok() {}
    let missing = directory.path().join("missing");
    for socket in
        [full.to_str().unwrap(), missing.to_str().unwrap(), "relative", "", "@ipcd-test-nobody", "/dev/null"]
    {
        let test_dir = TestDir::new();
        test_dir.write_config(USUAL);
        let mut command = test_dir.command();
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "200000");
        let mut daemon = test_dir.start_unheard(command, Stdio::null(), MULTIPLY);
        let healthy = Healthy::on(daemon.tcp(MULTIPLY));
        for _ in 0..effort(100, 2_000) {
            answered(&mut daemon.tcp(MULTIPLY));
            daemon.signal(Signal::USR1);
        }
        healthy.end();
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success(), "{socket:?}");
    }
    drop(receiver);
}

/// Datagrams of every wrong kind, and forged datagrams that would make two daemons answer each other.
#[test]
fn datagrams_get_at_most_one_reply_and_loops_end() {
    let config =
        format!("[limits]\nanswers_per_second = 0\n{USUAL}[hello]\nlisten = [\"udp://{{ip}}:8080\"]\n")
            .replace("[multiply]\nlisten = [", "[multiply]\nlisten = [\"udp://{ip}:65432\", ");
    let (fixture, other) = (Fixture::with(&config), Daemon::with(&config));
    let socket = UdpSocket::bind((fixture.ip, 0)).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let to = fixture.address(MULTIPLY);
    let huge = vec![b'7'; 65_507];
    let mut chance = Chance::new(23);
    let mut buffer = [0; 65_536];
    for _ in 0..effort(500, 50_000) {
        match chance.below(5) {
            0 => drop(socket.send_to(b"", to).unwrap()),
            1 => {
                socket.send_to(&huge, to).unwrap();
                let count = uninterrupted(|| socket.recv(&mut buffer)).unwrap();
                assert_eq!(&buffer[..count], b"Error: message longer than 4096 bytes");
            }
            2 => {
                let noise: Vec<u8> = (0..chance.below(40)).map(|_| chance.next() as u8 & 0x1f).collect();
                // Words of the daemon itself, as another daemon would send them: there is no answer.
                socket.send_to(&[b"Error: ", &noise[..]].concat(), to).unwrap();
            }
            3 => drop(socket.send_to(b"Data received", to).unwrap()),
            _ => {
                socket.send_to(b"5 10\n", to).unwrap();
                for reply in ["Data received", "50.0"] {
                    let count = uninterrupted(|| socket.recv(&mut buffer)).unwrap();
                    assert_eq!(std::str::from_utf8(&buffer[..count]), Ok(reply));
                }
            }
        }
    }
    // As root, with the other daemon's address as the sender's: each might answer the other for ever.
    if rustix::process::geteuid().is_root() {
        for (from, to) in [
            (other.address(MULTIPLY), fixture.address(MULTIPLY)),
            (other.address(8080), fixture.address(MULTIPLY)),
        ] {
            spoof(from, to, b"5 10");
        }
    }
    // When both are idle, nothing is on the way: the next two answers belong to the next request.
    socket.send_to(b"2 3", to).unwrap();
    for reply in ["Data received", "6.0"] {
        let count = uninterrupted(|| socket.recv(&mut buffer)).unwrap();
        assert_eq!(std::str::from_utf8(&buffer[..count]), Ok(reply));
    }
    let ticks = (fixture.cpu_ticks(), other.cpu_ticks());
    // Time must pass: the two daemons are observed while nobody sends a request.
    let quiet = Instant::now();
    std::thread::sleep(Duration::from_millis(500));
    let used = (fixture.cpu_ticks() - ticks.0, other.cpu_ticks() - ticks.1);
    let halves = 1 + quiet.elapsed().as_millis() as u64 / 500;
    assert!(used.0 < 10 * halves && used.1 < 5 * halves, "they go on answering: {used:?}");
    other.stop();
    fixture.end("datagrams: empty, 65,507 bytes, its own words, spoofed");
}

/// Sends a datagram with a forged sender.
fn spoof(from: std::net::SocketAddr, to: std::net::SocketAddr, payload: &[u8]) {
    let (std::net::SocketAddr::V4(from), std::net::SocketAddr::V4(to)) = (from, to) else { panic!("IPv4") };
    let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(255.into())).unwrap();
    let length = (8 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend((20 + length).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]); // the kernel fills in the header's checksum
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0]); // no checksum, which UDP allows
    packet.extend(payload);
    raw.send_to(&packet, &to.into()).unwrap();
}
