//! Sentences and tables of the documentation that list the services list all of them.

use super::{IPCD, IPCD_TOML, PROTOCOL};
use ipcd::engine::service::Service;

/// The services in a list such as "multiply, greeting, and mux".
fn listed(text: &str) -> Vec<&str> {
    text.split([',', ' ', '\n']).filter(|word| !word.is_empty() && *word != "and").collect()
}

/// All services, with mux at the end.
fn all() -> Vec<&'static str> {
    let others = Service::ALL.into_iter().filter(|service| *service != Service::Mux);
    names(others.chain([Service::Mux]))
}

fn names(services: impl Iterator<Item = Service>) -> Vec<&'static str> {
    services.map(Service::name).collect()
}

/// The text between two others.
#[track_caller]
fn between<'t>(text: &'t str, before: &str, behind: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before} is not there"));
    rest.split_once(behind).unwrap_or_else(|| panic!("{behind} is not there")).0
}

#[test]
fn descriptions_in_the_manual_name_every_service() {
    assert_eq!(listed(between(PROTOCOL, "Unix stream sockets: ", ".\n")), all(), "ipcd-protocol(7)");
    assert_eq!(listed(between(IPCD, "of a networking course: ", ".\n")), all(), "ipcd(8)");
}

#[test]
fn default_of_the_mux_can_be_every_other_service() {
    let text = between(IPCD_TOML, "that names no service, one of\n.Li ", " .\n");
    let quoted = text.replace("\\(dq", "");
    assert_eq!(listed(&quoted), names(Service::offered()));
}

#[test]
fn readme_table_has_a_row_for_every_service() {
    let readme = include_str!("../../../README.md");
    let table = between(readme, "| service | where | what it does |\n|---|---|---|\n", "\n\n");
    let first = table.lines().filter_map(|row| row.split('|').nth(1));
    assert_eq!(first.flat_map(listed).collect::<Vec<_>>(), all());
}
