//! The configuration as a person types it: TOML, checked key by key, every mistake told at its line and column.
//! Knows how each key is written and within which bounds; what it does is not known here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::listen::{ListenDraft, listen, place_listens};
use super::people::{self, People};
use super::syntax::{Cursor, Fault, quoted, shown, visible, without_broken_lines};
use super::value::*;
use super::{Config, GROUP, MODE};
use crate::engine::allow::Allowed;
use crate::engine::limits::{QUOTE_CHARS_MAX, ServiceSettings};
use crate::engine::service::Service;

/// Mistakes told of one file; after so many it is most likely not a configuration at all.
const ERRORS_MAX: usize = 100;

/// Every key: its name, where it may stand, and what reads it.
const KEYS: &[Key] = &[
    Key { name: "level", within: Within::Log, read: level },
    Key { name: "max_connections", within: Within::LimitsAndServices, read: max_connections },
    Key {
        name: "max_connections_per_address",
        within: Within::LimitsAndServices,
        read: max_connections_per_address,
    },
    Key { name: "max_message", within: Within::LimitsAndServices, read: max_message },
    Key { name: "backlog", within: Within::LimitsAndServices, read: backlog },
    Key { name: "listen_backlog", within: Within::Limits, read: listen_backlog },
    Key { name: "first_message_timeout", within: Within::LimitsAndAwaiting, read: first_message_timeout },
    Key { name: "idle_timeout", within: Within::LimitsAndServices, read: idle_timeout },
    Key { name: "message_timeout", within: Within::LimitsAndServices, read: message_timeout },
    Key { name: "linger_timeout", within: Within::Limits, read: linger_timeout },
    Key { name: "max_refused_lingering", within: Within::Limits, read: max_refused_lingering },
    Key { name: "shutdown_grace", within: Within::Limits, read: shutdown_grace },
    Key { name: "raw_gap", within: Within::LimitsAndServices, read: raw_gap },
    Key { name: "framing", within: Within::LimitsAndServices, read: framing },
    Key { name: "listen", within: Within::Services, read: listen },
    Key { name: "mode", within: Within::Services, read: mode },
    Key { name: "group", within: Within::Services, read: group },
    Key { name: "allow_users", within: Within::Services, read: allow_users },
    Key { name: "allow_groups", within: Within::Services, read: allow_groups },
    Key { name: "history", within: Within::Only(Service::Chat), read: history },
    Key { name: "name_timeout", within: Within::Only(Service::Chat), read: name_timeout },
    Key { name: "max_machines", within: Within::Only(Service::Stats), read: max_machines },
    Key { name: "max_watchers", within: Within::Only(Service::Watch), read: max_watchers },
    Key { name: "default", within: Within::Only(Service::Mux), read: mux_default },
];

/// One key of the configuration.
struct Key {
    name: &'static str,
    within: Within,
    /// The error says what would be right; what is wrong is put before it.
    read: fn(&mut Draft, Table, Value<'_>) -> Result<(), String>,
}

/// The tables a key may stand in.
#[derive(Clone, Copy)]
enum Within {
    Log,
    Limits,
    Services,
    LimitsAndServices,
    /// Those services that wait for a message and have no other time for the first one.
    LimitsAndAwaiting,
    Only(Service),
}

/// One table of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Log,
    Limits,
    Service(Service),
}

impl Table {
    fn all() -> impl Iterator<Item = Table> {
        [Table::Log, Table::Limits].into_iter().chain(Service::ALL.into_iter().map(Table::Service))
    }

    fn name(self) -> &'static str {
        match self {
            Table::Log => "log",
            Table::Limits => "limits",
            Table::Service(service) => service.name(),
        }
    }

    fn named(name: &str) -> Option<Table> {
        Table::all().find(|table| table.name() == name)
    }

    fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.within.has(self))
    }
}

impl Within {
    fn has(self, table: Table) -> bool {
        match (self, table) {
            (Within::Log, Table::Log) => true,
            (Within::Limits | Within::LimitsAndServices | Within::LimitsAndAwaiting, Table::Limits) => true,
            (Within::Services | Within::LimitsAndServices, Table::Service(_)) => true,
            (Within::LimitsAndAwaiting, Table::Service(service)) => {
                !matches!(service, Service::Greeting | Service::Chat)
            }
            (Within::Only(service), Table::Service(other)) => service == other,
            _ => false,
        }
    }
}

/// Every table and key that a configuration may have, table by table.
pub fn keys() -> Vec<(&'static str, &'static str)> {
    Table::all().flat_map(|table| table.keys().map(move |key| (table.name(), key.name))).collect()
}

/// What the file said so far.
pub(super) struct Draft<'t> {
    text: &'t str,
    pub(super) config: Config,
    /// In the order of [`Service::ALL`]; a key under `[limits]` writes to all of them, and is read first.
    pub(super) services: Vec<ServiceDraft>,
    /// Endpoints as they come.
    pub(super) listens: Vec<ListenDraft>,
    pub(super) faults: Vec<Fault>,
    /// Keys that are there, or were meant, and were not understood: nothing is concluded from them.
    pub(super) unclear: BTreeSet<&'static str>,
}

/// What the file said of one service.
pub(super) struct ServiceDraft {
    settings: ServiceSettings,
    pub(super) mode: u32,
    pub(super) group: String,
    pub(super) allowed_users: Allowed,
    pub(super) allowed_groups: Allowed,
    /// The byte offset of the `max_message` or `backlog` read last for it: in its own table, if one stands there.
    sizes_at: usize,
}

impl<'t> Draft<'t> {
    fn new(text: &'t str) -> Draft<'t> {
        let service = |_| ServiceDraft {
            settings: ServiceSettings::default(),
            mode: MODE,
            group: GROUP.to_owned(),
            allowed_users: Allowed::default(),
            allowed_groups: Allowed::default(),
            sizes_at: 0,
        };
        Draft {
            text,
            config: Config::without_endpoints(),
            services: Service::ALL.map(service).into(),
            listens: Vec::new(),
            faults: Vec::new(),
            unclear: BTreeSet::new(),
        }
    }

    pub(super) fn fault(&mut self, at: usize, text: String) {
        self.faults.push(Fault { at, text });
    }

    /// A value as it is written, for a message.
    pub(super) fn written(&self, span: Range<usize>) -> String {
        quoted(self.text.get(span).unwrap_or_default())
    }

    /// The services that a key in this table speaks of.
    fn services(&mut self, table: Table) -> &mut [ServiceDraft] {
        match table {
            Table::Log => &mut [],
            Table::Limits => &mut self.services,
            Table::Service(service) => std::slice::from_mut(&mut self.services[service as usize]),
        }
    }
}

fn level(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.log_level = typed::<Level>(value)?.0;
    draft.config.is_log_level_given = true;
    Ok(())
}

fn max_connections(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    match table {
        Table::Service(service) => {
            let count = SERVICE_CONNECTIONS.check(count)?;
            draft.services[service as usize].settings.connections_max = (count > 0).then_some(count);
        }
        _ => draft.config.settings.connections_max = CONNECTIONS.check(count)?,
    }
    Ok(())
}

fn max_connections_per_address(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    let count = CONNECTIONS_PER_ADDRESS.check(count)?;
    match table {
        Table::Service(service) => {
            draft.services[service as usize].settings.connections_per_address_max = count;
        }
        _ => draft.config.settings.connections_per_address_max = count,
    }
    Ok(())
}

fn max_message(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let Size(bytes) = typed(value)?;
    let bytes = MESSAGE_BYTES.check(bytes)?;
    for service in draft.services(table) {
        service.settings.message_bytes_max = bytes;
        service.sizes_at = at;
    }
    Ok(())
}

fn backlog(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let Size(bytes) = typed(value)?;
    let bytes = BACKLOG_BYTES.check(bytes)?;
    for service in draft.services(table) {
        service.settings.backlog_bytes_max = bytes;
        service.sizes_at = at;
    }
    Ok(())
}

fn listen_backlog(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.listen_backlog = LISTEN_BACKLOG.check(count)? as i32;
    Ok(())
}

fn first_message_timeout(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = Some(time(value, &FIRST_MESSAGE_TIMEOUT)?).filter(|timeout| !timeout.is_zero());
    draft.services(table).iter_mut().for_each(|service| service.settings.first_message_timeout = timeout);
    Ok(())
}

fn idle_timeout(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = time(value, &TIMEOUT)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.idle_timeout = timeout);
    Ok(())
}

fn message_timeout(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = time(value, &TIMEOUT)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.message_timeout = timeout);
    Ok(())
}

fn linger_timeout(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.settings.linger = time(value, &LINGER_TIMEOUT)?;
    Ok(())
}

fn max_refused_lingering(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.refused_lingering_max = REFUSED_LINGERING.check(count)?;
    Ok(())
}

fn shutdown_grace(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.shutdown_grace = time(value, &SHUTDOWN_GRACE)?;
    Ok(())
}

fn raw_gap(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let gap = time(value, &RAW_GAP)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.raw_gap = gap);
    Ok(())
}

fn framing(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Framing(rule) = typed(value)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.framing = rule);
    Ok(())
}

fn mode(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Permissions(mode) = typed(value)?;
    draft.services(table).iter_mut().for_each(|service| service.mode = mode);
    Ok(())
}

fn group(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Group(group) = typed(value)?;
    draft.services(table).iter_mut().for_each(|service| service.group.clone_from(&group));
    Ok(())
}

fn allow_users(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let allowed = people::read(People::Users, value, &mut draft.faults)?;
    draft.services(table).iter_mut().for_each(|service| service.allowed_users.clone_from(&allowed));
    Ok(())
}

fn allow_groups(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let allowed = people::read(People::Groups, value, &mut draft.faults)?;
    draft.services(table).iter_mut().for_each(|service| service.allowed_groups.clone_from(&allowed));
    Ok(())
}

fn history(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.chat_history = HISTORY.check(count)?;
    Ok(())
}

fn name_timeout(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.settings.chat_name_timeout = time(value, &TIMEOUT)?;
    Ok(())
}

fn max_machines(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.machines_max = MACHINES.check(count)?;
    Ok(())
}

fn max_watchers(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.watchers_max = WATCHERS.check(count)?;
    Ok(())
}

fn mux_default(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Offered(service) = typed(value)?;
    draft.config.settings.mux_default = service;
    Ok(())
}

fn time(value: Value<'_>, bounds: &Bounds<Duration>) -> Result<Duration, String> {
    let Time(time) = typed(value)?;
    bounds.check(time)
}

/// The configuration that the text of a file says, or every mistake in it, a line each.
pub(super) fn parse(name: &Path, text: &str) -> Result<Config, Vec<String>> {
    // A byte order mark is no part of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let name_shown = shown(name);
    let mut draft = Draft::new(text);

    let readable = without_broken_lines(text, &mut draft.faults);
    if !draft.faults.is_empty() {
        // They may be in what is left out.
        draft.unclear.extend(["listen", "max_message", "backlog"]);
    }
    let (document, errors) = DeTable::parse_recoverable(&readable);
    if errors.is_empty() {
        walk(document.into_inner(), &mut draft);
        check_sizes(&mut draft);
        place_listens(&name_shown, text, &mut draft);
        if draft.config.listens.is_empty() && !draft.unclear.contains("listen") {
            draft.fault(
                0,
                "no service has an endpoint; add one, for example listen = [\"tcp://localhost:65432\"] under [multiply]"
                    .to_owned(),
            );
        }
    }

    if !draft.faults.is_empty() {
        return Err(lines(&name_shown, text, draft.faults));
    }
    let mut config = draft.config;
    config.file = Some(name.to_owned());
    for (settings, service) in config.settings.services.iter_mut().zip(draft.services) {
        *settings = service.settings;
    }
    for listen in &config.listens {
        config.settings.services[listen.service as usize].listening = true;
    }
    Ok(config)
}

/// Goes through the tables, `[limits]` before the services.
fn walk(document: DeTable<'_>, draft: &mut Draft) {
    let mut tables = Vec::new();
    for (key, value) in document {
        let name = key.get_ref();
        match (Table::named(name), value.get_ref()) {
            (Some(table), DeValue::Table(_)) => tables.push((table, value)),
            (Some(table), _) => {
                draft.unclear.extend(table.keys().map(|key| key.name));
                let value = draft.written(value.span());
                draft.fault(key.span().start, format!("{name} is {value}; it is a table: [{name}]"));
            }
            (None, value) => unknown_table(&key, matches!(value, DeValue::Table(_)), draft),
        }
    }
    tables.sort_by_key(|(table, _)| *table);
    for (table, value) in tables {
        let DeValue::Table(entries) = value.into_inner() else { continue };
        for (key, value) in entries {
            let Some(known) = table.keys().find(|known| known.name == key.get_ref()) else {
                unknown_key(&key, table, draft);
                continue;
            };
            let span = value.span();
            if let Err(right) = (known.read)(draft, table, value) {
                let value = draft.written(span.clone());
                draft.fault(span.start, format!("{} is {value}; {right}", known.name));
                draft.unclear.insert(known.name);
            }
        }
    }
}

fn unknown_table(key: &Spanned<Cow<'_, str>>, is_table: bool, draft: &mut Draft) {
    let name = key.get_ref();
    let tables = || Table::all().map(Table::name);
    let known = || {
        let tables: Vec<_> = tables().map(|name| format!("[{name}]")).collect();
        format!("known tables: {}", tables.join(", "))
    };
    let text = if is_table {
        let near = nearest(name, tables());
        if let Some(table) = near.and_then(Table::named) {
            draft.unclear.extend(table.keys().map(|key| key.name));
        }
        let right = near.map_or_else(known, |near| format!("did you mean [{near}]?"));
        format!("unknown table [{}]; {right}", quoted(name))
    } else {
        // A key before the first table: most likely its table is missing.
        let here = KEYS.iter().find(|key| key.name == name);
        draft.unclear.extend(here.map(|key| key.name));
        let right = here.map_or_else(known, |key| belongs(key.name));
        format!("unknown key \"{}\"; {right}", quoted(name))
    };
    draft.fault(key.span().start, text);
}

fn unknown_key(key: &Spanned<Cow<'_, str>>, table: Table, draft: &mut Draft) {
    let name = key.get_ref();
    let names = || table.keys().map(|key| key.name);
    let right = if let Some(near) = nearest(name, names()) {
        draft.unclear.insert(near);
        format!("did you mean {near:?}?")
    } else if KEYS.iter().any(|key| key.name == name) {
        belongs(name)
    } else {
        format!("known in [{}]: {}", table.name(), names().collect::<Vec<_>>().join(", "))
    };
    draft.fault(key.span().start, format!("unknown key \"{}\"; {right}", quoted(name)));
}

/// Where a key that stands in the wrong place belongs.
fn belongs(name: &str) -> String {
    let tables: Vec<_> =
        keys().into_iter().filter(|(_, key)| *key == name).map(|(table, _)| format!("[{table}]")).collect();
    format!("it belongs under {}", tables.join(" or "))
}

/// The known name that was most likely meant.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // What is longer than any name is no misspelling, and would take long to compare.
    if name.len() > QUOTE_CHARS_MAX {
        return None;
    }
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn check_sizes(draft: &mut Draft) {
    if draft.unclear.contains("max_message") || draft.unclear.contains("backlog") {
        return;
    }
    for service in &draft.services {
        let (message, backlog) = (service.settings.message_bytes_max, service.settings.backlog_bytes_max);
        if backlog < message {
            draft.faults.push(Fault {
                at: service.sizes_at,
                text: format!(
                    "a backlog of {backlog} bytes is too small for messages of {message}; it is at least max_message"
                ),
            });
        }
    }
}

/// The mistakes as lines, in the order of their places.
fn lines(name: &str, text: &str, mut faults: Vec<Fault>) -> Vec<String> {
    faults.sort();
    faults.dedup();
    let mut cursor = Cursor::new(text.as_bytes());
    // A line that says that there is one more would be as long as that one.
    let told = if faults.len() == ERRORS_MAX + 1 { faults.len() } else { faults.len().min(ERRORS_MAX) };
    let mut lines: Vec<_> = faults
        .iter()
        .take(told)
        .map(|fault| {
            let (line, column) = cursor.advance(fault.at);
            // An endpoint is told as it was typed, in which there may be what turns text around.
            format!("{name}:{line}:{column}: {}", visible(&fault.text))
        })
        .collect();
    if faults.len() > told {
        lines.push(format!("{name}: {} more mistakes; correct these first", faults.len() - told));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::FramingRule;

    const LISTEN: &str = "[greeting]\nlisten = [\"tcp://localhost:9\"]\n";

    fn config(text: &str) -> Config {
        parse(Path::new("f"), text).unwrap_or_else(|errors| panic!("{text}\n{}", errors.join("\n")))
    }

    fn errors(text: &str) -> Vec<String> {
        parse(Path::new("f"), text).expect_err(text)
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once_with_its_place() {
        let text = r#"history = 3
colour = 1
mux = 7
[lgo]
[log]
level = loud
level = "info"
[limits]
max_conections = 5
max_connections = 0
max_message = "17MiB"
backlog = 5
listen_backlog = 65536
idle_timeout = 300
message_timeout = "5 parsecs"
shutdown_grace = "0s"
raw_gap = "20s"
framing = true
colour = "red"
max_connections_per_address = -1
[multiply]
listen = ["tcp://localhost:70000", 5, "tcp://127.0.0.1:80", "tcp://localhost:80",
  "tcp://0.0.0.0:80", "tcp://127.0.0.1:80"]
mode = 0660
group = ""
[chat
history = "inside a table that is not understood"
[mux]
"#;
        let expected = r#"f:1:1: unknown key "history"; it belongs under [chat]
f:2:1: unknown key "colour"; known tables: [log], [limits], [multiply], [greeting], [chat], [hello], [talk], [stats], [status], [watch], [mux]
f:3:1: mux is 7; it is a table: [mux]
f:4:2: unknown table [lgo]; did you mean [log]?
f:6:9: loud is no number; text stands in quotes: "loud"
f:9:1: unknown key "max_conections"; did you mean "max_connections"?
f:10:19: max_connections is 0; it is 1 to 1000000 (with none nobody is served, and the kernel lets one process hold about a million of them)
f:11:15: max_message is "17MiB"; it is 1 byte to 16MiB (a message is held in memory whole)
f:12:11: backlog is 5; it is 4KiB to 1GiB (less is a few replies, more is memory that one client could take)
f:13:18: listen_backlog is 65536; it is 1 to 65535 (the kernel's queue needs a place; net.core.somaxconn bounds it too)
f:14:16: idle_timeout is 300; it is a string with a unit, for example "20ms", "30s", "5min" or "1h"
f:15:19: message_timeout is "5 parsecs"; it is a string with a unit, for example "20ms", "30s", "5min" or "1h"
f:17:11: raw_gap is "20s"; it is 1ms to 10s (every result to a raw client waits that long)
f:18:11: framing is true; it is "auto", "line" or "raw"
f:19:1: unknown key "colour"; known in [limits]: max_connections, max_connections_per_address, max_message, backlog, listen_backlog, first_message_timeout, idle_timeout, message_timeout, linger_timeout, max_refused_lingering, shutdown_grace, raw_gap, framing
f:20:31: max_connections_per_address is -1; it is 1 to 1000000, or 0 for no bound (the kernel lets one process hold about a million of them)
f:22:11: tcp://localhost:70000: a port is 1 to 65535
f:22:36: an endpoint is a string, for example "tcp://localhost:65432"
f:22:61: tcp://localhost:80 would meet tcp://127.0.0.1:80 at f:22:39; remove one or choose another place
f:23:3: tcp://0.0.0.0:80 would meet tcp://127.0.0.1:80 at f:22:39; remove one or choose another place
f:23:23: tcp://127.0.0.1:80 stands already at f:22:39; remove one or choose another place
f:24:8: no number begins with 0; permission bits stand in quotes, for example "0660"
f:25:9: group is ""; it is the name of a group, for example "ipcd"
f:26:6: unclosed table; expected `]`
f:28:2: mux stands here a second time; remove one"#;
        assert_eq!(errors(text).join("\n"), expected);
    }

    #[test]
    fn a_value_out_of_its_bounds_is_refused_and_one_on_them_is_not() {
        for (key, good, bad) in [
            ("max_connections", &["1", "1_000_000"][..], &["0", "-1", "1000001", "\"5\"", "1.5", "[]"][..]),
            ("max_connections_per_address", &["0", "1_000_000"], &["-1", "1000001"]),
            (
                "max_message",
                &["1", "\"256KiB\"", "\"1 kB\""],
                &["0", "\"16777217\"", "\"4 spoons\"", "true", "1.5"],
            ),
            ("backlog", &["4096", "\"1GiB\"", "\"64KiB\""], &["4095", "\"1.1GiB\"", "18446744073709551615"]),
            ("listen_backlog", &["1", "65535"], &["0", "65536"]),
            (
                "idle_timeout",
                &["\"1ms\"", "\"365days\""],
                &["\"999us\"", "\"366days\"", "5", "\"5\"", "\"\""],
            ),
            (
                "first_message_timeout",
                &["\"0s\"", "\"1ms\"", "\"365days\""],
                &["\"366days\"", "0", "\"never\""],
            ),
            ("linger_timeout", &["\"1ms\"", "\"1h\""], &["\"0s\"", "\"61min\"", "2"]),
            ("max_refused_lingering", &["0", "65536"], &["-1", "65537", "\"5\""]),
            ("message_timeout", &["\"1ms\"", "\"1h 30min\""], &["\"0s\"", "1979-05-27"]),
            ("shutdown_grace", &["\"0s\"", "\"365days\""], &["\"366days\"", "0"]),
            ("raw_gap", &["\"1ms\"", "\"10s\""], &["\"0ms\"", "\"10001ms\""]),
            ("framing", &["\"auto\"", "\"line\"", "\"raw\""], &["\"Raw\"", "1", "{ a = 1 }"]),
        ] {
            for value in good {
                config(&format!("{LISTEN}[limits]\n{key} = {value}\n"));
            }
            for value in bad {
                let errors = errors(&format!("{LISTEN}[limits]\n{key} = {value}\n"));
                assert_eq!(errors.len(), 1, "{errors:?}");
                let begin = format!("f:4:{}: {key} is {value}; it is ", key.len() + 4);
                assert!(errors[0].starts_with(&begin), "{}", errors[0]);
            }
        }
        for (table, key, good, bad) in [
            ("multiply", "max_connections", &["0", "7"][..], &["-1", "1000001"][..]),
            (
                "multiply",
                "mode",
                &["\"0\"", "\"0777\"", "\"660\""],
                &["\"1777\"", "\"0668\"", "\"00660\"", "\"\"", "432", "\"+66\""],
            ),
            (
                "multiply",
                "group",
                &["\"users\"", "\"domain users\""],
                &["\"\"", "\"a:b\"", "\"a\\u001b\"", "5"],
            ),
            ("talk", "first_message_timeout", &["\"0s\"", "\"1s\""], &["1", "\"-1s\""]),
            ("stats", "max_machines", &["1", "10000"], &["0", "10001"]),
            ("watch", "max_watchers", &["1", "64"], &["0", "65"]),
            ("chat", "history", &["0", "10000"], &["-1", "10001"]),
            ("chat", "name_timeout", &["\"1ms\""], &["60", "\"0s\""]),
            ("mux", "default", &["\"multiply\"", "\"chat\""], &["\"mux\"", "\"talking\"", "5"]),
            ("log", "level", &["\"error\"", "\"trace\""], &["\"INFO\"", "\"off\"", "3"]),
        ] {
            for value in good {
                config(&format!("{LISTEN}[{table}]\n{key} = {value}\n"));
            }
            for value in bad {
                let errors = errors(&format!("{LISTEN}[{table}]\n{key} = {value}\n"));
                assert_eq!(errors.len(), 1, "{errors:?}");
                assert!(errors[0].contains(&format!("{key} is {value}; it is ")), "{}", errors[0]);
            }
        }
    }

    #[test]
    fn limits_are_the_defaults_of_every_service_and_its_own_table_wins() {
        let text = "[chat]\nmax_message = 5\nmax_connections = 7\nframing = \"raw\"\nmode = \"0600\"\ngroup = \"g\"\n\
                    listen = [\"unix:///a\"]\nhistory = 9\n\
                    [limits]\nmax_message = 6\nmax_connections = 8\nidle_timeout = \"2s\"\n\
                    [greeting]\nlisten = [\"unix:///b\"]\n[mux]\ndefault = \"chat\"\n[log]\nlevel = \"debug\"\n";
        let config = config(text);
        let (chat, other) = (config.settings.of(Service::Chat), config.settings.of(Service::Multiply));
        assert_eq!((chat.message_bytes_max, other.message_bytes_max), (5, 6));
        assert_eq!(
            (chat.connections_max, other.connections_max, config.settings.connections_max),
            (Some(7), None, 8)
        );
        assert_eq!((chat.framing, other.framing), (FramingRule::Raw, FramingRule::Auto));
        assert_eq!((chat.idle_timeout, other.idle_timeout), (Duration::from_secs(2), Duration::from_secs(2)));
        assert_eq!((chat.listening, other.listening), (true, false));
        assert_eq!((config.settings.chat_history, config.settings.mux_default), (9, Service::Chat));
        assert_eq!(config.log_level, log::LevelFilter::Debug);
        let listens: Vec<_> = config
            .listens
            .iter()
            .map(|listen| (listen.service, listen.mode, listen.group.as_str(), listen.place.as_str()))
            .collect();
        assert_eq!(
            listens,
            [(Service::Greeting, 0o660, "ipcd", "f:14:11"), (Service::Chat, 0o600, "g", "f:7:11")]
        );
    }

    #[test]
    fn where_no_first_message_is_waited_for_nobody_can_give_it_a_time() {
        let text =
            format!("{LISTEN}first_message_timeout = \"1s\"\n[chat]\nfirst_message_timeout = \"1s\"\n");
        let why = "unknown key \"first_message_timeout\"; it belongs under [limits] or [multiply] or [hello]";
        for (error, place) in errors(&text).iter().zip(["f:3:1: ", "f:5:1: "]) {
            assert!(error.strip_prefix(place).is_some_and(|rest| rest.starts_with(why)), "{error}");
        }
        let text = format!(
            "{LISTEN}[limits]\nfirst_message_timeout = \"9s\"\n[mux]\nfirst_message_timeout = \"0s\"\n"
        );
        let config = config(&text);
        let timeout = |service| config.settings.of(service).first_message_timeout;
        assert_eq!((timeout(Service::Hello), timeout(Service::Mux)), (Some(Duration::from_secs(9)), None));
    }

    #[test]
    fn a_backlog_that_no_message_fits_is_refused_where_it_was_made_so() {
        let why = "of 1048576 bytes is too small for messages of 2097152; it is at least max_message";
        let limits = format!("{LISTEN}[limits]\nmax_message = \"2MiB\"\n");
        assert_eq!(errors(&limits), [format!("f:4:15: a backlog {why}")]);
        let chat = format!(
            "{LISTEN}[limits]\nbacklog = \"3MiB\"\nmax_message = \"2MiB\"\n[chat]\nbacklog = \"1MiB\"\n"
        );
        assert_eq!(errors(&chat), [format!("f:7:11: a backlog {why}")]);
        config(&format!("{limits}backlog = \"2MiB\"\n"));
    }

    #[test]
    fn an_endpoint_that_cannot_carry_the_service_is_refused() {
        assert_eq!(
            errors("[chat]\nlisten = [\"udp://localhost:5\"]\n"),
            [
                "f:2:11: udp://localhost:5 cannot carry chat; it can carry multiply, greeting, hello, and chat can be on tcp, unix and unixseq"
            ]
        );
        // What turns text around is told as its number.
        let turned = errors("[chat]\nlisten = [\"unixgram:///a\\u202eb\"]\n");
        assert!(turned[0].starts_with("f:2:11: unixgram:///a\\u{202e}b cannot carry chat"), "{turned:?}");
        for (service, endpoint) in [("greeting", "fifo:///a"), ("mux", "unixgram:///a")] {
            let errors = errors(&format!("[{service}]\nlisten = [\"{endpoint}\"]\n"));
            assert!(errors[0].contains(&format!("cannot carry {service}")), "{errors:?}");
        }
        for (service, endpoint) in
            [("multiply", "fifo:///a"), ("greeting", "udp://[::1]:5"), ("chat", "unixseq:///a")]
        {
            config(&format!("[{service}]\nlisten = [\"{endpoint}\"]\n"));
        }
    }

    #[test]
    fn endpoints_that_would_meet_are_told_and_others_are_not() {
        for (first, second, meets) in [
            ("tcp://localhost:1", "tcp://localhost:1", true),
            ("tcp://localhost:1", "tcp://127.0.0.1:1", true),
            ("tcp://[::1]:1", "tcp://localhost:1", true),
            ("tcp://0.0.0.0:1", "tcp://127.0.0.2:1", true),
            ("tcp://localhost:1", "tcp://[::]:1", true),
            ("unix:///a/b", "unix:///a//b", true),
            ("tcp://localhost:1", "tcp://localhost:2", false),
            ("tcp://127.0.0.1:1", "tcp://[::1]:1", false),
            ("tcp://127.0.0.1:1", "tcp://127.0.0.2:1", false),
            ("unix:///a", "unix://%t/a", false),
            ("unix:///a", "unixseq:///a", true),
            ("unixseq:///a.in", "fifo:///a", true),
            ("unix:///a", "fifo:///a", false),
            ("tcp://0.0.0.0:5", "udp://127.0.0.1:5", false),
            ("udp://0.0.0.0:5", "udp://127.0.0.1:5", true),
            ("udp://localhost:5", "udp://[::]:5", true),
        ] {
            // In one service and in two.
            let other = if second.starts_with("fifo") { "chat" } else { "greeting" };
            for between in ["\", \"", &format!("\"]\n[{other}]\nlisten = [\"")] {
                let text = format!("[multiply]\nlisten = [\"{first}{between}{second}\"]\n");
                match (parse(Path::new("f"), &text), meets) {
                    (Ok(config), false) => assert_eq!(config.listens.len(), 2, "{text}"),
                    (Err(errors), true) => {
                        assert_eq!(errors.len(), 1, "{errors:?}");
                        assert!(errors[0].contains(" at f:2:11; remove one"), "{errors:?}");
                    }
                    (result, _) => panic!("{text}: {result:?}"),
                }
            }
        }
    }

    #[test]
    fn a_file_in_which_nobody_listens_says_what_to_add() {
        let expected = "f:1:1: no service has an endpoint; add one, for example listen = [\"tcp://localhost:65432\"] under [multiply]";
        for text in ["", "# nothing\n", "[chat]\nhistory = 5\n", "[chat]\nlisten = []\n"] {
            assert_eq!(errors(text), [expected], "{text}");
        }
        // Whoever meant to add one is told only what is wrong with it.
        for text in [
            "[chat]\nlisten = [\"tcp://localhost\"]\n",
            "[chat]\nlisten = 5\n",
            "[chat]\nlisen = []\n",
            "[caht]\nlisten = [\"tcp://localhost:1\"]\n",
            "listen = []\n",
            "[chat]\nlisten = [tcp]\n",
        ] {
            let errors = errors(text);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_ne!(errors[0], expected);
        }
    }

    #[test]
    fn a_file_full_of_mistakes_is_not_told_whole() {
        let of = |count| errors(&(0..count).map(|n| format!("k{n} = 1\n")).collect::<String>());
        let many = of(150);
        assert_eq!(many.len(), ERRORS_MAX + 1);
        // The one that nobody listens is among them.
        assert_eq!(many[ERRORS_MAX], "f: 51 more mistakes; correct these first");
        let just = of(ERRORS_MAX);
        assert!(just.len() == ERRORS_MAX + 1 && !just[ERRORS_MAX].contains("more mistakes"), "{just:?}");
    }

    #[test]
    fn a_byte_order_mark_and_crlf_change_nothing() {
        let text = format!("\u{feff}{}", LISTEN.replace('\n', "\r\n"));
        assert_eq!(config(&text), config(LISTEN));
    }

    #[test]
    fn names_of_tables_are_apart() {
        let names: Vec<_> = Table::all().map(Table::name).collect();
        assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
        assert!(keys().contains(&("chat", "history")) && !keys().contains(&("mux", "history")));
    }
}
