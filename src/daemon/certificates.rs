//! The files of `[tls]`: read and checked whole, at a start, a reload and `--check`. What they hold is for the wire to say.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use super::Failure;
use crate::config::{Config, Errors, Listen, TlsVersion};
use crate::endpoint::Host;
use crate::wire::tls::{Acceptor, Certificates, Material, Rejected, Version};

/// The longest file, in bytes: the authorities of all browsers are 250 kB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How long before a certificate ends its end is told.
const SOON: u64 = 14 * 24 * 60 * 60;

/// What TLS endpoints need, and warnings about it.
#[derive(Debug)]
pub(super) struct Checked {
    /// `None`: there is no TLS endpoint.
    pub(super) acceptor: Option<Acceptor>,
    pub(super) warnings: Vec<String>,
}

/// Reads the files, if there is an endpoint that needs them.
///
/// # Errors
/// A line for each file that cannot be used.
pub(super) fn read(config: &Config) -> Result<Checked, Failure> {
    if config.tls_listens().next().is_none() {
        return Ok(Checked { acceptor: None, warnings: Vec::new() });
    }
    let files = &config.tls;
    let certificate = load("certificate", &files.certificate, false);
    let key = load("key", &files.key, true);
    let client_ca = files.client_ca.as_deref().map(|path| load("client_ca", path, false)).transpose();
    let client_crl = files.client_crl.as_deref().map(|path| load("client_crl", path, false)).transpose();
    let (certificate, key, client_ca, client_crl) = match (certificate, key, client_ca, client_crl) {
        (Ok(certificate), Ok(key), Ok(client_ca), Ok(client_crl)) => {
            (certificate, key, client_ca, client_crl)
        }
        (certificate, key, client_ca, client_crl) => {
            let wrong = [certificate.err(), key.err(), client_ca.err(), client_crl.err()];
            let wrong = wrong.into_iter().flatten();
            return Err(failure(config, wrong));
        }
    };
    let material = Material {
        certificate: &certificate.bytes,
        key: &key.bytes,
        client_ca: client_ca.as_ref().map(|file| &file.bytes[..]),
        client_crl: client_crl.as_ref().map(|file| &file.bytes[..]),
        minimum: match files.minimum {
            TlsVersion::Tls12 => Version::Tls12,
            TlsVersion::Tls13 => Version::Tls13,
        },
    };
    let acceptor = Acceptor::new(material).map_err(|rejected| {
        let (file, why) = match rejected {
            Rejected::Certificate(why) => (Some(&certificate), why),
            Rejected::Key(why) => (Some(&key), why),
            Rejected::ClientCa(why) => (client_ca.as_ref(), why),
            Rejected::ClientCrl(why) => (client_crl.as_ref(), why),
        };
        let path = file.map_or_else(String::new, |file| file.path.display().to_string());
        failure(config, [format!("{path}: {why}")])
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let path = certificate.path.display().to_string();
    let mut warnings =
        Vec::from_iter(of_dates(acceptor.certificates(), now).map(|text| format!("{path}: {text}")));
    warnings.extend(acceptor.crl_until().filter(|until| now > *until).and_then(|until| {
        let path = &client_crl.as_ref()?.path;
        Some(format!(
            "{}: the list of revoked certificates was to be replaced on {}; what was revoked since is still let in; fetch a new one, and reload",
            path.display(),
            date(until)
        ))
    }));
    warnings
        .extend(config.tls_listens().filter_map(|listen| of_name(listen, acceptor.certificates(), &path)));
    Ok(Checked { acceptor: Some(acceptor), warnings })
}

fn failure(config: &Config, lines: impl IntoIterator<Item = String>) -> Failure {
    let under = |line| format!("{line} (under [tls] in {})", config.file_to_change());
    Failure::Config(Errors::from(lines.into_iter().map(under).collect::<Vec<String>>()))
}

/// A moment, in seconds since 1970.
fn date(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "the end of time".to_owned(), |moment| moment.to_string())
}

/// Warns of certificates that are not valid today, or soon.
fn of_dates(certificates: &Certificates, now: u64) -> Option<String> {
    let Certificates { not_before, not_after, .. } = certificates;
    if now < *not_before {
        return Some(format!(
            "the certificate is not valid before {}, and clients refuse it; is the clock right?",
            date(*not_before)
        ));
    }
    if now > *not_after {
        return Some(format!(
            "the certificate has expired on {}, and clients refuse it; renew it, and reload",
            date(*not_after)
        ));
    }
    (not_after - now < SOON)
        .then(|| format!("the certificate expires on {}; renew it before, and reload", date(*not_after)))
}

/// Warns of a certificate that is for other names than clients use here.
fn of_name(listen: &Listen, certificates: &Certificates, path: &str) -> Option<String> {
    let network = listen.endpoint.network()?;
    let names = certificates.names();
    let is_right = match network.host {
        Host::Localhost => ["localhost", "127.0.0.1", "::1"].iter().any(|name| certificates.are_for(name)),
        Host::Address(address) if address.is_loopback() => {
            certificates.are_for(&address.to_string()) || certificates.are_for("localhost")
        }
        // Clients use a name that means this address.
        Host::Address(_) if names.iter().any(|name| name != "localhost") => true,
        Host::Address(address) => address.is_unspecified() || certificates.are_for(&address.to_string()),
    };
    let names = match names.is_empty() {
        true => "no host name".to_owned(),
        false => names.join(", "),
    };
    (!is_right).then(|| {
        format!(
            "{}: {}: the certificate in {path} is for {}, so that clients that connect there refuse it; use one for {}",
            listen.place,
            listen.endpoint,
            names.escape_default(),
            network.host,
        )
    })
}

/// A file, and where it was.
struct Loaded {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Reads a file; a `%d` at the beginning of its path is the directory of credentials.
fn load(key: &str, path: &Path, is_secret: bool) -> Result<Loaded, String> {
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
    // Whatever is there: opening it does not wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(&path, flags, Mode::empty()).map(File::from).map_err(|errno| {
        let advice = match errno {
            rustix::io::Errno::NOENT => "create it, for example with ipcctl certificate, or name another one",
            rustix::io::Errno::ACCESS => "the user that ipcd runs as must be able to read it",
            _ => "name a regular file",
        };
        wrong(format!("{}; {key} must be a file that can be read: {advice}", std::io::Error::from(errno)))
    })?;
    let about = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if !about.is_file() {
        return Err(wrong(format!("is no regular file; {key} must be one")));
    }
    if is_secret && about.mode() & 0o007 != 0 {
        return Err(wrong(format!(
            "every user of this machine may use the key (mode {:04o}); chmod 600 {}, or 640 and the group of ipcd's user",
            about.mode() & 0o7777,
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(wrong("is larger than 1 MiB; name the right file".to_owned())),
        false => Ok(Loaded { path, bytes }),
    }
}
