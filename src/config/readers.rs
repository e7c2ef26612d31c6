//! One function for each key: it checks the value and stores it in the draft. Its error says what would be right.

use std::time::Duration;

use super::draft::Draft;
use super::networks;
use super::table::Table;
use super::users::{self, UserDatabase};
use super::value::*;
use crate::engine::allow::passphrase::{PASSPHRASE_CHARS_MAX, Passphrase};

pub(super) fn level(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let meant = value.get_ref().as_str().and_then(|word| match word.to_ascii_lowercase().as_str() {
        "warning" | "warn" => Some("warn"),
        "err" | "error" | "fatal" | "critical" => Some("error"),
        "information" | "informational" | "info" | "notice" => Some("info"),
        "debug" | "verbose" => Some("debug"),
        "trace" | "all" => Some("trace"),
        _ => None,
    });
    draft.config.log_level = match (typed::<Level>(value), meant) {
        (Ok(Level(level)), _) => level,
        (Err(_), Some(meant)) => return Err(format!("did you mean {meant:?}?")),
        (Err(right), None) => return Err(right),
    };
    draft.config.is_log_level_given = true;
    Ok(())
}

pub(super) fn max_connections(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
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

pub(super) fn max_connections_per_address(
    draft: &mut Draft,
    table: Table,
    value: Value<'_>,
) -> Result<(), String> {
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

pub(super) fn max_message(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let Size(bytes) = typed(value)?;
    let bytes = MESSAGE_BYTES.check(bytes)?;
    for service in draft.services(table) {
        service.settings.message_bytes_max = bytes;
        service.sizes_at = at;
    }
    Ok(())
}

pub(super) fn backlog(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let Size(bytes) = typed(value)?;
    let bytes = BACKLOG_BYTES.check(bytes)?;
    for service in draft.services(table) {
        service.settings.backlog_bytes_max = bytes;
        service.sizes_at = at;
    }
    Ok(())
}

pub(super) fn max_queued(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Size(bytes) = typed(value)?;
    draft.config.settings.queued_bytes_max = QUEUED_BYTES.check(bytes)?;
    Ok(())
}

pub(super) fn listen_backlog(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.listen_backlog = LISTEN_BACKLOG.check(count)? as i32;
    Ok(())
}

pub(super) fn first_message_timeout(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = Some(time(value, &FIRST_MESSAGE_TIMEOUT)?).filter(|timeout| !timeout.is_zero());
    draft.services(table).iter_mut().for_each(|service| service.settings.first_message_timeout = timeout);
    Ok(())
}

pub(super) fn idle_timeout(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = time(value, &TIMEOUT)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.idle_timeout = timeout);
    Ok(())
}

pub(super) fn message_timeout(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let timeout = time(value, &TIMEOUT)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.message_timeout = timeout);
    Ok(())
}

pub(super) fn send_timeout(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.settings.send_timeout = time(value, &TIMEOUT)?;
    Ok(())
}

pub(super) fn linger_timeout(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.settings.linger = time(value, &LINGER_TIMEOUT)?;
    Ok(())
}

pub(super) fn answers_per_second(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.answers_per_second = ANSWERS_PER_SECOND.check(count)? as u32;
    Ok(())
}

pub(super) fn max_refused_lingering(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.refused_lingering_max = REFUSED_LINGERING.check(count)?;
    Ok(())
}

pub(super) fn shutdown_grace(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.shutdown_grace = time(value, &SHUTDOWN_GRACE)?;
    Ok(())
}

pub(super) fn raw_gap(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let gap = time(value, &RAW_GAP)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.raw_gap = gap);
    Ok(())
}

pub(super) fn framing(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Framing(rule) = typed(value)?;
    draft.services(table).iter_mut().for_each(|service| service.settings.framing = rule);
    Ok(())
}

pub(super) fn messages_per_second(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    let count = MESSAGES_PER_SECOND.check(count)? as u32;
    draft.services(table).iter_mut().for_each(|service| service.settings.messages_per_second = count);
    Ok(())
}

pub(super) fn mode(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Permissions(mode) = typed(value)?;
    draft.services(table).iter_mut().for_each(|service| service.mode = mode);
    Ok(())
}

pub(super) fn group(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let Group(group) = typed(value)?;
    for service in draft.services(table) {
        service.group.clone_from(&group);
        service.is_group_given = true;
    }
    Ok(())
}

pub(super) fn allow_users(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let allowed = users::read(UserDatabase::Users, value, &mut draft.faults)?;
    draft.services(table).iter_mut().for_each(|service| service.allowed_users.clone_from(&allowed));
    Ok(())
}

pub(super) fn allow_groups(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let allowed = users::read(UserDatabase::Groups, value, &mut draft.faults)?;
    draft.services(table).iter_mut().for_each(|service| service.allowed_groups.clone_from(&allowed));
    Ok(())
}

pub(super) fn allow_addresses(draft: &mut Draft, table: Table, value: Value<'_>) -> Result<(), String> {
    let at = value.span().start;
    let networks = networks::read(value, &mut draft.faults)?;
    for service in draft.services(table) {
        service.networks_at = (!networks.is_empty()).then_some(at);
        service.settings.networks.clone_from(&networks);
    }
    Ok(())
}

pub(super) fn history(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.chat_history = HISTORY.check(count)?;
    Ok(())
}

pub(super) fn transcript(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let File(path) = typed(value)?;
    draft.config.settings.transcript = path.is_some();
    draft.config.transcript = path;
    Ok(())
}

pub(super) fn passphrase(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let right = || {
        format!(
            "it must be text of 1 to {PASSPHRASE_CHARS_MAX} characters without white space at its ends, or \"\" for none"
        )
    };
    let Text(text) = typed(value).map_err(|_| right())?;
    draft.config.settings.chat_passphrase = match text.as_str() {
        "" => None,
        text => Some(Passphrase::new(text).ok_or_else(right)?),
    };
    Ok(())
}

pub(super) fn name_timeout(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    draft.config.settings.chat_name_timeout = time(value, &TIMEOUT)?;
    Ok(())
}

pub(super) fn max_machines(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.machines_max = MACHINES.check(count)?;
    Ok(())
}

pub(super) fn max_watchers(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Count(count) = typed(value)?;
    draft.config.settings.watchers_max = WATCHERS.check(count)?;
    Ok(())
}

pub(super) fn mux_default(draft: &mut Draft, _: Table, value: Value<'_>) -> Result<(), String> {
    let Offered(service) = typed(value)?;
    draft.config.settings.mux_default = service;
    Ok(())
}

fn time(value: Value<'_>, bounds: &Bounds<Duration>) -> Result<Duration, String> {
    let Time(time) = typed(value)?;
    bounds.check(time)
}
