//! Makes the requested certificates: checks everything, signs, and then writes all files or none.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::error::CliError;
use super::super::output;
use super::advice;
use super::arguments::Arguments;
use super::authority::{Authority, Issued};
use super::files::{self, NewFile};
use super::made::{Made, Pair};
use super::names;
use ipcd::os_error::describe;

/// The authority's certificate and key.
const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca-key.pem";

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let now = SystemTime::now();
    let names = names::servers(&arguments.names).map_err(CliError::Usage)?;
    let clients: Result<Vec<String>, String> =
        arguments.clients.iter().map(|name| names::client(name)).collect();
    let clients = clients.map_err(CliError::Usage)?;
    let directory = directory(&arguments.directory)?;
    let mut files = Vec::new();
    let mut keep = |stem: &str, name: &str, issued: Issued| {
        let (certificate, key) =
            (directory.join(format!("{stem}.pem")), directory.join(format!("{stem}-key.pem")));
        files.push(NewFile { path: certificate.clone(), text: issued.certificate, is_secret: false });
        files.push(NewFile { path: key.clone(), text: issued.key, is_secret: true });
        Pair { name: name.to_owned(), certificate, key, ends: issued.ends }
    };
    let failed =
        |reason: String| CliError::Failed(format!("{}: {reason}", directory.join(AUTHORITY).display()));
    let (authority, new_authority) = match stored(&directory, now)? {
        Some(authority) => (authority, None),
        None if names.is_empty() => {
            return Err(CliError::Usage(format!(
                "{}: no authority is here; make one together with the server's certificate ('ipcctl certificate NAME'), or say where it is with --directory",
                directory.display()
            )));
        }
        None => {
            let (authority, issued) = Authority::new(now).map_err(failed)?;
            (authority, Some(keep("ca", "ca", issued)))
        }
    };
    let server = match names.first() {
        Some(first) => {
            let issued = authority.server(&names, now).map_err(failed)?;
            Some(keep(&format!("server-{}", first.file_part()), &first.to_string(), issued))
        }
        None => None,
    };
    let mut pairs = Vec::new();
    for name in &clients {
        let issued = authority.client(name, now).map_err(failed)?;
        pairs.push(keep(&format!("client-{}", name.replace(' ', "_")), name, issued));
    }
    files::write(&files)?;
    let made = Made { authority: directory.join(AUTHORITY), new_authority, names, server, clients: pairs };
    match arguments.json {
        true => output::print_json(&advice::json(&made)),
        false => output::print(&advice::text(&made)),
    }
}

/// The directory as an absolute path, which the printed lines can name from anywhere.
fn directory(given: &Path) -> Result<PathBuf, CliError> {
    let wrong = |what: &str| CliError::Usage(format!("--directory {}: {what}", given.display()));
    match std::fs::metadata(given) {
        Err(error) => return Err(wrong(&format!("{}; make it first", describe(&error)))),
        Ok(about) if !about.is_dir() => return Err(wrong("this is not a directory")),
        Ok(_) => {}
    }
    let whole = std::path::absolute(given).map_err(|error| wrong(&describe(&error)))?;
    match whole.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(whole),
        _ => Err(wrong("its path is not plain text; a configuration cannot name it")),
    }
}

/// The authority of this directory, if there is one.
fn stored(directory: &Path, now: SystemTime) -> Result<Option<Authority>, CliError> {
    let (path, key_path) = (directory.join(AUTHORITY), directory.join(AUTHORITY_KEY));
    let certificate = files::read(&path, false)?;
    let key = files::read(&key_path, true)?;
    let alone = |here: &Path, missing: &Path| {
        CliError::Failed(format!(
            "{}: its other half {} is missing; put it there, or choose another directory with --directory",
            here.display(),
            missing.display()
        ))
    };
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(alone(&path, &key_path)),
        (None, Some(_)) => Err(alone(&key_path, &path)),
        (Some(certificate), Some(key)) => Authority::from_pem(&certificate, &key, now)
            .map(Some)
            .map_err(|reason| CliError::Failed(format!("{}: {reason}", path.display()))),
    }
}
