//! `[tls]`: the files for TLS endpoints, and the oldest version. Knows their syntax; reads none of them.

use std::path::PathBuf;

use toml::de::DeValue;

use super::builder::Builder;
use super::syntax::quoted;
use super::table::Table;
use super::tls_files::TlsVersion;
use super::value::{Text, Value, typed};

/// The most further certificates, by estimate.
const CERTIFICATES_MAX: usize = 64;

pub(super) fn path(value: Value<'_>) -> Result<Option<PathBuf>, String> {
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
        let (mut certificate, mut key, mut is_clear) = (None, None, true);
        for (name, value) in entries {
            let span = value.span();
            let file = match &**name.get_ref() {
                "certificate" => &mut certificate,
                "key" => &mut key,
                other => {
                    let text = format!("unknown key \"{}\"; known keys: certificate, key", quoted(other));
                    builder.fault(name.span().start, text);
                    is_clear = false;
                    continue;
                }
            };
            match required(value) {
                Ok(path) => *file = Some(path),
                Err(right) => {
                    let text = format!("{} is {}; {right}", name.get_ref(), builder.written(span.clone()));
                    builder.fault(span.start, text);
                    is_clear = false;
                }
            }
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => all.push((certificate, key)),
            _ if !is_clear => {} // it was reported above
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

/// Reports revocation lists without an authority.
pub(super) fn check(builder: &mut Builder) {
    if let Some(at) = builder.crl_at.filter(|_| !builder.has_client_authority()) {
        let text = "client_crl: no endpoint requests client certificates; set client_ca, or leave it out";
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

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn wrong_value_causes_one_error_and_no_misleading_second_one() {
        let listens = "[multiply]\nlisten = [{ endpoint = \"tls://localhost:1\", client_certificates = true }]\n\
                       allow_names = [\"ada\"]\n";
        let tls = |text: &str| format!("[tls]\nclient_ca = \"/x/ca.pem\"\n{text}\n{listens}");
        for (text, expected) in [
            (
                tls("certificates = [{ certificate = 5, key = \"/x/key.pem\" }]"),
                "certificate is 5; it must be",
            ),
            (
                tls("certificates = [{ certificate = \"/x/a.pem\", key = \"key.pem\" }]"),
                "key is \"key.pem\"; it must be an absolute path",
            ),
            (
                tls("certificates = [{ certificate = \"/x/a.pem\", keys = \"/x/key.pem\" }]"),
                "unknown key \"keys\"",
            ),
            (tls("certificates = [{ certificate = \"/x/a.pem\" }]"), "each needs both certificate and key"),
            (format!("[tls]\nclient_ca = 5\nclient_crl = \"/x/crl.pem\"\n{listens}"), "client_ca is 5"),
            (format!("[tls]\nclientca = \"/x/ca.pem\"\nclient_crl = \"/x/crl.pem\"\n{listens}"), "client_ca"),
        ] {
            let errors = Config::parse(Path::new("f"), &text).unwrap_err().to_string();
            assert_eq!(errors.lines().count(), 1, "{text}: {errors}");
            assert!(errors.contains(expected), "{text}: {errors}");
        }
    }
}
