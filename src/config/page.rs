//! `[page]`: the names under which it may be asked for, and the other pages that may open its WebSockets.

use toml::de::DeValue;

use super::builder::Builder;
use super::syntax::quoted;
use super::table::Table;
use super::value::{Text, Value, typed};

/// The most entries of a list.
const ENTRIES_MAX: usize = 64;

/// The longest name in the DNS.
const HOST_BYTES_MAX: usize = 253;

pub(super) fn hosts(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let hosts = list(builder, value, "names, for example [\"ipcd.school.example\"]", host)?;
    builder.config.settings.site.hosts = hosts;
    Ok(())
}

pub(super) fn origins(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let origins = list(builder, value, "origins, for example [\"https://school.example\"]", origin)?;
    builder.config.settings.site.origins = origins;
    Ok(())
}

pub(super) fn metrics(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let DeValue::Boolean(has_metrics) = value.into_inner() else {
        return Err("it must be true or false".to_owned());
    };
    builder.config.settings.site.has_metrics = has_metrics;
    Ok(())
}

/// Reads a list. Errors in elements are reported at their positions.
fn list(
    builder: &mut Builder,
    value: Value<'_>,
    what: &str,
    check: fn(&str) -> Result<(), &'static str>,
) -> Result<Vec<String>, String> {
    let DeValue::Array(elements) = value.into_inner() else {
        return Err(format!("it must be a list of {what}"));
    };
    if elements.len() > ENTRIES_MAX {
        return Err(format!("it must be a list of at most {ENTRIES_MAX} entries"));
    }
    let mut read = Vec::with_capacity(elements.len());
    for element in elements {
        let at = element.span().start;
        let text = typed::<Text>(element).map(|Text(text)| text);
        let checked = text.and_then(|text| match check(&text) {
            Ok(()) => Ok(text),
            Err(right) => Err(format!("{}: {right}", quoted(&text))),
        });
        match checked {
            Ok(text) => read.push(text),
            Err(error) => builder.fault(at, error),
        }
    }
    Ok(read)
}

fn host(text: &str) -> Result<(), &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > HOST_BYTES_MAX || !text.bytes().all(is_name) {
        return Err(
            "a name of letters, digits, dots and hyphens, without http:// and port, for example ipcd.school.example",
        );
    }
    Ok(())
}

fn origin(text: &str) -> Result<(), &'static str> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let is_authority = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@,\"".contains(&byte))
    };
    if text == "null" || rest.is_some_and(is_authority) {
        return Ok(());
    }
    Err(
        "an origin is http:// or https://, a name, and a port if it has one, without a path, for example https://school.example; or null, for files opened from disk",
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn names_and_origins_are_read_strictly() {
        let parse = |text: &str| {
            Config::parse(Path::new("f"), &format!("[page]\n{text}\nlisten = [\"http://localhost:1\"]\n"))
        };
        let config = parse(
            "hosts = [\"teacher\", \"ipcd.school.example\"]\norigins = [\"null\", \"http://localhost:8000\"]",
        )
        .unwrap();
        assert_eq!(config.settings.site.hosts, ["teacher", "ipcd.school.example"]);
        assert_eq!(config.settings.site.origins, ["null", "http://localhost:8000"]);
        assert!(config.settings.site.has_metrics);
        assert!(!parse("metrics = false").unwrap().settings.site.has_metrics);
        for (text, expected) in [
            ("hosts = \"teacher\"", "f:2:9: hosts is \"teacher\"; it must be a list of names"),
            ("hosts = [\"http://teacher\"]", "f:2:10: http://teacher: a name of letters"),
            ("hosts = [\"\"]", "f:2:10: : a name of letters"),
            ("origins = [\"school.example\"]", "f:2:12: school.example: an origin is http://"),
            ("origins = [\"https://school.example/\"]", "an origin is http://"),
            ("origins = [5]", "f:2:12: "),
            ("metrics = \"yes\"", "f:2:11: metrics is \"yes\"; it must be true or false"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
