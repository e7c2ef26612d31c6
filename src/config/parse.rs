//! Parses the configuration: TOML, checked key by key, with each error at its line and column.
//! Knows the tables and their order; the reader of each key knows its syntax and range.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::builder::Builder;
use super::checked::Config;
use super::keys::{KEYS, belongs, keys_of, without_effect};
use super::listen::{check_networks, place_listens};
use super::secrets::is_secret;
use super::suggest::nearest;
use super::syntax::{Cursor, Diagnostic, quoted, shown, visible, without_broken_lines};
use super::table::Table;
use super::{names, tls};
use crate::engine::allow;
use crate::engine::limits::ServiceSettings;
use crate::engine::service::Service;
use crate::engine::service::facts::Need;

/// The most errors reported for one file; with more, it is probably not a configuration at all.
const ERRORS_MAX: usize = 100;

/// Parses the text of a file into a configuration, or returns all its errors, one line each.
pub(super) fn parse(name: &Path, text: &str) -> Result<Config, Vec<String>> {
    // A byte order mark is not part of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let name_shown = shown(name);
    let mut builder = Builder::new(text);

    let readable = without_broken_lines(text, &mut builder.faults);
    if !builder.faults.is_empty() {
        // They may be in the parts that were left out.
        builder.unclear.extend(["listen", "max_message", "backlog"]);
    }
    let (document, errors) = DeTable::parse_recoverable(&readable);
    if errors.is_empty() {
        walk(document.into_inner(), &mut builder);
        check_sizes(&mut builder);
        check_networks(&mut builder);
        names::check(&mut builder);
        tls::check(&mut builder);
        place_listens(&name_shown, text, &mut builder);
        if builder.config.listens.is_empty() && !builder.unclear.contains("listen") {
            builder.fault(
                text.len(), // behind everything else that is wrong
                "no service has an endpoint; add one, for example listen = [\"tcp://localhost:65432\"] under [multiply]"
                    .to_owned(),
            );
        }
    }

    if !builder.faults.is_empty() {
        return Err(lines(&name_shown, text, builder.faults));
    }
    let mut config = builder.config;
    config.file = Some(name.to_owned());
    config.without_effect = lines(&name_shown, text, builder.idle);
    for (service, drawn) in Service::ALL.into_iter().zip(builder.services) {
        let lists = drawn.allowed_users.or(drawn.allowed_groups);
        config.settings.services[service as usize] =
            ServiceSettings { allowed: allow::listed(service, lists), ..drawn.settings };
    }
    for listen in &config.listens {
        config.settings.services[listen.service as usize].listening = true;
    }
    Ok(config)
}

/// Goes through the tables, `[limits]` before the services.
fn walk(document: DeTable<'_>, builder: &mut Builder) {
    let mut tables = Vec::new();
    for (key, value) in document {
        let name = key.get_ref();
        match (Table::named(name), value.get_ref()) {
            (Some(table), DeValue::Table(_)) => tables.push((table, value)),
            (Some(table), _) => {
                builder.unclear.extend(keys_of(table).map(|key| key.name));
                let value = builder.written(value.span());
                builder.fault(key.span().start, format!("{name} is {value}; it must be a table: [{name}]"));
            }
            (None, DeValue::Table(entries)) => {
                if entries.contains_key("listen") {
                    builder.unclear.insert("listen"); // a service was meant
                }
                unknown_table(&key, true, builder);
            }
            (None, _) => unknown_table(&key, false, builder),
        }
    }
    tables.sort_by_key(|(table, _)| *table);
    for (table, value) in tables {
        let DeValue::Table(entries) = value.into_inner() else { continue };
        for (key, value) in entries {
            let Some(known) = keys_of(table).find(|known| known.name == key.get_ref()) else {
                unknown_key(&key, table, builder);
                continue;
            };
            let span = value.span();
            if let Table::Service(service) = table
                && let Some(reason) = without_effect(known.name, service)
            {
                let text = format!("{} has no effect under [{service}]: {reason}; leave it out", known.name);
                builder.idle.push(Diagnostic { at: key.span().start, text });
            }
            if let Err(right) = (known.read)(builder, table, value) {
                let text = match is_secret(known.name) {
                    true => format!("{}: {right}", known.name),
                    false => format!("{} is {}; {right}", known.name, builder.written(span.clone())),
                };
                builder.fault(span.start, text);
                builder.unclear.insert(known.name);
            }
        }
    }
}

fn unknown_table(key: &Spanned<Cow<'_, str>>, is_table: bool, builder: &mut Builder) {
    let name = key.get_ref();
    let tables = || Table::all().map(Table::name);
    let known = || {
        let tables: Vec<_> = tables().map(|name| format!("[{name}]")).collect();
        format!("known tables: {}", tables.join(", "))
    };
    let text = if is_table {
        let near = nearest(name, tables());
        if let Some(table) = near.and_then(Table::named) {
            builder.unclear.extend(keys_of(table).map(|key| key.name));
        }
        let right = near.map_or_else(known, |near| format!("did you mean [{near}]?"));
        format!("unknown table [{}]; {right}", quoted(name))
    } else {
        // A key before the first table: its table is probably missing.
        let here = KEYS.iter().find(|key| key.name == name);
        builder.unclear.extend(here.map(|key| key.name));
        let right = here.map_or_else(known, |key| belongs(key.name));
        format!("unknown key \"{}\"; {right}", quoted(name))
    };
    builder.fault(key.span().start, text);
}

fn unknown_key(key: &Spanned<Cow<'_, str>>, table: Table, builder: &mut Builder) {
    let name = key.get_ref();
    let names = || keys_of(table).map(|key| key.name);
    let right = if KEYS.iter().any(|key| key.name == name) {
        belongs(name) // even if it resembles a key of this table
    } else if let Some(near) = nearest(name, names()) {
        builder.unclear.insert(near);
        format!("did you mean {near:?}?")
    } else if let Some(near) = nearest(name, KEYS.iter().map(|key| key.name)) {
        format!("did you mean {near:?}? {}", belongs(near))
    } else {
        format!("known in [{}]: {}", table.name(), names().collect::<Vec<_>>().join(", "))
    };
    builder.fault(key.span().start, format!("unknown key \"{}\"; {right}", quoted(name)));
}

fn check_sizes(builder: &mut Builder) {
    if builder.unclear.contains("max_message") || builder.unclear.contains("backlog") {
        return;
    }
    // No reply repeats the head of a request.
    let is_repeated = |service: &Service| !service.facts().needs.contains(&Need::Web);
    let services = builder.services.iter().zip(Service::ALL).filter(|(_, service)| is_repeated(service));
    for (service, _) in services {
        let (message, backlog) = (service.settings.message_bytes_max, service.settings.backlog_bytes_max);
        if backlog < message {
            builder.faults.push(Diagnostic {
                at: service.sizes_at,
                text: format!(
                    "a backlog of {backlog} bytes is too small for messages of {message}; it must be at least max_message"
                ),
            });
        }
        let queued = builder.config.settings.queued_bytes_max;
        if queued / 4 < message && !builder.unclear.contains("max_queued") {
            builder.faults.push(Diagnostic {
                at: service.sizes_at,
                text: format!(
                    "max_queued of {queued} bytes is too small for messages of {message}; it must be at least four times max_message"
                ),
            });
        }
    }
}

/// The errors as lines, in the order of their positions.
fn lines(name: &str, text: &str, mut faults: Vec<Diagnostic>) -> Vec<String> {
    faults.sort();
    faults.dedup();
    let mut cursor = Cursor::new(text.as_bytes());
    // A line that says "one more" would be as long as the error itself.
    let told = if faults.len() == ERRORS_MAX + 1 { faults.len() } else { faults.len().min(ERRORS_MAX) };
    let mut lines: Vec<_> = faults
        .iter()
        .take(told)
        .map(|fault| {
            let (line, column) = cursor.advance(fault.at);
            // An endpoint is shown as typed, so it may contain bidirectional controls.
            format!("{name}:{line}:{column}: {}", visible(&fault.text))
        })
        .collect();
    if faults.len() > told {
        lines.push(format!("{name}: {} more errors; correct these first", faults.len() - told));
    }
    lines
}

#[cfg(test)]
mod tests;
