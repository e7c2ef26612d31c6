//! `[tls]`: the files for TLS endpoints, and the oldest version. Knows their syntax; reads none of them.

use std::path::PathBuf;

use toml::de::DeValue;

use super::builder::Builder;
use super::syntax::quoted;
use super::table::Table;
use super::tls_files::TlsVersion;
use super::value::{Text, Value, typed};

/// The most further certificates. Guessed.
const CERTIFICATES_MAX: usize = 64;

fn path(value: Value<'_>) -> Result<Option<PathBuf>, String> {
    let right = || {
        "it must be an absolute path, or one in the credentials directory, for example \"/etc/ipcd/tls/key.pem\" or \"%d/key.pem\""
            .to_owned()
    };
    let Text(text) = typed(value).map_err(|_| right())?;
    match text.as_str() {
        "" => Ok(None),
        text if (text.starts_with('/') || text.starts_with("%d/"))
            && !text.ends_with('/')
            && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text.into()))
        }
        _ => Err(right()),
    }
}

fn required(value: Value<'_>) -> Result<PathBuf, String> {
    path(value)?
        .ok_or_else(|| "TLS endpoints need it; name a file, for example \"/etc/ipcd/tls/key.pem\"".into())
}

pub(super) fn certificate(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.tls.certificate = required(value)?;
    Ok(())
}

pub(super) fn key(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.tls.key = required(value)?;
    Ok(())
}

/// Further certificates with their keys: a list of tables.
pub(super) fn certificates(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || {
        format!(
            "it must be a list of at most {CERTIFICATES_MAX} tables, for example [{{ certificate = \"/etc/ipcd/tls/other.pem\", key = \"/etc/ipcd/tls/other-key.pem\" }}]"
        )
    };
    let DeValue::Array(list) = value.into_inner() else { return Err(right()) };
    if list.len() > CERTIFICATES_MAX {
        return Err(right());
    }
    let mut all = Vec::new();
    for element in list {
        let at = element.span().start;
        let DeValue::Table(entries) = element.into_inner() else { return Err(right()) };
        let (mut certificate, mut key) = (None, None);
        for (name, value) in entries {
            let place = value.span().start;
            let read = match &**name.get_ref() {
                "certificate" => required(value).map(|path| certificate = Some(path)),
                "key" => required(value).map(|path| key = Some(path)),
                other => Err(format!("unknown key \"{}\"; there are certificate and key", quoted(other))),
            };
            if let Err(error) = read {
                builder.fault(place, error);
            }
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => all.push((certificate, key)),
            _ => builder.fault(at, "certificates: each needs both certificate and key".to_owned()),
        }
    }
    builder.config.tls.more = all;
    Ok(())
}

pub(super) fn client_ca(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.tls.client_ca = path(value)?;
    Ok(())
}

pub(super) fn client_crl(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    builder.config.tls.client_crl = path(value)?;
    builder.crl_at = builder.config.tls.client_crl.is_some().then_some(at);
    Ok(())
}

/// Lists of what authorities have revoked, without an authority.
pub(super) fn check(builder: &mut Builder) {
    if let Some(at) = builder.crl_at.filter(|_| builder.config.tls.client_ca.is_none()) {
        let text = "client_crl: no certificates of clients are asked for; set client_ca, or leave it out";
        builder.fault(at, text.to_owned());
    }
}

pub(super) fn minimum(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || "it must be \"1.2\" or \"1.3\", in quotes".to_owned();
    let Text(text) = typed(value).map_err(|_| right())?;
    builder.config.tls.minimum = match text.as_str() {
        "1.2" => TlsVersion::Tls12,
        "1.3" => TlsVersion::Tls13,
        _ => return Err(right()),
    };
    Ok(())
}
