//! The files of `[tls]`: read and checked as a whole, at a start, a reload and `--check`. The wire checks their
//! contents.

use std::path::PathBuf;

use super::Failure;
use super::dates::{Dates, Span, now};
use super::key_file::{Loaded, load};

use crate::config::{Config, Errors, Listen, TlsVersion};
use crate::endpoint::Host;
use crate::wire::tls::{Acceptor, Certificates, Material, Pair, Rejected, Version};

/// The certificates and settings of TLS endpoints, and warnings about them.
#[derive(Debug)]
pub(super) struct Checked {
    /// `None`: there is no TLS endpoint.
    pub(super) acceptor: Option<Acceptor>,
    /// When they expire.
    pub(super) dates: Dates,
    pub(super) warnings: Vec<String>,
}

/// Reads the files, if there is an endpoint that needs them.
///
/// # Errors
/// A line for each file that cannot be used.
pub(super) fn read(config: &Config) -> Result<Checked, Failure> {
    if config.tls_listens().next().is_none() {
        return Ok(Checked { acceptor: None, dates: Dates::default(), warnings: Vec::new() });
    }
    let files = &config.tls;
    let first = (&files.certificate, &files.key);
    let pairs = std::iter::once(first).chain(files.more.iter().map(|(certificate, key)| (certificate, key)));
    let mut wrong = Vec::new();
    let mut pem = Vec::new();
    for (certificate, key) in pairs {
        let pair = (load("certificate", certificate, false), load("key", key, true));
        match pair {
            (Ok(certificate), Ok(key)) => pem.push((certificate, key)),
            (certificate, key) => wrong.extend([certificate.err(), key.err()].into_iter().flatten()),
        }
    }
    let mut of_clients =
        |key, path: &Option<PathBuf>| match path.as_deref().map(|path| load(key, path, false)) {
            Some(Err(error)) => {
                wrong.push(error);
                None
            }
            loaded => loaded.and_then(Result::ok),
        };
    let client_ca = of_clients("client_ca", &files.client_ca);
    let client_crl = of_clients("client_crl", &files.client_crl);
    if !wrong.is_empty() {
        return Err(failure(config, wrong));
    }
    let of_pair = |(certificate, key): &(Loaded, Loaded)| (certificate.path.clone(), key.path.clone());
    let paths: Vec<(PathBuf, PathBuf)> = pem.iter().map(of_pair).collect();
    let pairs: Vec<Pair<'_>> = pem
        .iter()
        .map(|(certificate, key)| Pair { certificate: &certificate.bytes, key: &key.bytes })
        .collect();
    let material = Material {
        pairs: &pairs,
        client_ca: client_ca.as_ref().map(|file| &file.bytes[..]),
        client_crl: client_crl.as_ref().map(|file| &file.bytes[..]),
        minimum: match files.minimum {
            TlsVersion::Tls12 => Version::Tls12,
            TlsVersion::Tls13 => Version::Tls13,
        },
    };
    let acceptor = Acceptor::new(material).map_err(|rejected| {
        let (path, reason) = match rejected {
            Rejected::Certificate(index, reason) => {
                (paths.get(index).map(|(certificate, _)| certificate), reason)
            }
            Rejected::Key(index, reason) => (paths.get(index).map(|(_, key)| key), reason),
            Rejected::ClientCa(reason) => (client_ca.as_ref().map(|file| &file.path), reason),
            Rejected::ClientCrl(reason) => (client_crl.as_ref().map(|file| &file.path), reason),
        };
        let path = path.map_or_else(String::new, |path| path.display().to_string());
        failure(config, [format!("{path}: {reason}")])
    })?;
    let shown = acceptor.certificates().iter().zip(&paths);
    let spans = shown.map(|(certificates, (path, _))| Span {
        path: path.display().to_string(),
        not_before: certificates.not_before,
        not_after: certificates.not_after,
    });
    let dates = Dates {
        certificates: spans.collect(),
        list: client_crl.map(|file| file.path.display().to_string()).zip(acceptor.crl_until()),
    };
    let mut warnings = dates.warnings(now());
    warnings.extend(config.tls_listens().filter_map(|listen| of_name(listen, &acceptor, &dates)));
    Ok(Checked { acceptor: Some(acceptor), dates, warnings })
}

fn failure(config: &Config, lines: impl IntoIterator<Item = String>) -> Failure {
    let under = |line| format!("{line} (under [tls] in {})", config.file_to_change());
    Failure::Config(Errors::from(lines.into_iter().map(under).collect::<Vec<String>>()))
}

/// Warns if the certificates have none of the names by which clients reach this endpoint.
fn of_name(listen: &Listen, acceptor: &Acceptor, dates: &Dates) -> Option<String> {
    let network = listen.endpoint.network()?;
    let all = acceptor.certificates();
    let names: Vec<String> = all.iter().flat_map(Certificates::names).collect();
    let are_for = |name: &str| all.iter().any(|certificates| certificates.are_for(name));
    let is_right = match network.host {
        Host::Localhost => ["localhost", "127.0.0.1", "::1"].iter().any(|name| are_for(name)),
        Host::Address(address) if address.is_loopback() => {
            are_for(&address.to_string()) || are_for("localhost")
        }
        // Clients use a name that means this address.
        Host::Address(_) if names.iter().any(|name| name != "localhost") => true,
        Host::Address(address) => address.is_unspecified() || are_for(&address.to_string()),
    };
    let names = match names.is_empty() {
        true => "no host name".to_owned(),
        false => names.join(", "),
    };
    (!is_right).then(|| {
        format!(
            "{}: {}: the certificate in {} is for {}, so clients that connect there reject it; use one for {}",
            listen.position,
            listen.endpoint,
            dates.paths(),
            names.escape_default(),
            network.host,
        )
    })
}
