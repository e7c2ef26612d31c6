//! `--user NAME`: opens what needs root, and then gives up root.

use std::fs::File;

use super::listens::ListenSpec;
use super::retry::Retries;
use super::{Daemon, Failure};
use crate::host::user::{User, make_directory};
use crate::os_error::describe;

impl Daemon {
    /// Opens what needs root: network endpoints, for ports below 1024, and the directory in `/run`. Then switches to the
    /// user for good. Sockets and FIFOs in the file system are opened after that: root never creates or removes a file where
    /// another user may write.
    pub(super) fn become_user(&mut self, user: &User, wanted: &[ListenSpec]) -> Result<(), Failure> {
        let network: Vec<ListenSpec> =
            wanted.iter().filter(|want| want.place.path().is_none()).cloned().collect();
        self.open(&network, Retries::AtStart).map_err(Failure::Unavailable)?;
        for directory in wanted.iter().filter_map(|want| want.options.make_directory.as_deref()) {
            make_directory(directory, user).map_err(|error| {
                Failure::Unavailable(vec![format!(
                    "{}: cannot be created for user {}: {}",
                    directory.display(),
                    user.name(),
                    describe(&error)
                )])
            })?;
        }
        user.assume().map_err(Failure::Runtime)?;
        if let Some(file) = &self.config.file
            && let Err(error) = File::open(file)
        {
            log::warn!(
                "{}: user {} cannot read it ({}), so a reload will fail; let that user read it",
                file.display(),
                user.name(),
                describe(&error)
            );
        }
        Ok(())
    }
}
