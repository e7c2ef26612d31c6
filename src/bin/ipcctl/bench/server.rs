//! The bench's own ipcd, one for each endpoint, so that no other configuration matters, and a mechanism that this
//! machine lacks does not affect the others.

use std::ffi::OsString;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ipcd::endpoint::ResolvedEndpoint;
use ipcd::transport::error::IN_USE;
use rustix::pipe::{PipeFlags, pipe_with};

use super::mechanism::Mechanism;
use super::workspace::{Responder, Workspace};
use ipcd::os_error::describe;

/// Another process may take a port between our choice and the daemon's start.
const PORTS_TRIED: usize = 3;

/// Starts a daemon at an endpoint that the bench chooses.
pub(crate) fn start(
    mechanism: Mechanism,
    workspace: &Workspace,
    timeout: Option<Duration>,
) -> Result<(Responder, ResolvedEndpoint), String> {
    find()?;
    let mut tries = PORTS_TRIED;
    loop {
        tries -= 1;
        let endpoint = endpoint(mechanism, workspace).map_err(|error| describe(&error))?;
        let config = configure(workspace, &endpoint)?;
        let arguments = [OsString::from("daemon"), config.into()];
        let responder = workspace
            .start(arguments, Stdio::null(), Stdio::null())
            .map_err(|error| format!("cannot start another process: {}", describe(&error)))?;
        match responder.wait_until_ready(timeout) {
            Ok(()) => return Ok((responder, endpoint)),
            Err(error) if tries > 0 && error.contains(IN_USE) => {}
            Err(error) => return Err(format!("ipcd: {error}")),
        }
    }
}

/// Starts a daemon on two pipes; returns the ends to write to and to read from.
pub(crate) fn start_on_pipes(workspace: &Workspace) -> Result<(Responder, OwnedFd, OwnedFd), String> {
    let make = || -> io::Result<_> { Ok((pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?)) };
    let ((theirs_in, to), (from, theirs_out)) = make().map_err(|error| describe(&error))?;
    // The system's configuration must not matter; the endpoint is not opened.
    let config = configure(workspace, &ResolvedEndpoint::Unix(workspace.path("multiply.sock")))?;
    find()?;
    let arguments = [OsString::from("daemon-on-pipes"), config.into()];
    let responder = workspace
        .start(arguments, theirs_in.into(), theirs_out.into())
        .map_err(|error| format!("cannot start another process: {}", describe(&error)))?;
    Ok((responder, to, from))
}

/// Writes the configuration of a daemon with only this endpoint.
fn configure(workspace: &Workspace, endpoint: &ResolvedEndpoint) -> Result<PathBuf, String> {
    let config = workspace.path("ipcd.toml");
    // A JSON string is also a TOML string.
    let listen = serde_json::Value::from(endpoint.to_string());
    // No limit on datagrams a second: their rate is what is measured.
    let text = format!("[limits]\nanswers_per_second = 0\n[multiply]\nlisten = [{listen}]\n");
    let written = std::fs::write(&config, text);
    written.map_err(|error| format!("{}: {}", config.display(), describe(&error)))?;
    Ok(config)
}

/// The path of this client's daemon: in the same directory (a build, or one directory for both), or the system's. Never
/// from a variable.
pub(crate) fn find() -> Result<PathBuf, String> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("ipcd")));
    let system = PathBuf::from("/usr/sbin/ipcd");
    let found = beside.into_iter().chain([system]).find(|path| path.is_file());
    found.ok_or_else(|| "no ipcd found in the directory of ipcctl or in /usr/sbin".to_owned())
}

fn endpoint(mechanism: Mechanism, workspace: &Workspace) -> io::Result<ResolvedEndpoint> {
    const ANY: (&str, u16) = ("127.0.0.1", 0);
    Ok(match mechanism {
        Mechanism::Tcp => ResolvedEndpoint::Tcp(TcpListener::bind(ANY)?.local_addr()?),
        Mechanism::Udp => ResolvedEndpoint::Udp(UdpSocket::bind(ANY)?.local_addr()?),
        Mechanism::Unix => ResolvedEndpoint::Unix(workspace.path("multiply.sock")),
        Mechanism::UnixSeq => ResolvedEndpoint::UnixSeq(workspace.path("multiply.seq")),
        Mechanism::Shm => ResolvedEndpoint::Shm(workspace.path("multiply.shm")),
        Mechanism::UnixGram => ResolvedEndpoint::UnixGram(workspace.path("multiply.gram")),
        Mechanism::Fifo => ResolvedEndpoint::Fifo(workspace.path("multiply")),
        Mechanism::Mq => {
            let name = format!("/ipcctl-bench-{}", std::process::id());
            [".in", ".out", ".lock"].iter().for_each(|end| workspace.own_queue(format!("{name}{end}")));
            ResolvedEndpoint::Mq(name.into())
        }
        _ => return Err(io::Error::other("the daemon has no such endpoint")),
    })
}
