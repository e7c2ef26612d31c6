//! Why no daemon answered at an endpoint, and what is there. Knows no connection.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use ipcd::endpoint::ResolvedEndpoint;
use rustix::io::Errno;

use ipcd::os_error::describe;

/// How long to check for TCP at a port without datagrams.
const LOOK: Duration = Duration::from_millis(500);

/// The reason, for the end of a sentence.
pub(crate) fn of(endpoint: &ResolvedEndpoint, error: &io::Error) -> String {
    let found = match endpoint {
        ResolvedEndpoint::Udp(address) if error.kind() == ErrorKind::ConnectionRefused => {
            without_datagrams(*address)
        }
        // The kernel refuses a connection to a file that is not a socket.
        _ if error.kind() == ErrorKind::ConnectionRefused => endpoint.path().and_then(no_socket),
        _ if Errno::from_io_error(error) == Some(Errno::PROTOTYPE) => {
            Some("this is a socket of another type; try unix://, unixseq:// or unixgram://".to_owned())
        }
        _ => None,
    };
    found.unwrap_or_else(|| describe(error))
}

fn no_socket(path: &Path) -> Option<String> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    let found = if kind.is_dir() { "a directory" } else { kind.is_file().then_some("a file")? };
    Some(format!("this is {found}, not a socket"))
}

fn without_datagrams(address: SocketAddr) -> Option<String> {
    TcpStream::connect_timeout(&address, LOOK).ok()?;
    Some(format!("no datagrams are received here, but tcp://{address} is open"))
}
