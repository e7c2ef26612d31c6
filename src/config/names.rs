//! `allow_names` and `client_certificates`: who may connect by the name in a certificate. Knows no certificate.

use toml::de::DeValue;

use super::builder::{Builder, Own};
use super::syntax::{Diagnostic, quoted};
use super::table::Table;
use super::value::{Text, Value, typed};
use crate::endpoint::Endpoint;
use crate::engine::allow::names::{NAME_BYTES_MAX, Names, is_name};
use crate::engine::service::Service;

/// The most names in a list: enough for a school, by estimate.
const NAMES_MAX: usize = 4096;

/// Reads a list; errors in its names go to `faults`.
pub(super) fn read(value: Value<'_>, faults: &mut Vec<Diagnostic>) -> Result<Names, String> {
    let list = match value.into_inner() {
        DeValue::Array(list) => list,
        other => {
            return Err(match other.as_str().filter(|name| is_name(name)) {
                Some(name) => format!("it must be a list; did you mean [\"{}\"]?", quoted(name)),
                None => "it must be a list of names in certificates, for example [\"ada\", \"pc1.school.example\"]"
                    .to_owned(),
            });
        }
    };
    if list.len() > NAMES_MAX {
        return Err(format!(
            "it must be a list of at most {NAMES_MAX} names; use a separate authority for more clients"
        ));
    }
    let mut names = Vec::with_capacity(list.len());
    for element in list {
        let at = element.span().start;
        match typed::<Text>(element) {
            Ok(Text(name)) if is_name(&name) => names.push(name),
            Ok(Text(name)) => {
                let text = format!(
                    "\"{}\" is not a valid name in a certificate; it must have 1 to {NAME_BYTES_MAX} bytes and no control characters",
                    quoted(&name)
                );
                faults.push(Diagnostic { at, text });
            }
            Err(_) => faults.push(Diagnostic { at, text: "a name must be a string, in quotes".to_owned() }),
        }
    }
    Ok(Names::new(names))
}

pub(super) fn allow_names(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let names = read(value, &mut builder.faults)?;
    for service in builder.services(table) {
        service.names_at = (!names.is_empty()).then_some(at);
        service.settings.names.clone_from(&names);
    }
    Ok(())
}

/// Reads true or false.
pub(super) fn read_flag(value: Value<'_>) -> Result<bool, String> {
    match value.into_inner() {
        DeValue::Boolean(flag) => Ok(flag),
        _ => Err("it must be true or false, without quotes".to_owned()),
    }
}

/// The names that an endpoint accepts, from its own list or its service's; `None`: it requests no certificate.
/// Contradictions go to `faults`. `has_authority`: `client_ca` names one.
pub(super) fn of_endpoint(
    has_authority: bool,
    (at, endpoint): (usize, &Endpoint),
    own: &Own,
    of_service: &Names,
    faults: &mut Vec<Diagnostic>,
) -> Option<Names> {
    let is_encrypted = endpoint.scheme().transport.is_encrypted;
    let mut fault = |at: usize, text: String| faults.push(Diagnostic { at, text });
    let asks = own.client_certificates.map_or(has_authority, |(_, asks)| asks);
    match own.client_certificates {
        Some((at, _)) if !is_encrypted => {
            fault(at, format!("{endpoint}: only TLS has certificates; use tls://, or leave it out"));
        }
        Some((at, true)) if !has_authority => fault(
            at,
            "there is no authority for client certificates; set client_ca under [tls], or leave it out"
                .to_owned(),
        ),
        _ => {}
    }
    if let Some((at, names)) = &own.names
        && !names.is_empty()
        && !(is_encrypted && asks)
    {
        fault(*at, without_certificates(endpoint, is_encrypted));
    } else if own.names.is_none()
        && !of_service.is_empty()
        && endpoint.network().is_some()
        && !(is_encrypted && asks)
    {
        fault(at, without_certificates(endpoint, is_encrypted));
    }
    let names = own.names.as_ref().map_or(of_service, |(_, names)| names);
    (is_encrypted && asks).then(|| names.clone())
}

fn without_certificates(endpoint: &Endpoint, is_encrypted: bool) -> String {
    match is_encrypted {
        false => format!(
            "{endpoint}: its clients have no certificates, so allow_names would admit nobody; use tls://, or allow_names = [] for this endpoint"
        ),
        true => format!(
            "{endpoint}: its clients need no certificates, so allow_names would admit nobody; set client_ca under [tls], and do not set client_certificates = false"
        ),
    }
}

/// A list of names that restricts nothing is an error, because its author relies on it.
pub(super) fn check(builder: &mut Builder) {
    if builder.unclear.contains("listen") {
        return;
    }
    let is_on_tls = |service: Service| {
        let mut listens = builder.listens.iter().filter(|listen| listen.service == service);
        listens.any(|listen| listen.endpoint.scheme().transport.is_encrypted)
    };
    let mux = is_on_tls(Service::Mux);
    let pointless = Service::ALL.into_iter().filter(|service| !mux && !is_on_tls(*service));
    let all = pointless.filter_map(|service| Some((service, builder.services[service as usize].names_at?)));
    for (service, at) in all.collect::<Vec<_>>() {
        let text = format!(
            "allow_names: neither [{service}] nor [mux] has a TLS endpoint; leave it out, or add one, for example tls://0.0.0.0:PORT"
        );
        builder.faults.push(Diagnostic { at, text });
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::path::Path;

    use crate::config::Config;
    use crate::engine::allow::Allowed;

    /// The names that each endpoint accepts, or the errors.
    fn read(text: &str) -> Result<Vec<Option<Allowed>>, String> {
        let config = Config::parse(Path::new("f"), text).map_err(|errors| errors.to_string())?;
        Ok(config.listens.into_iter().map(|listen| listen.allowed).collect())
    }

    #[test]
    fn client_authority_applies_to_tls_endpoints_without_own_setting() {
        let text = r#"
            tls.client_ca = "/x/ca.pem"
            multiply.allow_names = []
            multiply.listen = [
                "tcp://localhost:1",
                "tls://localhost:2",
                { endpoint = "tls://localhost:3", client_certificates = false },
                { endpoint = "tls://localhost:4", allow_names = ["ada", "Zoë Müller"] },
            ]
            "#;
        let [plain, all, nobody, ada] = &read(text).unwrap()[..] else { panic!() };
        assert_eq!((plain, nobody), (&None, &None));
        let (all, ada) = (all.as_ref().unwrap(), ada.as_ref().unwrap());
        assert!(all.asks_for_certificate() && all.lets_in_name(None) && all.lets_in_name(Some("eve")));
        assert!(ada.asks_for_certificate() && ada.lets_in_name(Some("Zoë Müller")));
        assert!(!ada.lets_in_name(Some("eve")) && !ada.lets_in_name(None));
    }

    #[test]
    fn list_that_admits_nobody_or_everybody_is_an_error() {
        let ca = "tls.client_ca = \"/x/ca.pem\"\n";
        for (text, expected) in [
            (
                format!("{ca}chat = {{ listen = [\"tcp://localhost:1\"], allow_names = [\"ada\"] }}"),
                "allow_names: neither [chat] nor [mux] has a TLS endpoint",
            ),
            (
                format!(
                    "{ca}chat = {{ listen = [\"tcp://localhost:1\", \"tls://localhost:2\"], allow_names = [\"ada\"] }}"
                ),
                "tcp://localhost:1: its clients have no certificates, so allow_names would admit nobody",
            ),
            (
                "chat = { listen = [\"tls://localhost:2\"], allow_names = [\"ada\"] }".to_owned(),
                "tls://localhost:2: its clients need no certificates, so allow_names would admit nobody; set client_ca",
            ),
            (
                "chat.listen = [{ endpoint = \"tls://localhost:2\", client_certificates = true }]".to_owned(),
                "there is no authority for client certificates; set client_ca under [tls]",
            ),
            (
                format!(
                    "{ca}chat.listen = [{{ endpoint = \"tcp://localhost:2\", client_certificates = false }}]"
                ),
                "tcp://localhost:2: only TLS has certificates",
            ),
            (
                "tls.client_crl = \"/x/crl.pem\"\nchat.listen = [\"tls://localhost:2\"]".to_owned(),
                "client_crl: no endpoint requests client certificates; set client_ca",
            ),
            (
                format!("{ca}chat.listen = [{{ endpoint = \"tls://localhost:2\", allow_names = \"ada\" }}]"),
                "allow_names is \"ada\"; it must be a list; did you mean [\"ada\"]?",
            ),
            (
                format!(
                    "{ca}chat.listen = [{{ endpoint = \"tls://localhost:2\", allow_names = [\"a\\n\", 5] }}]"
                ),
                "is not a valid name in a certificate; it must have 1 to 128 bytes and no control characters",
            ),
        ] {
            let errors = read(&text).unwrap_err();
            assert!(errors.contains(expected), "{text}: {errors}");
        }
    }
}
