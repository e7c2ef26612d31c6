//! The endpoint of a server, and how to connect to it, whatever the messages are.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::stream::{ClientSide, Stream};
use crate::words::Form;

/// The longest wait for any one step of a server.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that was just closed keeps its port for a while, and one address has 28,000 ports. Clients of short
/// connections therefore use this many source addresses.
const SOURCES: u32 = 64;

/// The first port that is tried. The kernel gives no port below 32768 to clients.
const PORT_FIRST: u16 = 21_000;

#[derive(Clone, Debug)]
pub enum Endpoint {
    Tcp(u16),
    /// TCP with TLS.
    Tls(u16),
    Unix(PathBuf),
    /// TCP with the WebSocket of this service.
    Ws(u16, &'static str),
}

/// The example key of RFC 6455, section 1.3, and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Endpoint {
    /// A free TCP port on the loopback address.
    pub fn tcp() -> io::Result<Endpoint> {
        Endpoint::free_port().map(Endpoint::Tcp)
    }

    /// A free port for TLS.
    pub fn tls() -> io::Result<Endpoint> {
        Endpoint::free_port().map(Endpoint::Tls)
    }

    /// A free port for the WebSocket of a service.
    pub fn ws(service: &'static str) -> io::Result<Endpoint> {
        Endpoint::free_port().map(|port| Endpoint::Ws(port, service))
    }

    /// How messages are encoded there.
    pub fn form(&self) -> Form {
        if let Endpoint::Ws(..) = self { Form::Frames } else { Form::Lines }
    }

    fn free_port() -> io::Result<u16> {
        use std::sync::atomic::{AtomicU16, Ordering};
        static NEXT: AtomicU16 = AtomicU16::new(PORT_FIRST);
        for _ in 0..1000 {
            let port = NEXT.fetch_add(1, Ordering::Relaxed);
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn address(&self) -> io::Result<SockAddr> {
        match self {
            Endpoint::Tcp(port) | Endpoint::Tls(port) | Endpoint::Ws(port, _) => {
                Ok(SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))))
            }
            Endpoint::Unix(path) => SockAddr::unix(path),
        }
    }

    fn socket(&self) -> io::Result<Socket> {
        let domain = match self {
            Endpoint::Tcp(_) | Endpoint::Tls(_) | Endpoint::Ws(..) => Domain::IPV4,
            Endpoint::Unix(_) => Domain::UNIX,
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if let Endpoint::Tcp(_) | Endpoint::Tls(_) | Endpoint::Ws(..) = self {
            socket.set_tcp_nodelay(true)?;
        }
        Ok(socket)
    }

    /// Whether a process listens here, according to the kernel's tables.
    pub fn is_listening(&self) -> io::Result<bool> {
        Ok(match self {
            Endpoint::Tcp(port) | Endpoint::Tls(port) | Endpoint::Ws(port, _) => {
                let local = format!("0100007F:{port:04X}");
                let is_listener = |line: &str| {
                    let mut columns = line.split_whitespace().skip(1);
                    // 0A is the state LISTEN.
                    columns.next() == Some(&local) && columns.nth(1) == Some("0A")
                };
                fs::read_to_string("/proc/net/tcp")?.lines().any(is_listener)
            }
            Endpoint::Unix(path) => {
                let (path, listens) = (path.display().to_string(), " 00010000 ");
                fs::read_to_string("/proc/net/unix")?
                    .lines()
                    .any(|line| line.contains(listens) && line.ends_with(&path))
            }
        })
    }

    /// A blocking connection with a timeout. Over TLS, its handshake is done.
    pub fn connect(&self) -> io::Result<Stream> {
        let socket = self.socket()?;
        socket.connect(&self.address()?)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        let mut stream = self.stream(socket, None)?;
        stream.settle()?;
        if let Endpoint::Ws(port, service) = self {
            open(&mut stream, *port, service)?;
        }
        Ok(stream)
    }

    fn stream(&self, socket: Socket, resuming: Option<&ClientSide>) -> io::Result<Stream> {
        match self {
            Endpoint::Tls(_) => Stream::over_tls(socket, resuming),
            Endpoint::Tcp(_) | Endpoint::Unix(_) | Endpoint::Ws(..) => Ok(Stream::plain(socket)),
        }
    }

    /// A short connection; `nth` selects its source address. Over TLS it may resume an earlier session.
    pub fn connect_shortly(&self, nth: u64, resuming: Option<&ClientSide>) -> io::Result<Stream> {
        let socket = self.socket()?;
        if let Endpoint::Tcp(_) | Endpoint::Tls(_) = self {
            let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + (nth % u64::from(SOURCES)) as u32);
            // The kernel chooses the port at connect(), so that a port may serve several destinations.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            socket.bind(&SockAddr::from(SocketAddr::from((source, 0))))?;
        }
        socket.connect(&self.address()?)?;
        socket.set_nonblocking(true)?;
        self.stream(socket, resuming)
    }
}

/// Opens the WebSocket of a service, and checks the server's answer.
fn open(stream: &mut Stream, port: u16, service: &str) -> io::Result<()> {
    let head = format!(
        "GET /{service} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    // Reads byte by byte: what follows the head belongs to the conversation.
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer);
    if answer.starts_with("HTTP/1.1 101 ") && answer.contains(ACCEPTED) {
        return Ok(());
    }
    Err(io::Error::other(format!("no WebSocket was opened: {answer}")))
}
