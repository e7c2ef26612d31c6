//! An ipcd of the bench's own for one endpoint, so that no configuration but its own matters and one mechanism that this
//! machine does not have takes no other with it.

use std::ffi::OsString;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ipcd::endpoint::ResolvedEndpoint;
use rustix::pipe::{PipeFlags, pipe_with};

use super::mechanism::Mechanism;
use super::workspace::{Partner, Workspace};

/// Somebody else may take a port between our choice and the daemon's start.
const PORTS_TRIED: usize = 3;

/// Starts one at a place of the bench's choice.
pub(crate) fn start(
    mechanism: Mechanism,
    ground: &Workspace,
    timeout: Option<Duration>,
) -> Result<(Partner, ResolvedEndpoint), String> {
    find()?;
    let mut tries = PORTS_TRIED;
    loop {
        tries -= 1;
        let place = place(mechanism, ground).map_err(|error| error.to_string())?;
        let config = configure(ground, &place)?;
        let arguments = [OsString::from("daemon"), config.into()];
        let partner = ground
            .start(arguments, Stdio::null(), Stdio::null())
            .map_err(|error| format!("cannot start another process: {error}"))?;
        match partner.wait_until_ready(timeout) {
            Ok(()) => return Ok((partner, place)),
            Err(error) if tries > 0 && error.contains("in use") => {}
            Err(error) => return Err(format!("ipcd: {error}")),
        }
    }
}

/// Starts one on two pipes; gives what to write to and what to read from.
pub(crate) fn start_on_pipes(ground: &Workspace) -> Result<(Partner, OwnedFd, OwnedFd), String> {
    let make = || -> io::Result<_> { Ok((pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?)) };
    let ((theirs_in, to), (from, theirs_out)) = make().map_err(|error| error.to_string())?;
    // That of the system, if there is one, does not matter here; the endpoint is not opened.
    let config = configure(ground, &ResolvedEndpoint::Unix(ground.path("multiply.sock")))?;
    find()?;
    let arguments = [OsString::from("daemon-on-pipes"), config.into()];
    let partner = ground
        .start(arguments, theirs_in.into(), theirs_out.into())
        .map_err(|error| format!("cannot start another process: {error}"))?;
    Ok((partner, to, from))
}

/// Writes the configuration of a daemon that has this endpoint alone.
fn configure(ground: &Workspace, place: &ResolvedEndpoint) -> Result<PathBuf, String> {
    let config = ground.path("ipcd.toml");
    // A string of JSON is one of TOML.
    let listen = serde_json::Value::from(place.to_string());
    // As many datagrams a second as there can be: that is what is measured.
    let text = format!("[limits]\nanswers_per_second = 0\n[multiply]\nlisten = [{listen}]\n");
    let written = std::fs::write(&config, text);
    written.map_err(|error| format!("{}: {error}", config.display()))?;
    Ok(config)
}

/// Where the daemon of this client is: beside it (a build, or one directory for both), or where the system's is. Never
/// where a variable says.
pub(crate) fn find() -> Result<PathBuf, String> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("ipcd")));
    let system = PathBuf::from("/usr/sbin/ipcd");
    let found = beside.into_iter().chain([system]).find(|path| path.is_file());
    found.ok_or_else(|| "no ipcd found in the directory of ipcctl or in /usr/sbin".to_owned())
}

fn place(mechanism: Mechanism, ground: &Workspace) -> io::Result<ResolvedEndpoint> {
    const ANY: (&str, u16) = ("127.0.0.1", 0);
    Ok(match mechanism {
        Mechanism::Tcp => ResolvedEndpoint::Tcp(TcpListener::bind(ANY)?.local_addr()?),
        Mechanism::Udp => ResolvedEndpoint::Udp(UdpSocket::bind(ANY)?.local_addr()?),
        Mechanism::Unix => ResolvedEndpoint::Unix(ground.path("multiply.sock")),
        Mechanism::UnixSeq => ResolvedEndpoint::UnixSeq(ground.path("multiply.seq")),
        Mechanism::UnixGram => ResolvedEndpoint::UnixGram(ground.path("multiply.gram")),
        Mechanism::Fifo => ResolvedEndpoint::Fifo(ground.path("multiply")),
        _ => return Err(io::Error::other("the daemon has no such endpoint")),
    })
}
