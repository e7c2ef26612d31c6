//! A service manager for tests. It receives a daemon's messages, stores descriptors, and passes them to the next daemon.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{TestDir, wait_until};

#[derive(Default)]
struct Heard {
    messages: Vec<String>,
    store: Vec<(String, OwnedFd)>,
}

/// The manager.
pub struct Manager {
    path: PathBuf,
    heard: Arc<Mutex<Heard>>,
}

impl Manager {
    pub fn new(test_dir: &TestDir) -> Manager {
        let path = test_dir.directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::downgrade(&heard);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        std::thread::spawn(move || {
            while let Some(heard) = shared.upgrade() {
                receive(&socket, &heard);
            }
        });
        Manager { path, heard }
    }

    /// The command that starts ipcd under this manager, with `descriptors` from 3 on.
    pub fn command(&self, test_dir: &TestDir, descriptors: Vec<(String, OwnedFd)>) -> Command {
        // LISTEN_PID must be the process's own id, which only the process itself knows before it becomes ipcd.
        self.command_by("export LISTEN_PID=$$; exec \"$@\"", test_dir, descriptors)
    }

    /// The same with a script, whose arguments are the command.
    pub fn command_by(
        &self,
        script: &str,
        test_dir: &TestDir,
        descriptors: Vec<(String, OwnedFd)>,
    ) -> Command {
        let ipcd = test_dir.command();
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg("sh").arg(ipcd.get_program());
        command.args(ipcd.get_args()).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        command.env("NOTIFY_SOCKET", &self.path);
        if !descriptors.is_empty() {
            let names: Vec<&str> = descriptors.iter().map(|(name, _)| name.as_str()).collect();
            command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        }
        let mapped = descriptors.into_iter().zip(3..);
        let mapped = mapped.map(|((_, parent_fd), child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mapped.collect()).unwrap();
        command
    }

    /// Waits for a message that contains `text`.
    pub fn wait_for(&self, text: &str) -> String {
        wait_until(text, || self.messages().into_iter().find(|message| message.contains(text)))
    }

    pub fn messages(&self) -> Vec<String> {
        self.heard.lock().unwrap().messages.clone()
    }

    /// The number of stored descriptors, by name.
    pub fn stored(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        self.heard
            .lock()
            .unwrap()
            .store
            .iter()
            .for_each(|(name, _)| *counts.entry(name.clone()).or_default() += 1);
        counts
    }

    /// Copies of the stored descriptors, which stay.
    pub fn copy_stored(&self) -> Vec<(String, OwnedFd)> {
        let heard = self.heard.lock().unwrap();
        heard.store.iter().map(|(name, fd)| (name.clone(), fd.try_clone().unwrap())).collect()
    }

    /// Takes the stored descriptors, for the next process.
    pub fn take_stored(&self) -> Vec<(String, OwnedFd)> {
        let mut heard = self.heard.lock().unwrap();
        heard.messages.clear();
        std::mem::take(&mut heard.store)
    }
}

fn receive(socket: &UnixDatagram, heard: &Mutex<Heard>) {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let Ok(message) = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) else {
        return;
    };
    let text = String::from_utf8_lossy(&bytes[..message.bytes]).into_owned();
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            descriptors.extend(rights);
        }
    }
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored").to_owned();
    let mut heard = heard.lock().unwrap();
    if text.contains("FDSTORE=1") {
        heard.store.extend(descriptors.into_iter().map(|fd| (name.clone(), fd)));
    } else if text.contains("FDSTOREREMOVE=1") {
        heard.store.retain(|(other, _)| *other != name);
    }
    heard.messages.push(text); // by now a BARRIER's descriptor is closed
}
