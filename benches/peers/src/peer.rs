//! The servers that are measured: how each is started, and which protocol it speaks.

mod front;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::endpoint::Endpoint;
use crate::server::{Cores, Server, is_installed};
use crate::stream::Certificate;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub enum Peer {
    Limit,
    Ipcd,
    /// ipcd of another revision, which `benches/compare` has built.
    Former,
    Redis,
    Tokio,
    Python,
    Memcached,
    Ngircd,
    Ncat,
    Haproxy,
    Nginx,
    Stunnel,
    Node,
}

/// The transport of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    Tcp,
    Unix,
    Tls,
    /// TCP with WebSocket.
    Ws,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    Multiply,
    Greeting,
    Chat,
}

impl Service {
    pub fn name(self) -> &'static str {
        match self {
            Service::Multiply => "multiply",
            Service::Greeting => "greeting",
            Service::Chat => "chat",
        }
    }
}

/// Paths of the programs, and a directory for their files.
pub struct Environment {
    pub ipcd: PathBuf,
    /// The daemon of another revision.
    pub former: Option<PathBuf>,
    pub limit: PathBuf,
    pub limit_tls: PathBuf,
    pub limit_ws: PathBuf,
    pub certificate: Certificate,
    pub tokio: PathBuf,
    pub python: PathBuf,
    /// The WebSocket servers for Node.js and Python.
    pub web: [PathBuf; 2],
    pub directory: PathBuf,
    pub cores: Cores,
    /// The limit on open files in this process.
    pub descriptors: u64,
}

impl Peer {
    pub const ALL: [Peer; 13] = [
        Peer::Limit,
        Peer::Ipcd,
        Peer::Former,
        Peer::Redis,
        Peer::Tokio,
        Peer::Python,
        Peer::Memcached,
        Peer::Ngircd,
        Peer::Ncat,
        Peer::Haproxy,
        Peer::Nginx,
        Peer::Stunnel,
        Peer::Node,
    ];

    /// Peers that speak WebSocket.
    pub const OVER_WS: [Peer; 6] =
        [Peer::Limit, Peer::Ipcd, Peer::Former, Peer::Tokio, Peer::Node, Peer::Python];

    /// Peers that speak TLS. The last ones are proxies before the C limit, which has no TLS.
    pub const OVER_TLS: [Peer; 8] = [
        Peer::Limit,
        Peer::Ipcd,
        Peer::Former,
        Peer::Tokio,
        Peer::Redis,
        Peer::Haproxy,
        Peer::Nginx,
        Peer::Stunnel,
    ];

    /// Whether it is a proxy, which only decrypts for another server.
    pub fn is_front(self) -> bool {
        matches!(self, Peer::Haproxy | Peer::Nginx | Peer::Stunnel)
    }

    pub fn title(self) -> &'static str {
        match self {
            Peer::Limit => "C limit",
            Peer::Ipcd => "ipcd",
            Peer::Former => "ipcd before",
            Peer::Redis => "redis",
            Peer::Tokio => "tokio",
            Peer::Python => "Python",
            Peer::Memcached => "memcached",
            Peer::Ngircd => "ngircd",
            Peer::Ncat => "ncat",
            Peer::Haproxy => "haproxy",
            Peer::Nginx => "nginx",
            Peer::Stunnel => "stunnel",
            Peer::Node => "Node.js",
        }
    }

    /// The program that has to be installed for it.
    fn program(self) -> Option<&'static str> {
        match self {
            Peer::Limit | Peer::Ipcd | Peer::Former | Peer::Tokio => None,
            Peer::Redis => Some("redis-server"),
            Peer::Python => Some("python3"),
            Peer::Memcached => Some("memcached"),
            Peer::Ngircd => Some("ngircd"),
            Peer::Ncat => Some("ncat"),
            Peer::Haproxy => Some("haproxy"),
            Peer::Nginx => Some("nginx"),
            Peer::Stunnel => Some("stunnel4"),
            Peer::Node => Some("node"),
        }
    }

    /// Its program, if that is not installed.
    pub fn missing(self) -> Option<&'static str> {
        self.program().filter(|program| !is_installed(program))
    }

    /// Starts it for one service on one transport.
    pub fn spawn(self, service: Service, over: Over, environment: &Environment) -> Result<Server> {
        let endpoint = match over {
            Over::Unix => {
                let name = format!("{}-{}.sock", self.title().replace(' ', "-"), service.name());
                Endpoint::Unix(environment.directory.join(name))
            }
            Over::Tcp => Endpoint::tcp()?,
            Over::Tls => Endpoint::tls()?,
            Over::Ws => Endpoint::ws(service.name())?,
        };
        if self.is_front() {
            let behind = Peer::Limit.spawn(service, Over::Tcp, environment)?;
            let command = front::command(self, service, &endpoint, &behind.endpoint, environment)?;
            return Ok(Server::spawn(command, endpoint, environment.cores)?.before(behind));
        }
        let command = self.command(service, &endpoint, environment)?;
        Server::spawn(command, endpoint, environment.cores)
    }

    /// Starts ipcd with `multiply` on two endpoints: over TLS, and in the clear. Returns the second one beside the server.
    pub fn spawn_beside_tls(self, environment: &Environment) -> Result<(Server, Endpoint)> {
        let (endpoint, plain) = (Endpoint::tls()?, Endpoint::tcp()?);
        let Endpoint::Tcp(port) = plain else { bail!("a port of TCP") };
        let clients = (environment.descriptors - 100).to_string();
        let configuration =
            ipcd_configuration(Service::Multiply, &endpoint, &clients, &environment.certificate)
                .replace("listen = [", &format!("listen = [\"tcp://127.0.0.1:{port}\", "));
        let file = environment.directory.join("ipcd-beside-tls.toml");
        fs::write(&file, configuration)?;
        let mut command = Command::new(&environment.ipcd);
        command.arg("--config").arg(file);
        Ok((Server::spawn(command, endpoint, environment.cores)?, plain))
    }

    fn command(self, service: Service, endpoint: &Endpoint, environment: &Environment) -> Result<Command> {
        let (kind, place) = match endpoint {
            Endpoint::Tcp(port) => ("tcp", port.to_string()),
            Endpoint::Tls(port) => ("tls", port.to_string()),
            Endpoint::Unix(path) => ("unix", path.display().to_string()),
            Endpoint::Ws(port, _) => ("ws", port.to_string()),
        };
        let own = |program: &Path| {
            let mut command = Command::new(program);
            command.args([service.name(), kind, &place]);
            if kind == "tls" {
                command.arg(&environment.certificate.certificate).arg(&environment.certificate.key);
            }
            command
        };
        let clients = (environment.descriptors - 100).to_string();
        Ok(match self {
            Peer::Haproxy | Peer::Nginx | Peer::Stunnel => bail!("it serves nothing by itself"),
            Peer::Limit if kind == "tls" => own(&environment.limit_tls),
            Peer::Limit if kind == "ws" => own(&environment.limit_ws),
            Peer::Node | Peer::Python if kind == "ws" => web(self, service, &place, environment),
            Peer::Node => bail!("it speaks WebSocket"),
            Peer::Limit => own(&environment.limit),
            Peer::Tokio => own(&environment.tokio),
            Peer::Python => {
                // Debian's Python. A version manager's `python3` is a shell script around it.
                let debian = "/usr/bin/python3";
                let mut command = Command::new(if is_installed(debian) { debian } else { "python3" });
                command.arg(&environment.python).args([service.name(), kind, &place]);
                command
            }
            Peer::Ipcd | Peer::Former => {
                let (name, program) = match self {
                    Peer::Former => ("former", environment.former.as_ref().context("which one: --former")?),
                    _ => ("ipcd", &environment.ipcd),
                };
                let file = environment.directory.join(format!("{name}-{}-{kind}.toml", service.name()));
                fs::write(&file, ipcd_configuration(service, endpoint, &clients, &environment.certificate))?;
                let mut command = Command::new(program);
                command.arg("--config").arg(file);
                command
            }
            Peer::Redis => redis(endpoint, &place, &clients, environment),
            Peer::Memcached => {
                let mut command = Command::new("memcached");
                command.args(["-l", "127.0.0.1", "-p", &place, "-U", "0", "-t", "1", "-b", "4096"]);
                command.args(["-c", &clients, "-u", "root"]);
                command
            }
            Peer::Ngircd => {
                let file = environment.directory.join("ngircd.conf");
                fs::write(&file, ngircd_configuration(&place))?;
                let mut command = Command::new(sbin("ngircd"));
                command.args(["--nodaemon", "--config"]).arg(file);
                command
            }
            Peer::Ncat => {
                if service != Service::Chat {
                    bail!("ncat has only a chat");
                }
                let mut command = Command::new("ncat");
                command.args(["--listen", "127.0.0.1", &place, "--chat", "--max-conns", &clients]);
                command
            }
        })
    }
}

/// A server whose library is where IPCD_WS or IPCD_WEBSOCKETS says, or else where the interpreter finds it.
fn web(peer: Peer, service: Service, port: &str, environment: &Environment) -> Command {
    let [node, python] = &environment.web;
    let (program, script) = match peer {
        Peer::Node => ("node".into(), node),
        _ => (std::env::var_os("IPCD_WEBSOCKETS").unwrap_or_else(|| "python3".into()), python),
    };
    let mut command = Command::new(program);
    command.arg(script).args([service.name(), port]);
    command
}

fn redis(endpoint: &Endpoint, place: &str, clients: &str, environment: &Environment) -> Command {
    let mut command = Command::new("redis-server");
    match endpoint {
        Endpoint::Tcp(_) => command.args(["--port", place, "--bind", "127.0.0.1"]),
        Endpoint::Tls(_) => {
            let files = &environment.certificate;
            command.args(["--port", "0", "--tls-port", place, "--bind", "127.0.0.1"]);
            command.args(["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"]);
            command.arg("--tls-cert-file").arg(&files.certificate);
            command.arg("--tls-key-file").arg(&files.key);
            command.arg("--tls-ca-cert-file").arg(&files.certificate)
        }
        Endpoint::Unix(_) => command.args(["--port", "0", "--unixsocket", place]),
        Endpoint::Ws(..) => unreachable!("redis speaks no WebSocket"),
    };
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"]);
    command.args(["--protected-mode", "no", "--tcp-backlog", "4096", "--maxclients", clients]);
    command.args(["--client-output-buffer-limit", "pubsub 0 0 0"]);
    command.arg("--dir").arg(&environment.directory);
    command
}

pub fn sbin(program: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(program);
    if path.is_file() { path } else { program.into() }
}

/// Limits so high that none is reached, and no reserved descriptors. All else has its default.
fn ipcd_configuration(service: Service, endpoint: &Endpoint, clients: &str, files: &Certificate) -> String {
    let tls = match endpoint {
        Endpoint::Tls(_) => format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n\n",
            files.certificate.display(),
            files.key.display()
        ),
        Endpoint::Tcp(_) | Endpoint::Unix(_) | Endpoint::Ws(..) => String::new(),
    };
    let endpoint = match endpoint {
        Endpoint::Tls(port) => format!("tls://127.0.0.1:{port}"),
        Endpoint::Tcp(port) => format!("tcp://127.0.0.1:{port}"),
        Endpoint::Unix(path) => format!("unix://{}", path.display()),
        Endpoint::Ws(port, _) => format!("http://127.0.0.1:{port}"),
    };
    let table = if endpoint.starts_with("http:") { "page" } else { service.name() };
    format!(
        "{tls}[limits]\nmax_connections = {clients}\nmax_connections_per_address = 0\nmax_refused_lingering = 16\n\n[{table}]\nlisten = [\"{endpoint}\"]\n"
    )
}

/// Without rate limits.
fn ngircd_configuration(port: &str) -> String {
    format!(
        "[Global]\nName = bench.example.net\nInfo = a benchmark\nListen = 127.0.0.1\nPorts = {port}\nMotdPhrase = -\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxNickLength = 20\nMaxPenaltyTime = 0\n\
         PingTimeout = 100000\n[Options]\nDNS = no\nIdent = no\nPAM = no\n"
    )
}
