//! Finding the daemon, and a conversation with it in lines.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipcd::endpoint::{Endpoint, Place};
use ipcd::transport::directory::runtime_directory_if_there;

use super::Trouble;

/// The socket of a daemon that was started by the system.
const SYSTEM_SOCKET: &str = "/run/ipcd/ipcd.sock";

/// Where multiply is, on a daemon without a Unix socket.
const MULTIPLY: &str = "tcp://localhost:65432";

trait Stream: Read + Write {
    fn half_close(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn half_close(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn half_close(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A connection to the daemon.
pub(crate) struct Conversation {
    stream: BufReader<Box<dyn Stream>>,
    /// Where it is.
    pub(crate) place: Place,
    timeout: Duration,
}

impl Conversation {
    /// Connects to the endpoint named, or to the local daemon. `with_tcp`: multiply's own port will do.
    pub(crate) fn begin(
        to: Option<&Endpoint>,
        timeout: Duration,
        with_tcp: bool,
    ) -> Result<Conversation, Trouble> {
        let places = match to {
            Some(endpoint) => endpoint.places(&runtime_directory_if_there().unwrap_or_default()),
            None => local(with_tcp),
        };
        let mut tried = Vec::new();
        for place in places {
            match connect(&place, timeout) {
                Ok(stream) => return Ok(Conversation { stream: BufReader::new(stream), place, timeout }),
                Err(error) => tried.push(format!("{place}: {error}")),
            }
        }
        Err(Trouble::Unreachable(format!(
            "no daemon there ({}); start one with 'ipcd', or name it with --to",
            tried.join("; ")
        )))
    }

    /// Sends a line.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), Trouble> {
        let sent = self.stream.get_mut().write_all(format!("{line}\n").as_bytes());
        sent.map_err(|error| self.trouble(&error))
    }

    /// Says that no more lines come.
    pub(crate) fn end(&mut self) -> Result<(), Trouble> {
        let ended = self.stream.get_ref().half_close();
        ended.map_err(|error| self.trouble(&error))
    }

    /// The next line, or `None` at end of file.
    pub(crate) fn hear(&mut self) -> Result<Option<String>, Trouble> {
        let mut line = Vec::new();
        let heard = self.stream.read_until(b'\n', &mut line);
        heard.map_err(|error| self.trouble(&error))?;
        if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                let timeout = humantime::format_duration(self.timeout);
                Trouble::TimedOut(format!(
                    "{}: no answer within {timeout}; --timeout sets another time",
                    self.place
                ))
            }
            _ => Trouble::Failed(format!("{}: {error}", self.place)),
        }
    }
}

/// Where the local daemon may be, the likeliest place first.
fn local(with_tcp: bool) -> Vec<Place> {
    let own = runtime_directory_if_there().map(|directory| directory.join("ipcd/ipcd.sock"));
    let mut sockets: Vec<PathBuf> = own.into_iter().chain([PathBuf::from(SYSTEM_SOCKET)]).collect();
    sockets.dedup();
    let mut places: Vec<Place> = sockets.into_iter().map(Place::Unix).collect();
    if with_tcp {
        let endpoint: Result<Endpoint, String> = MULTIPLY.parse();
        places.extend(endpoint.into_iter().flat_map(|endpoint| endpoint.places(Path::new(""))));
    }
    places
}

fn connect(place: &Place, timeout: Duration) -> io::Result<Box<dyn Stream>> {
    let some = (!timeout.is_zero()).then_some(timeout);
    match place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(some)?;
            stream.set_write_timeout(some)?;
            Ok(Box::new(stream))
        }
        Place::Tcp(address) => {
            let stream = dial(address, some)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(some)?;
            stream.set_write_timeout(some)?;
            Ok(Box::new(stream))
        }
        Place::Udp(_) | Place::UnixSeq(_) | Place::UnixGram(_) | Place::Fifo(_) => {
            Err(io::Error::new(ErrorKind::Unsupported, "ipcctl speaks to tcp:// and unix:// endpoints"))
        }
    }
}

fn dial(address: &SocketAddr, timeout: Option<Duration>) -> io::Result<TcpStream> {
    match timeout {
        Some(timeout) => TcpStream::connect_timeout(address, timeout),
        None => TcpStream::connect(address),
    }
}
