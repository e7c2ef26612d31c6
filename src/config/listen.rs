//! `listen`: endpoints in the configuration file, as strings or as tables with their own keys, and conflicts between them.
//! Knows their syntax; opens none.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::builder::{Builder, ListenBuilder, Own};
use super::checked::Listen;
use super::claims::Claims;
use super::names;
use super::networks;
use super::suggest::{self, nearest};
use super::syntax::{Cursor, Diagnostic, quoted};
use super::table::Table;
use super::users::{self, UserDatabase};
use super::value::{Group, Permissions, Text, Value, typed};
use crate::endpoint::buffer::Layout;
use crate::endpoint::{Endpoint, ResolvedEndpoint, SCHEMES};
use crate::engine::allow::{self, Allowed};
use crate::engine::name::Name;
use crate::engine::service::Service;
use crate::engine::service::facts::Openness;
use crate::engine::transport::Identity;

/// The keys of an endpoint's own table.
const KEYS: [&str; 8] = [
    "endpoint",
    "mode",
    "group",
    "allow_users",
    "allow_groups",
    "allow_addresses",
    "allow_names",
    "client_certificates",
];

pub(super) fn listen(builder: &mut Builder, table: Table, value: Value<'_>) -> Result<(), String> {
    let Table::Service(service) = table else { return Ok(()) };
    let endpoints = match value.into_inner() {
        DeValue::Array(endpoints) => endpoints,
        other => {
            let text = other.as_str().unwrap_or_default();
            let meant =
                suggest::endpoint(text).or_else(|| text.parse::<Endpoint>().ok().map(|_| text.to_owned()));
            return Err(match meant {
                Some(meant) => format!("it must be a list; did you mean [\"{meant}\"]?"),
                None => "it must be a list of endpoints, for example [\"tcp://localhost:65432\"]".to_owned(),
            });
        }
    };
    for element in endpoints {
        let (mut at, mut own) = (element.span().start, Own::default());
        let text = if matches!(element.get_ref(), DeValue::Table(_)) {
            let DeValue::Table(entries) = element.into_inner() else { continue };
            match read_table(builder, at, entries) {
                Some((position, text, keys)) => {
                    (at, own) = (position, keys);
                    Ok(text)
                }
                None => continue,
            }
        } else {
            let number = match element.get_ref() {
                DeValue::Integer(number) => suggest::endpoint(number.as_str()),
                _ => None,
            };
            typed::<Text>(element).map(|Text(text)| text).map_err(|right| match number {
                Some(meant) => format!("an endpoint must be a string; did you mean \"{meant}\"?"),
                None => right,
            })
        };
        match text.and_then(|text| read_endpoint(service, &text)) {
            Ok(endpoint) => builder.listens.push(ListenBuilder { at, service, endpoint, own }),
            Err(error) => {
                builder.fault(at, error);
                builder.unclear.insert("listen");
            }
        }
    }
    Ok(())
}

/// Parses an endpoint, if the service can be offered there.
fn read_endpoint(service: Service, text: &str) -> Result<Endpoint, String> {
    let endpoint = text.parse::<Endpoint>().map_err(|error| match suggest::endpoint(text) {
        Some(meant) => format!("{}: did you mean {meant}?", quoted(text)),
        None => format!("{}: {error}", quoted(text)),
    })?;
    if let Some(reason) = unnamed(service, &endpoint) {
        return Err(format!("{}: {reason}", quoted(text)));
    }
    if !service.fits(endpoint.scheme().transport) {
        return Err(misfit(service, &endpoint));
    }
    Ok(endpoint)
}

/// Reads an endpoint's own table: the position and text of `endpoint`, if present, and the other keys.
fn read_table(builder: &mut Builder, at: usize, entries: DeTable<'_>) -> Option<(usize, String, Own)> {
    let (mut endpoint, mut own) = (None, Own::default());
    let before = builder.faults.len();
    for (key, value) in entries {
        let (name, span) = (key.get_ref(), value.span());
        let position = span.start;
        let read = match &**name {
            "endpoint" => typed(value).map(|Text(text)| endpoint = Some((position, text))),
            "mode" => typed(value).map(|Permissions(mode)| own.mode = Some((position, mode))),
            "group" => typed(value).map(|Group(group)| own.group = Some((position, group))),
            "allow_users" => users::read(UserDatabase::Users, value, &mut builder.faults)
                .map(|allowed| own.allowed_users = Some(allowed)),
            "allow_groups" => users::read(UserDatabase::Groups, value, &mut builder.faults)
                .map(|allowed| own.allowed_groups = Some(allowed)),
            "allow_addresses" => networks::read(value, &mut builder.faults)
                .map(|networks| own.networks = Some((position, networks))),
            "allow_names" => {
                names::read(value, &mut builder.faults).map(|names| own.names = Some((position, names)))
            }
            "client_certificates" => {
                names::read_flag(value).map(|flag| own.client_certificates = Some((position, flag)))
            }
            _ => {
                let right = match nearest(name, KEYS.into_iter()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("known keys of an endpoint: {}", KEYS.join(", ")),
                };
                builder.fault(key.span().start, format!("unknown key \"{}\"; {right}", quoted(name)));
                continue;
            }
        };
        if let Err(right) = read {
            let value = builder.written(span);
            builder.fault(position, format!("{name} is {value}; {right}"));
        }
    }
    if endpoint.is_none() && builder.faults.len() == before {
        let example = "{ endpoint = \"unix:///run/ipcd/multiply.sock\", allow_users = [\"root\"] }";
        builder.fault(at, format!("the key \"endpoint\" is missing; add it, for example {example}"));
    }
    if endpoint.is_none() || builder.faults.len() > before {
        builder.unclear.insert("listen");
    }
    endpoint.map(|(position, text)| (position, text, own))
}

/// Why the name of a FIFO, message queue or buffer cannot be its name in the chat.
fn unnamed(service: Service, endpoint: &Endpoint) -> Option<String> {
    let name = match endpoint {
        Endpoint::Fifo(path) | Endpoint::Mq(path) => {
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        Endpoint::Buffer(place) => Layout::of(place)?.object[1..].to_owned(),
        _ => return None,
    };
    let reason = Name::new(&name).err().filter(|_| service == Service::Chat)?;
    Some(format!("the last part of it is its name in the chat, and {}; choose another", reason.rule()))
}

/// Why a service cannot be offered there, and what can.
fn misfit(service: Service, endpoint: &Endpoint) -> String {
    let fits = Service::ALL.into_iter().filter(|service| service.fits(endpoint.scheme().transport));
    let fits: Vec<&str> = fits.map(Service::name).collect();
    let others = SCHEMES.iter().filter(|scheme| service.fits(scheme.transport)).map(|scheme| scheme.name);
    let mut others: Vec<&str> = others.collect();
    others.dedup();
    format!(
        "{endpoint} cannot carry {service}; it can carry {}, and {service} can be on {}",
        fits.join(", "),
        others.join(", ")
    )
}

/// Why an endpoint cannot be restricted by user or group, and what to do instead.
fn instead_of_list(service: Service, endpoint: &Endpoint) -> Option<&'static str> {
    match endpoint.scheme().transport.identity {
        Identity::Process => None,
        Identity::Address if service.facts().openness == Openness::Masters => Some(
            "watch is only for users whom the kernel identifies: root, the daemon's own, and those in allow_users or allow_groups; give it a Unix endpoint, for example unix:///run/ipcd/watch.sock",
        ),
        Identity::Nobody => Some(
            "it does not identify its writers; use mode and group instead of allow_users and allow_groups",
        ),
        Identity::Address => Some(
            "the network carries no user identity; use an address that others cannot reach, or a firewall, and set allow_users and allow_groups only for Unix endpoints: { endpoint = \"unix://PATH\", allow_users = [\"NAME\"] }",
        ),
    }
}

/// Gives each endpoint its position in the file, and finds conflicts between endpoints.
pub(super) fn place_listens(name: &str, text: &str, builder: &mut Builder) {
    builder.listens.sort_by_key(|listen| listen.at);
    let mut cursor = Cursor::new(text.as_bytes());
    let mut taken = Claims::default();
    for ListenBuilder { at, service, endpoint, own } in std::mem::take(&mut builder.listens) {
        let (line, column) = cursor.advance(at);
        // Any path works here: it only has to be the same for all.
        let sockets: Vec<_> = endpoint.resolve(Path::new("%t")).iter().map(ResolvedEndpoint::bare).collect();
        let position = format!("{name}:{line}:{column}");
        let listen = checked(ListenBuilder { at, service, endpoint, own }, position, builder);
        let index = builder.config.listens.len();
        match taken.take(&sockets, index) {
            None => builder.config.listens.push(listen),
            Some(first) => {
                let text = conflict(&listen, &builder.config.listens[first]);
                builder.faults.push(Diagnostic { at, text });
            }
        }
    }
    // The message must not depend on the order of the tables.
    builder.config.listens.sort_by_key(|listen| listen.service);
}

/// The endpoint with the settings of its own table and of its service; finds what does not go with its kind.
fn checked(listen: ListenBuilder, position: String, builder: &mut Builder) -> Listen {
    let ListenBuilder { at, service, endpoint, own } = listen;
    let service_builder = &builder.services[service as usize];
    let names = names::of_endpoint(
        builder.has_client_authority(),
        (at, &endpoint),
        &own,
        &service_builder.settings.names,
        &mut builder.faults,
    );
    let users = own.allowed_users.unwrap_or_else(|| service_builder.allowed_users.clone());
    let groups = own.allowed_groups.unwrap_or_else(|| service_builder.allowed_groups.clone());
    let allowed = allow::listed(service, users.or(groups));
    let is_file = endpoint.path().is_some();
    let pointless = [own.mode.as_ref().map(|(at, _)| at), own.group.as_ref().map(|(at, _)| at)];
    for at in pointless.into_iter().flatten().filter(|_| !is_file) {
        let text = format!("{endpoint} is not a file, and has no mode or group; leave them out");
        builder.faults.push(Diagnostic { at: *at, text });
    }
    if allowed.is_some()
        && let Some(instead) = instead_of_list(service, &endpoint)
    {
        builder.faults.push(Diagnostic { at, text: format!("{endpoint}: {instead}") });
    }
    let is_on_network = is_on_network(&endpoint);
    if let Some((at, _)) =
        own.networks.as_ref().filter(|(_, networks)| !is_on_network && !networks.is_empty())
    {
        let text = format!(
            "{endpoint}: its clients have no network address; use allow_users and allow_groups instead of allow_addresses"
        );
        builder.faults.push(Diagnostic { at: *at, text });
    }
    let networks =
        own.networks.map_or_else(|| service_builder.settings.networks.clone(), |(_, networks)| networks);
    let allowed = if is_on_network { Allowed::from_networks(networks, names) } else { allowed };
    Listen {
        endpoint,
        service,
        mode: own.mode.map_or(service_builder.mode, |(_, mode)| mode),
        is_group_given: own.group.is_some() || service_builder.is_group_given,
        group: own.group.map_or_else(|| service_builder.group.clone(), |(_, group)| group),
        allowed,
        position,
    }
}

/// The error about an endpoint that has an address or file in common with an earlier one.
fn conflict(listen: &Listen, first: &Listen) -> String {
    let (shown, first_shown) = (listen.endpoint.to_string(), first.endpoint.to_string());
    let what = if shown == first_shown {
        format!("{shown} is already at {}", first.position)
    } else {
        format!("{shown} conflicts with {first_shown} at {}", first.position)
    };
    format!("{what}; remove one or choose another place")
}

/// Whether clients of the endpoint have an address.
fn is_on_network(endpoint: &Endpoint) -> bool {
    endpoint.network().is_some()
}

/// A list of networks that restricts nothing is an error, because its author relies on it.
pub(super) fn check_networks(builder: &mut Builder) {
    if builder.unclear.contains("listen") {
        return;
    }
    let on_network = |service: Service| {
        builder.listens.iter().any(|listen| listen.service == service && is_on_network(&listen.endpoint))
    };
    let mux = on_network(Service::Mux);
    let pointless = Service::ALL.into_iter().filter(|service| !mux && !on_network(*service));
    let all =
        pointless.filter_map(|service| Some((service, builder.services[service as usize].networks_at?)));
    for (service, at) in all.collect::<Vec<_>>() {
        let text = format!(
            "allow_addresses: neither [{service}] nor [mux] has a network endpoint; leave it out, or add one, for example tcp://0.0.0.0:PORT"
        );
        builder.faults.push(Diagnostic { at, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::engine::message::RemoteAddress;

    fn parse(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(Path::new("f"), text).map_err(|errors| errors.iter().cloned().collect())
    }

    #[track_caller]
    fn config(text: &str) -> Config {
        parse(text).unwrap_or_else(|errors| panic!("{}", errors.join("\n")))
    }

    #[track_caller]
    fn error(text: &str, expected: &str) {
        assert_eq!(parse(text).expect_err(text), [expected], "{text}");
    }

    fn lets_in(listen: &Listen, uid: u32, gid: u32) -> bool {
        let remote = RemoteAddress::Process { uid, gid, pid: 1 };
        listen.allowed.as_ref().is_none_or(|allowed| allowed.refuses(remote, 990).is_none())
    }

    #[test]
    fn endpoint_has_its_services_list_unless_it_has_its_own() {
        let config = config(
            "[multiply]\nallow_users = [1000]\nallow_groups = [70000]\nmode = \"0600\"\nlisten = [\"unix:///a\", \
             { endpoint = \"unixseq:///b\", allow_users = [1001, \"root\"], mode = \"0666\", group = \"g\" }, \
             { endpoint = \"unixgram:///c\", allow_groups = [], allow_users = [] }, \
             { endpoint = \"tcp://localhost:1\", allow_users = [], allow_groups = [] }]\n",
        );
        let who = [(1000, 7), (1001, 7), (7, 70000), (7, 7)];
        for (listen, let_in, mode, group, at) in [
            (&config.listens[0], [true, false, true, false], 0o600, "ipcd", "f:5:11"),
            (&config.listens[1], [false, true, true, false], 0o666, "g", "f:5:37"),
            (&config.listens[2], [true; 4], 0o600, "ipcd", "f:5:126"),
            (&config.listens[3], [true; 4], 0o600, "ipcd", "f:5:195"),
        ] {
            assert_eq!(who.map(|(uid, gid)| lets_in(listen, uid, gid)), let_in, "{}", listen.endpoint);
            assert_eq!((listen.mode, listen.group.as_str(), listen.position.as_str()), (mode, group, at));
            assert!(lets_in(listen, 0, 7) && lets_in(listen, 990, 7), "root and the daemon's own user");
        }
    }

    #[test]
    fn invalid_list_is_reported_at_its_place_and_admits_nobody() {
        let begin = "[chat]\nlisten = [\"unix:///a\"]\n";
        error(
            &format!("{begin}allow_users = [\"root\", \"no such\\tuser\"]\n"),
            "f:3:24: a user must be a name in quotes or a number, for example \"root\" or 1000",
        );
        error(
            &format!("{begin}allow_users = [\"root\", \"nosuchuser\"]\n"),
            "f:3:24: there is no user \"nosuchuser\"; name one that exists, or write its number without quotes",
        );
        error(
            &format!("{begin}allow_groups = [\"root\", \"nosuchgroup\"]\n"),
            "f:3:25: there is no group \"nosuchgroup\"; name one that exists, or write its number without quotes",
        );
        for wrong in ["-1", "4294967295", "1.5", "[]", "\"\"", "\"a:b\""] {
            error(
                &format!("{begin}allow_users = [{wrong}]\n"),
                "f:3:16: a user must be a name in quotes or a number, for example \"root\" or 1000",
            );
        }
        error(
            &format!("{begin}allow_groups = \"root\"\n"),
            "f:3:16: allow_groups is \"root\"; it must be a list of groups, names in quotes or numbers, for example [\"root\", 1000]",
        );
        let many = vec!["1"; 257].join(",");
        let error = parse(&format!("{begin}allow_users = [{many}]\n")).expect_err("too many").concat();
        assert!(
            error.ends_with("it must be a list of at most 256 users; name a group of them in allow_groups"),
            "{error}"
        );
    }

    #[test]
    fn list_without_verified_users_is_refused_with_an_alternative() {
        for (endpoint, instead) in [
            ("tcp://localhost:1", "the network carries no user identity; use an address"),
            ("udp://localhost:1", "the network carries no user identity; use an address"),
            ("fifo:///a", "it does not identify its writers; use mode and group"),
        ] {
            for text in [
                format!("[multiply]\nlisten = [\"{endpoint}\", \"unix:///b\"]\nallow_users = [\"root\"]\n"),
                format!("[multiply]\nlisten = [{{endpoint=\"{endpoint}\", allow_groups = [5]}}]\n"),
            ] {
                let errors = parse(&text).expect_err(&text);
                assert_eq!(errors.len(), 1, "{errors:?}");
                assert!(
                    errors[0].starts_with("f:2:") && errors[0].contains(&format!("{endpoint}: {instead}"))
                );
            }
        }
    }

    #[test]
    fn endpoint_table_is_as_strict_as_any_other() {
        for (table, expected) in [
            ("{ endpont = \"unix:///a\" }", "f:2:13: unknown key \"endpont\"; did you mean \"endpoint\"?"),
            (
                "{ endpoint = \"unix:///a\", colour = 1 }",
                "f:2:37: unknown key \"colour\"; known keys of an endpoint: endpoint, mode, group, allow_users, allow_groups",
            ),
            (
                "{ endpoint = 5 }",
                "f:2:24: endpoint is 5; an endpoint must be a string, for example \"tcp://localhost:65432\"",
            ),
            ("{ endpoint = \"tcp://localhost\" }", "f:2:24: tcp://localhost: a port is missing"),
            (
                "{ endpoint = \"unix:///a\", mode = 0o660 }",
                "f:2:44: mode is 0o660; it must be a string of octal digits, \"0000\" to \"0777\", for example \"0660\"",
            ),
            (
                "{ endpoint = \"tcp://localhost:1\", mode = \"0600\" }",
                "f:2:52: tcp://localhost:1 is not a file, and has no mode or group; leave them out",
            ),
            (
                "{ mode = \"0600\" }",
                "f:2:11: the key \"endpoint\" is missing; add it, for example { endpoint = \"unix:///run/ipcd/multiply.sock\", allow_users = [\"root\"] }",
            ),
        ] {
            let text = format!("[multiply]\nlisten = [{table}]\n");
            let errors = parse(&text).expect_err(&text);
            assert_eq!(errors.len(), 1, "{errors:?}");
            let told = errors[0].starts_with(expected.split(" a port").next().unwrap());
            assert!(told, "{errors:?}, not {expected}");
        }
    }
}
