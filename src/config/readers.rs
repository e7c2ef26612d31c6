//! One function for each key: it checks the value and stores it in the builder. Its error says what would be right.

use std::time::Duration;

use super::builder::Builder;
use super::names::read_flag;
use super::networks;
use super::table::Table;
use super::users::{self, UserDatabase};
use super::value::*;
use crate::engine::allow::passphrase::{PASSPHRASE_CHARS_MAX, Passphrase};

pub(super) fn level(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let meant = value.get_ref().as_str().and_then(|word| match word.to_ascii_lowercase().as_str() {
        "warning" | "warn" => Some("warn"),
        "err" | "error" | "fatal" | "critical" => Some("error"),
        "information" | "informational" | "info" | "notice" => Some("info"),
        "debug" | "verbose" => Some("debug"),
        "trace" | "all" => Some("trace"),
        _ => None,
    });
    builder.config.log_level = match (typed::<Level>(value), meant) {
        (Ok(Level(level)), _) => level,
        (Err(_), Some(meant)) => return Err(format!("did you mean {meant:?}?")),
        (Err(right), None) => return Err(right),
    };
    builder.config.is_log_level_given = true;
    Ok(())
}

pub(super) fn max_connections(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    match table {
        Table::Service(service) => {
            let count = SERVICE_CONNECTIONS.check(count)?;
            builder.services[service as usize].settings.connections_max = (count > 0).then_some(count);
        }
        _ => builder.config.settings.connections_max = CONNECTIONS.check(count)?,
    }
    Ok(())
}

pub(super) fn max_connections_per_address(
    builder: &mut Builder,
    table: Table,
    value: Value<'_>,
) -> Result<(), String> {
    let Count(count) = typed(value)?;
    let count = CONNECTIONS_PER_ADDRESS.check(count)?;
    match table {
        Table::Service(service) => {
            builder.services[service as usize].settings.connections_per_address_max = count;
        }
        _ => builder.config.settings.connections_per_address_max = count,
    }
    Ok(())
}

pub(super) fn max_message(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let Size(bytes) = typed(value)?;
    let bytes = MESSAGE_BYTES.check(bytes)?;
    for service in builder.services_of_messages(table) {
        service.settings.message_bytes_max = bytes;
        service.sizes_at = at;
    }
    Ok(())
}

pub(super) fn backlog(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let Size(bytes) = typed(value)?;
    let bytes = BACKLOG_BYTES.check(bytes)?;
    for service in builder.services(table) {
        service.settings.backlog_bytes_max = bytes;
        service.sizes_at = at;
    }
    Ok(())
}

pub(super) fn max_queued(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Size(bytes) = typed(value)?;
    builder.config.settings.queued_bytes_max = QUEUED_BYTES.check(bytes)?;
    Ok(())
}

pub(super) fn listen_backlog(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    builder.config.listen_backlog = LISTEN_BACKLOG.check(count)? as i32;
    Ok(())
}

pub(super) fn share_ports(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.share_ports = read_flag(value)?;
    Ok(())
}

pub(super) fn first_message_timeout(
    builder: &mut Builder,
    table: Table,
    value: Value<'_>,
) -> Result<(), String> {
    let timeout = Some(time(value, &FIRST_MESSAGE_TIMEOUT)?).filter(|timeout| !timeout.is_zero());
    builder.services(table).iter_mut().for_each(|service| service.settings.first_message_timeout = timeout);
    Ok(())
}

pub(super) fn idle_timeout(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = time(value, &TIMEOUT)?;
    builder.services(table).iter_mut().for_each(|service| service.settings.idle_timeout = timeout);
    Ok(())
}

pub(super) fn message_timeout(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = time(value, &TIMEOUT)?;
    for service in builder.services_of_messages(table) {
        service.settings.message_timeout = timeout;
    }
    Ok(())
}

pub(super) fn send_timeout(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.settings.send_timeout = time(value, &TIMEOUT)?;
    Ok(())
}

pub(super) fn linger_timeout(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.settings.linger = time(value, &LINGER_TIMEOUT)?;
    Ok(())
}

pub(super) fn answers_per_second(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    builder.config.settings.answers_per_second = ANSWERS_PER_SECOND.check(count)? as u32;
    Ok(())
}

pub(super) fn max_refused_lingering(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    builder.config.settings.refused_lingering_max = REFUSED_LINGERING.check(count)?;
    Ok(())
}

pub(super) fn shutdown_grace(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.shutdown_grace = time(value, &SHUTDOWN_GRACE)?;
    Ok(())
}

pub(super) fn raw_gap(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let gap = time(value, &RAW_GAP)?;
    builder.services(table).iter_mut().for_each(|service| service.settings.raw_gap = gap);
    Ok(())
}

pub(super) fn framing(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let Framing(rule) = typed(value)?;
    builder.services(table).iter_mut().for_each(|service| service.settings.framing = rule);
    Ok(())
}

pub(super) fn messages_per_second(
    builder: &mut Builder,
    table: Table,
    value: Value<'_>,
) -> Result<(), String> {
    let Count(count) = typed(value)?;
    let count = MESSAGES_PER_SECOND.check(count)? as u32;
    builder.services(table).iter_mut().for_each(|service| service.settings.messages_per_second = count);
    Ok(())
}

pub(super) fn mode(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let Permissions(mode) = typed(value)?;
    builder.services(table).iter_mut().for_each(|service| service.mode = mode);
    Ok(())
}

pub(super) fn group(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let Group(group) = typed(value)?;
    for service in builder.services(table) {
        service.group.clone_from(&group);
        service.is_group_given = true;
    }
    Ok(())
}

pub(super) fn allow_users(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let allowed = users::read(UserDatabase::Users, value, &mut builder.faults)?;
    builder.services(table).iter_mut().for_each(|service| service.allowed_users.clone_from(&allowed));
    Ok(())
}

pub(super) fn allow_groups(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let allowed = users::read(UserDatabase::Groups, value, &mut builder.faults)?;
    builder.services(table).iter_mut().for_each(|service| service.allowed_groups.clone_from(&allowed));
    Ok(())
}

pub(super) fn allow_addresses(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let networks = networks::read(value, &mut builder.faults)?;
    for service in builder.services(table) {
        service.networks_at = (!networks.is_empty()).then_some(at);
        service.settings.networks.clone_from(&networks);
    }
    Ok(())
}

pub(super) fn history(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    builder.config.settings.chat_history = HISTORY.check(count)?;
    Ok(())
}

pub(super) fn transcript(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let File(path) = typed(value)?;
    builder.config.settings.transcript = path.is_some();
    builder.config.transcript = path;
    Ok(())
}

pub(super) fn passphrase(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || {
        format!(
            "it must be text of 1 to {PASSPHRASE_CHARS_MAX} characters without white space at its ends, or \"\" for none"
        )
    };
    let Text(text) = typed(value).map_err(|_| right())?;
    builder.config.settings.chat_passphrase = match text.as_str() {
        "" => None,
        text => Some(Passphrase::new(text).ok_or_else(right)?),
    };
    Ok(())
}

pub(super) fn name_timeout(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    builder.config.settings.chat_name_timeout = time(value, &TIMEOUT)?;
    Ok(())
}

pub(super) fn max_machines(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    builder.config.settings.machines_max = MACHINES.check(count)?;
    Ok(())
}

pub(super) fn max_watchers(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    builder.config.settings.watchers_max = WATCHERS.check(count)?;
    Ok(())
}

pub(super) fn mux_default(builder: &mut Builder, _: Table, value: Value<'_>) -> Result<(), String> {
    let Offered(service) = typed(value)?;
    builder.config.settings.mux_default = service;
    Ok(())
}

fn time(value: Value<'_>, bounds: &Bounds<Duration>) -> Result<Duration, String> {
    let Time(time) = typed(value)?;
    bounds.check(time)
}
