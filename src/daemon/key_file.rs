//! Files that the configuration names for a key: certificates, private keys, credentials. Knows who may read a secret, and where
//! systemd puts the service's credentials.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::os_error::describe;

/// The longest file, in bytes: the authorities of all browsers are 250 kB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file, and where it was.
pub(super) struct Loaded {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// Reads a file; a `%d` at the beginning of its path is the directory of credentials.
pub(super) fn load(key: &str, path: &Path, is_secret: bool) -> Result<Loaded, String> {
    let path = match path.strip_prefix("%d") {
        Err(_) => path.to_owned(),
        Ok(rest) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(directory) => Path::new(&directory).join(rest),
            None => {
                return Err(format!(
                    "{}: there is no credentials directory (CREDENTIALS_DIRECTORY is not set); pass {} with LoadCredential= in the unit, or name a path",
                    path.display(),
                    rest.display(),
                ));
            }
        },
    };
    let wrong = |what: String| format!("{}: {what}", path.display());
    // Opening must not block, whatever is there.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(&path, flags, Mode::empty()).map(File::from).map_err(|errno| {
        let advice = match errno {
            rustix::io::Errno::NOENT => "create it, for example with ipcctl certificate, or name another one",
            rustix::io::Errno::ACCESS => "the user that ipcd runs as must be able to read it",
            _ => "name a regular file",
        };
        wrong(format!("{}; {key} must be a file that can be read: {advice}", describe(&errno.into())))
    })?;
    let about = file.metadata().map_err(|error| wrong(describe(&error)))?;
    if !about.is_file() {
        return Err(wrong(format!("is not a regular file; {key} must be one")));
    }
    if is_secret && about.mode() & 0o007 != 0 {
        return Err(wrong(format!(
            "every user of this machine may use the key (mode {:04o}); chmod 600 {}, or 640 and the group of ipcd's user",
            about.mode() & 0o7777,
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| wrong(describe(&error)))?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(wrong("is larger than 1 MiB; name the right file".to_owned())),
        false => Ok(Loaded { path, bytes }),
    }
}
