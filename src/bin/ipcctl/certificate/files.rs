//! The files of an authority and its certificates: read with a bound, written all or none, and never over another.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::error::CliError;
use ipcd::os_error::describe;

/// More than any certificate or key of ours, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A file to be written.
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Only its owner may read it.
    pub(crate) is_secret: bool,
}

/// Writes all of them, or none.
///
/// # Errors
/// One of them is there already, or cannot be written.
pub(crate) fn write(files: &[NewFile]) -> Result<(), CliError> {
    // Before anything is written; the kernel refuses files that appear in between.
    if let Some(file) = files.iter().find(|file| fs::symlink_metadata(&file.path).is_ok()) {
        return Err(in_the_way(&file.path));
    }
    for (at, file) in files.iter().enumerate() {
        if let Err(error) = create(file) {
            for earlier in &files[..at] {
                let _ = fs::remove_file(&earlier.path);
            }
            return Err(match error.kind() {
                ErrorKind::AlreadyExists => in_the_way(&file.path),
                _ => CliError::Failed(format!(
                    "{}: {}; choose a directory that you may write to with --directory",
                    file.path.display(),
                    describe(&error)
                )),
            });
        }
    }
    Ok(())
}

fn create(file: &NewFile) -> std::io::Result<()> {
    let mode = if file.is_secret { 0o600 } else { 0o644 };
    let mut created = OpenOptions::new().write(true).create_new(true).mode(mode).open(&file.path)?;
    let written = created.write_all(file.text.as_bytes()).and_then(|()| created.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&file.path); // a full disk leaves no half a key
    }
    written
}

fn in_the_way(path: &Path) -> CliError {
    CliError::Failed(format!(
        "{}: this file exists, and nothing is overwritten; move it away, or choose another directory with --directory",
        path.display()
    ))
}

/// The text of a file, if there is one.
///
/// # Errors
/// It cannot be read, or is no text of a sensible size; a secret that others may read.
pub(crate) fn read(path: &Path, is_secret: bool) -> Result<Option<String>, CliError> {
    let wrong = |what: &str| CliError::Failed(format!("{}: {what}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&describe(&error))),
    };
    let about = file.metadata().map_err(|error| wrong(&describe(&error)))?;
    if !about.is_file() {
        return Err(wrong("this is not a regular file"));
    }
    if is_secret && about.mode() & 0o077 != 0 {
        return Err(wrong(&format!(
            "other users may read this key (mode {:04o}); if none has, run 'chmod 600' on it, otherwise make a new authority in another directory",
            about.mode() & 0o7777
        )));
    }
    let mut text = String::new();
    match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(count) if count as u64 <= FILE_BYTES_MAX => Ok(Some(text)),
        Ok(_) => Err(wrong("this is longer than any certificate or key")),
        Err(error) => Err(wrong(&describe(&error))),
    }
}
