//! A service manager for one daemon: keeps what a daemon hands over, and gives it to the next one.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::endpoint::{Endpoint, TIMEOUT};
use crate::peer::Environment;
use crate::server::{Cores, Server};

pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    daemon: Command,
    cores: Cores,
    store: Vec<(String, OwnedFd)>,
}

/// LISTEN_PID must be the process's own id, which only the process itself knows before it becomes the daemon.
const SCRIPT: &str =
    "export NOTIFY_SOCKET=\"$1\" LISTEN_PID=$$ LISTEN_FDS=$2 LISTEN_FDNAMES=$3; shift 3; exec \"$@\"";

impl Manager {
    pub fn new(environment: &Environment, daemon: Command) -> Result<Manager> {
        let path = environment.directory.join("notify.sock");
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Manager { socket, path, daemon, cores: environment.cores, store: Vec::new() })
    }

    /// Starts a daemon with what is stored.
    pub fn start(&mut self, endpoint: Endpoint) -> Result<Server> {
        let stored = std::mem::take(&mut self.store);
        let names: Vec<&str> = stored.iter().map(|(name, _)| name.as_str()).collect();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&self.path).args([names.len().to_string(), names.join(":")]);
        command.arg(self.daemon.get_program()).args(self.daemon.get_args());
        let mapped = stored.into_iter().zip(3..);
        command.fd_mappings(
            mapped.map(|((_, parent_fd), child_fd)| FdMapping { parent_fd, child_fd }).collect(),
        )?;
        Server::spawn(command, endpoint, self.cores)
    }

    /// Keeps what a daemon hands over until it has ended.
    pub fn wait_for_handover(&mut self, server: &mut Server) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        while !server.has_ended()? {
            self.receive()?;
            ensure!(Instant::now() < deadline, "it handed nothing over within {TIMEOUT:?}");
        }
        self.receive()?;
        ensure!(!self.store.is_empty(), "it ended and handed nothing over");
        Ok(())
    }

    /// Reads all messages that are there.
    pub fn receive(&mut self) -> Result<()> {
        loop {
            let mut bytes = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let message =
                match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) {
                    Err(rustix::io::Errno::AGAIN) => return Ok(()),
                    message => message?,
                };
            let text = String::from_utf8_lossy(&bytes[..message.bytes]).into_owned();
            let name =
                text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored").to_owned();
            // A barrier's descriptor is closed here.
            for part in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = part
                    && text.contains("FDSTORE=1")
                {
                    self.store.extend(rights.map(|fd| (name.clone(), fd)));
                }
            }
            if text.contains("FDSTOREREMOVE=1") {
                self.store.retain(|(other, _)| *other != name);
            }
        }
    }
}
