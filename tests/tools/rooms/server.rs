//! Real NATS servers, each in a directory and on an address of its own.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::log::Nats;
use crate::harness::{process, wait_until};

pub const PORT: u16 = 4222;

/// The versions to test with: Debian's, and the newest if `.ci/run` has installed it.
pub fn versions() -> Vec<String> {
    let newest = std::env::var("IPCD_NATS_SERVER").ok();
    std::iter::once("nats-server".to_owned()).chain(newest).collect()
}

/// A server.
pub struct Server {
    program: String,
    pub ip: Ipv4Addr,
    directory: tempfile::TempDir,
    child: Option<Child>,
    /// What a client sends about itself.
    pub connect: Value,
}

/// The beginning of a server's configuration.
fn common(name: &str, ip: Ipv4Addr, store: &str) -> String {
    format!(
        "listen: \"{ip}:{PORT}\"\nserver_name: \"{name}\"\n\
         jetstream {{ store_dir: \"{store}\", max_memory_store: 64MB, max_file_store: 512MB }}\n"
    )
}

impl Server {
    /// A single server. `more`: further lines of its configuration.
    pub fn alone(program: &str, more: &str) -> Server {
        let mut server = Server::new(program, process::address(), "alone", more);
        server.start();
        server
    }

    /// A server that is not started yet.
    pub fn new(program: &str, ip: Ipv4Addr, name: &str, more: &str) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        let text = common(name, ip, store.to_str().unwrap());
        let path = directory.path().join("nats.conf");
        let more = more.replace("{dir}", directory.path().to_str().unwrap());
        std::fs::write(path, format!("{text}{more}\n")).unwrap();
        Server { program: program.to_owned(), ip, directory, child: None, connect: serde_json::json!({}) }
    }

    /// One whose configuration is a file that the caller writes.
    pub fn as_written(program: &str, ip: Ipv4Addr) -> Server {
        Server::new(program, ip, "as written", "")
    }

    /// A configuration whose directories, for its certificate and for what it stores, are this server's.
    pub fn with_directories(&self, text: &str, certificates: &str, store: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        text.replace(certificates, directory).replace(store, &format!("{directory}/store"))
    }

    /// Three servers of one cluster.
    pub fn cluster(program: &str, more: &str) -> Vec<Server> {
        let ips = [(); 3].map(|()| process::address());
        let routes: Vec<String> = ips.iter().map(|ip| format!("\"nats://{ip}:6222\"")).collect();
        let mut servers = Vec::new();
        for (number, ip) in ips.into_iter().enumerate() {
            let cluster = format!(
                "cluster {{ name: \"house\", listen: \"{ip}:6222\", routes: [{}] }}\n{more}",
                routes.join(", ")
            );
            let mut server = Server::new(program, ip, &format!("n{number}"), &cluster);
            server.spawn();
            servers.push(server);
        }
        wait_until("the cluster has a leader", || {
            let info =
                Nats::try_connect(servers[0].ip, &servers[0].connect)?.try_request("$JS.API.INFO", "")?;
            info.get("error").is_none().then_some(())
        });
        servers
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into its directory.
    pub fn write(&self, name: &str, text: &str) {
        let mut file = std::fs::File::create(self.file(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub fn url(&self) -> String {
        format!("nats://{}:{PORT}", self.ip)
    }

    fn spawn(&mut self) {
        let log = std::fs::File::create(self.file("log")).unwrap();
        let spawned = Command::new(&self.program)
            .arg("-c")
            .arg(self.file("nats.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let why = "this test needs it: apt-get install nats-server";
        self.child =
            Some(spawned.unwrap_or_else(|error| panic!("cannot run {}: {error}; {why}", self.program)));
    }

    /// Starts it, with what it has stored.
    pub fn start(&mut self) {
        self.spawn();
        wait_until("the server listens", || TcpStream::connect((self.ip, PORT)).ok());
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.take().unwrap().wait().unwrap();
    }

    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Makes it ask its clients to leave, and end.
    pub fn duck(&mut self) {
        self.signal(Signal::USR2);
    }

    /// Waits for its end.
    pub fn wait(&mut self) {
        let child = self.child.as_mut().expect("it runs");
        wait_until("the server ends", || child.try_wait().unwrap());
        self.child = None;
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.file("log")).unwrap_or_default();
            let from = log.len().saturating_sub(2000);
            eprintln!("the server at {} said:\n{}", self.ip, log.get(from..).unwrap_or_default());
        }
    }
}

/// The number of the server that leads the stream.
pub fn leader(servers: &[Server], stream: &str) -> usize {
    wait_until("the stream has a leader", || {
        let server = servers.iter().find(|server| server.is_running())?;
        let info = Nats::try_connect(server.ip, &server.connect)?
            .try_request(&format!("$JS.API.STREAM.INFO.{stream}"), "")?;
        let name = info["cluster"]["leader"].as_str()?;
        name.strip_prefix('n')?.parse().ok()
    })
}

/// The time in which a running server certainly gets the few hundred messages that it missed.
const CATCHING_UP: Duration = Duration::from_secs(15);

/// Waits until all servers of a cluster have the whole stream; returns the number of the leader. A second fault before that is more
/// than three servers survive: nats-server 2.9.10 then lost acknowledged messages.
pub fn settled(servers: &[Server], stream: &str) -> usize {
    let begun = Instant::now();
    wait_until("all servers have the stream", || {
        let first = leader(servers, stream);
        let info = Nats::try_connect(servers[first].ip, &servers[first].connect)?
            .try_request(&format!("$JS.API.STREAM.INFO.{stream}"), "")?;
        let replicas = info["cluster"]["replicas"].as_array()?;
        let is_current = |replica: &Value| {
            // nats-server 2.9.10 sometimes never reports this for a server that has run for long.
            let is_said = replica["current"] == true && replica["lag"].as_u64().unwrap_or(0) == 0;
            replica["offline"] != true && (is_said || begun.elapsed() > CATCHING_UP)
        };
        (replicas.len() == 2 && replicas.iter().all(is_current)).then_some(first)
    })
}

/// How long a client waits for one answer of a server.
pub const ANSWER: Duration = Duration::from_secs(2);
