//! What a shared room costs, beside what the same server of NATS costs a minimal client and beside a room of one daemon alone:
//! ratios from one run. `benches/rooms` builds everything and runs it; docs/rooms.md says what the figures are for.

mod nats;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nats::{BARE, Bare, Nats, consume, pull, relay};

/// Characters of a line, as the goals say.
const LINE: usize = 100;

const MEMBERS: usize = 10;

/// Lines of each kind in one round of the comparison.
const ROUND: usize = 200;

/// How long anything may take before it is an error.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Two processors, as the goals were set for; and the one of a daemon whose throughput is measured.
const ALL: &str = "0,1";
const ONE: &str = "0";

struct Options {
    ipcd: PathBuf,
    server: PathBuf,
    rounds: usize,
    seconds: u64,
}

fn options() -> Options {
    let mut options = Options { ipcd: "ipcd".into(), server: "nats-server".into(), rounds: 20, seconds: 5 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || value.parse().unwrap_or_else(|_| panic!("{name} {value}: not a number"));
        match name.as_str() {
            "--ipcd" => options.ipcd = value.into(),
            "--nats-server" => options.server = value.into(),
            "--rounds" => options.rounds = number() as usize,
            "--seconds" => options.seconds = number(),
            _ => {
                panic!("usage: rooms [--ipcd FILE] [--nats-server FILE] [--rounds NUMBER] [--seconds NUMBER]")
            }
        }
    }
    options
}

/// A program that is ended with the run.
struct Program(Child);

impl Program {
    /// `processors`: those that it may use, as `taskset` names them.
    fn start(processors: &str, program: &Path, arguments: &[&str], log: &Path) -> Program {
        let log = fs::File::create(log).expect("a file for its log");
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).arg(program).args(arguments);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        Program(child.expect("taskset, of util-linux"))
    }

    /// Processor time so far, of all of its threads.
    fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("it runs");
        let of = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.flatten().map(of).sum())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn connect(port: u16) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                return stream;
            }
            Err(error) if begun.elapsed() > TIMEOUT => panic!("nobody listens on port {port}: {error}"),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A daemon in a directory of its own.
struct Daemon {
    program: Program,
    port: u16,
    name: String,
}

impl Daemon {
    /// `nats`: the server's port, if its room is shared.
    fn start(ipcd: &Path, directory: &Path, name: &str, processors: &str, nats: Option<u16>) -> Daemon {
        let port = free_port();
        let shared =
            nats.map_or(String::new(), |nats| format!("[nats]\nservers = [\"nats://127.0.0.1:{nats}\"]\n"));
        let room = if nats.is_some() { "room = \"bench\"\n" } else { "" };
        let config = directory.join(format!("{name}.toml"));
        let text = format!("{shared}[chat]\n{room}listen = [\"tcp://127.0.0.1:{port}\"]\n");
        fs::write(&config, text).expect("a file in a directory for it");
        let log = directory.join(format!("{name}.log"));
        let program = Program::start(processors, ipcd, &["--config", config.to_str().unwrap()], &log);
        drop(connect(port));
        Daemon { program, port, name: name.to_owned() }
    }

    /// Members of a daemon that was killed stay in the room for a while, so names are of one daemon.
    fn member(&self, name: &str) -> BufReader<TcpStream> {
        let name = format!("{}-{name}", self.name);
        let mut member = BufReader::new(connect(self.port));
        member.get_mut().write_all(format!("{name}\n").as_bytes()).unwrap();
        hear(&mut member, &format!("Welcome {name}!"));
        member
    }
}

/// Reads up to a line with this text.
fn hear(member: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(member.read_line(&mut line).expect("a line in time") > 0, "the daemon has closed");
    }
}

/// The times from saying a line on one daemon to hearing it on the other, one at a time.
fn talk(one: &mut BufReader<TcpStream>, other: &mut BufReader<TcpStream>, times: &mut Vec<Duration>) {
    for number in 0..ROUND {
        let mark = format!("{number:<6}");
        let line = format!("{mark}{}\n", "x".repeat(LINE - mark.len()));
        let begun = Instant::now();
        one.get_mut().write_all(line.as_bytes()).unwrap();
        hear(other, &mark);
        times.push(begun.elapsed());
        hear(one, &mark);
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6
}

/// What a load cost.
struct Load {
    lines: f64,
    seconds: f64,
    /// Processor time of each program, in seconds.
    cpu: Vec<f64>,
}

impl Load {
    fn micros(&self, at: usize) -> f64 {
        self.cpu[at] / self.lines * 1e6
    }
}

/// Ten members of a daemon speak, so many lines a second each, or as many as they can; what it cost these programs.
fn load(daemon: &Daemon, programs: &[&Program], pace: Option<u64>, seconds: u64) -> Result<Load> {
    let is_over = Arc::new(AtomicBool::new(false));
    let heard = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    let mut ends = Vec::new();
    for number in 0..MEMBERS {
        let reader = daemon.member(&format!("m{number}"));
        let writer = reader.get_ref().try_clone()?;
        ends.push(writer.try_clone()?);
        let (heard, is_first) = (Arc::clone(&heard), number == 0);
        threads.push(thread::spawn(move || count(reader, &heard, is_first)));
        let is_over = Arc::clone(&is_over);
        threads.push(thread::spawn(move || speak(writer, pace, &is_over)));
    }
    thread::sleep(Duration::from_secs(1)); // until it is steady
    let cpu = || programs.iter().map(|program| program.cpu().as_secs_f64()).collect::<Vec<_>>();
    let (begun, before, from) = (Instant::now(), cpu(), heard.load(Ordering::Relaxed));
    thread::sleep(Duration::from_secs(seconds));
    let (after, lines) = (cpu(), heard.load(Ordering::Relaxed) - from);
    let seconds = begun.elapsed().as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    ends.iter().for_each(|end| drop(end.shutdown(std::net::Shutdown::Both)));
    threads.into_iter().for_each(|thread| drop(thread.join()));
    let cpu = after.iter().zip(before).map(|(after, before)| after - before).collect();
    Ok(Load { lines: lines as f64, seconds, cpu })
}

/// Counts what one member hears; the others only read.
fn count(mut reader: BufReader<TcpStream>, heard: &AtomicU64, is_first: bool) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        if is_first {
            let lines = buffer[..count].iter().filter(|byte| **byte == b'\n').count();
            heard.fetch_add(lines as u64, Ordering::Relaxed);
        }
    }
}

fn speak(mut writer: TcpStream, pace: Option<u64>, is_over: &AtomicBool) {
    let line = format!("{}\n", "x".repeat(LINE));
    let (piece, pause) = match pace {
        Some(pace) => (line, Duration::from_nanos(1_000_000_000 / pace)),
        None => (line.repeat(64), Duration::ZERO),
    };
    let mut next = Instant::now();
    while !is_over.load(Ordering::Relaxed) && writer.write_all(piece.as_bytes()).is_ok() {
        next += pause;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Bytes that the server has received and sent.
fn traffic(port: u16) -> (f64, f64) {
    let mut stream = connect(port);
    stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let number = |name: &str| -> f64 {
        let rest = text.split(&format!("\"{name}\":")).nth(1).expect("a field of /varz");
        rest.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    (number("in_bytes"), number("out_bytes"))
}

struct Run {
    options: Options,
    directory: PathBuf,
    nats: Program,
    port: u16,
    http: u16,
}

impl Run {
    fn new(options: Options) -> Run {
        let directory = std::env::temp_dir().join(format!("ipcd-rooms-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for the run");
        let (port, http) = (free_port(), free_port());
        let config = directory.join("nats.conf");
        let store = directory.join("store");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{http}\"\njetstream {{ store_dir: \"{}\" }}\n",
            store.display()
        );
        fs::write(&config, text).expect("its configuration");
        let arguments = ["-c", config.to_str().unwrap()];
        let nats = Program::start(ALL, &options.server, &arguments, &directory.join("nats.log"));
        drop(connect(port));
        Run { options, directory, nats, port, http }
    }

    fn daemon(&self, name: &str, processors: &str, is_shared: bool) -> Daemon {
        let nats = is_shared.then_some(self.port);
        Daemon::start(&self.options.ipcd, &self.directory, name, processors, nats)
    }

    /// A member behind a relay, which ends with it.
    fn relayed(&self, name: &str) -> (Program, BufReader<TcpStream>) {
        let (port, program) = (free_port(), std::env::current_exe().expect("this program"));
        let arguments = ["--relay", &self.port.to_string(), &port.to_string()];
        let relay = Program::start(ALL, &program, &arguments, &self.directory.join(format!("{name}.log")));
        (relay, BufReader::new(connect(port)))
    }

    /// A line from a member on one daemon to a member on the other, against the bare publish and pull: by one client for another,
    /// by two clients of which each reads what both say, as both daemons do, and by two relays in the daemons' places.
    fn latency(&self, bare: &mut Bare, told: &mut String) {
        let (a, b) = (self.daemon("a", ALL, true), self.daemon("b", ALL, true));
        let (mut one, mut other) = (a.member("ann"), b.member("bob"));
        hear(&mut one, "b-bob has joined the chat!");
        let ((_here, mut here), (_there, mut there)) = (self.relayed("here"), self.relayed("there"));
        let (mut ours, mut theirs, mut both, mut relayed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut warm_up = Vec::new();
        bare.round(false, &mut warm_up);
        bare.round(true, &mut warm_up);
        talk(&mut here, &mut there, &mut warm_up);
        talk(&mut one, &mut other, &mut warm_up);
        for _ in 0..self.options.rounds {
            bare.round(false, &mut theirs);
            bare.round(true, &mut both);
            talk(&mut here, &mut there, &mut relayed);
            talk(&mut one, &mut other, &mut ours);
        }
        let _ = writeln!(
            told,
            "| a line of {LINE} bytes, one at a time, {} of each | µs | bare publish and pull, µs | ratio | goal | both clients read, µs | ratio | two relays, µs | ratio |",
            ours.len()
        );
        let _ = writeln!(told, "|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        for (percent, goal) in [(50, "1.5"), (90, ""), (99, "2")] {
            let (our, bare) = (percentile(&mut ours, percent), percentile(&mut theirs, percent));
            let (both, relayed) = (percentile(&mut both, percent), percentile(&mut relayed, percent));
            let _ = writeln!(
                told,
                "| p{percent} | {our:.0} | {bare:.0} | {:.2} | {goal} | {both:.0} | {:.2} | {relayed:.0} | {:.2} |",
                our / bare,
                our / both,
                our / relayed
            );
        }
    }

    /// What one more reader of the log costs the server: five hundred messages a second, for few and for many bare readers.
    fn readers(&self, bare: &mut Bare, told: &mut String) {
        let mut costs = Vec::new();
        for count in [1_u64, 33] {
            let messages = self.options.seconds * 500;
            let readers: Vec<_> = (0..count)
                .map(|number| {
                    let (mut nats, name) = (Nats::connect(self.port), format!("r{count}-{number}"));
                    consume(&mut nats, &name, BARE);
                    pull(&mut nats, &name, messages);
                    thread::spawn(move || (0..messages).for_each(|_| while nats.message().0 != BARE {}))
                })
                .collect();
            let (before, mut next) = (self.nats.cpu(), Instant::now());
            for _ in 0..messages {
                bare.publish(&"x".repeat(LINE));
                bare.writer.message(); // its acknowledgement
                next += Duration::from_millis(2);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            readers.into_iter().for_each(|reader| reader.join().expect("all messages come"));
            costs.push((self.nats.cpu() - before).as_secs_f64() * 1e6 / messages as f64);
        }
        let each = (costs[1] - costs[0]) / 32.0;
        let _ = writeln!(
            told,
            "\nThe server's processor time for a message: {:.0} µs with one reader, {:.0} with 33, so {each:.1} µs for each more.",
            costs[0], costs[1]
        );
    }

    /// Ten members who say as much as they can, in a shared room and in one that is not.
    fn throughput(&self, told: &mut String) -> Result<()> {
        let mut costs = Vec::new();
        let _ = writeln!(
            told,
            "\n| ten members speak, and all hear all | lines a second | for a second of the daemon's processor | daemon, µs a line | server, µs a line |"
        );
        let _ = writeln!(told, "|---|--:|--:|--:|--:|");
        for (name, is_shared) in [("shared", true), ("alone", false)] {
            let daemon = self.daemon(name, ONE, is_shared);
            let load = load(&daemon, &[&daemon.program, &self.nats], None, self.options.seconds)?;
            let server = if is_shared { format!("{:.2}", load.micros(1)) } else { "–".to_owned() };
            let (rate, of_a_core) = (load.lines / load.seconds, load.lines / load.cpu[0]);
            let _ =
                writeln!(told, "| {name} | {rate:.0} | {of_a_core:.0} | {:.2} | {server} |", load.micros(0));
            costs.push(load.micros(0));
        }
        let _ = writeln!(
            told,
            "\nThe daemon's processor time for a line, shared to alone: {:.2} (goal: 2). Lines for a second of the daemon's processor: goal 50,000.",
            costs[0] / costs[1]
        );
        Ok(())
    }

    /// A thousand lines a second: the daemon where they are said, one where they are only heard, the server, and the network.
    fn calm(&self, told: &mut String) -> Result<()> {
        let (a, b) = (self.daemon("said", ALL, true), self.daemon("heard", ALL, true));
        let mut hearers = Vec::new();
        for number in 0..MEMBERS {
            let reader = b.member(&format!("h{number}"));
            let end = reader.get_ref().try_clone()?;
            hearers.push((end, thread::spawn(move || count(reader, &AtomicU64::new(0), false))));
        }
        let before = traffic(self.http);
        let begun = Instant::now();
        let load = load(&a, &[&a.program, &b.program, &self.nats], Some(100), self.options.seconds)?;
        let (span, after) = (begun.elapsed().as_secs_f64(), traffic(self.http));
        for (end, thread) in hearers {
            let _ = end.shutdown(std::net::Shutdown::Both);
            let _ = thread.join();
        }
        let rate = load.lines / load.seconds;
        let _ = writeln!(told, "\n| {rate:.0} lines a second from ten members of one daemon | µs a line |");
        let _ = writeln!(told, "|---|--:|");
        for (at, name) in
            ["the daemon of the speakers, and of ten hearers", "a daemon of ten hearers", "the server"]
                .iter()
                .enumerate()
        {
            let _ = writeln!(told, "| {name} | {:.1} |", load.micros(at));
        }
        let bytes = |after: f64, before: f64| (after - before) / (rate * span);
        let _ = writeln!(
            told,
            "\nBytes for a line: {:.0} to the server, {:.0} from it to the two daemons.",
            bytes(after.0, before.0),
            bytes(after.1, before.1)
        );
        Ok(())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn main() -> Result<()> {
    if let [option, server, port] = &std::env::args().skip(1).collect::<Vec<_>>()[..]
        && option == "--relay"
    {
        let number = |text: &str| text.parse().expect("a port");
        relay(number(server), number(port));
        return Ok(());
    }
    let run = Run::new(options());
    let mut told = String::new();
    let mut bare = Bare::new(run.port);
    run.latency(&mut bare, &mut told);
    run.readers(&mut bare, &mut told);
    run.throughput(&mut told)?;
    run.calm(&mut told)?;
    println!("{told}");
    Ok(())
}
