//! Every configuration key has its effect: for each key, and each service in whose table it may be, a scene that ends differently
//! with it. A key or service that is missing here fails by name.

mod page;
mod scenes;
mod stage;

use std::collections::BTreeSet;
use std::path::Path;

use ipcd::config::{self, Config};
use ipcd::engine::service::Service;

use scenes::{SCENES, Scene};
use stage::Stage;

/// The services for which a scene runs, for a key in the table of that name; under `[limits]`, all of them.
fn cast(scene: &Scene, table: &str) -> Vec<Service> {
    let may_have = |service: &Service| config::keys().contains(&(service.name(), scene.key));
    match Service::named(table) {
        Some(service) => vec![service],
        None if table == "limits" && Service::ALL.iter().any(may_have) => Service::ALL
            .into_iter()
            .filter(|service| may_have(service) && *service != Service::Page)
            .collect(),
        None => vec![Service::Multiply],
    }
}

/// Why the key has no meaning for the service, if it has none: the configuration warns about it.
fn without_effect(key: &str, service: Service) -> Option<&'static str> {
    config::without_effect(key, service)
}

/// Whether this build knows an endpoint on which the key has an effect: names need TLS.
fn is_playable(key: &str) -> bool {
    cfg!(feature = "tls") || key != "allow_names"
}

#[test]
fn each_key_takes_effect_in_every_table_that_allows_it() {
    let mut played = BTreeSet::new();
    for (table, key) in config::keys().into_iter().filter(|(_, key)| is_playable(key)) {
        let scenes: Vec<&Scene> =
            SCENES.iter().filter(|scene| scene.key == key && scene.is_of(table)).collect();
        assert!(!scenes.is_empty(), "no scene for {key} under [{table}]");
        for scene in scenes {
            for service in cast(scene, table) {
                if without_effect(key, service).is_some() {
                    continue;
                }
                let play = |value: &str| {
                    let lines = format!("{key} = {value}\n{}", scene.beside);
                    let lines = if value.is_empty() { scene.beside.to_owned() } else { lines };
                    let mut stage = Stage::new(table, &lines);
                    (scene.play)(&mut stage, service)
                };
                let (without, with) = (play(scene.without), play(scene.with));
                let place = format!("{key} under [{table}], as {service} shows it");
                assert_ne!(without, with, "{place}: nothing is different");
                let sign = scene.sign;
                assert!(with.contains(sign), "{place}: {with:?} has no {sign:?}");
                assert!(sign.is_empty() || !without.contains(sign), "{place}: {without:?}");
                played.insert((table, key));
            }
        }
    }
    // Every key was tested under [limits] and in the table of at least one service.
    let unplayed = config::keys().into_iter().filter(|place| is_playable(place.1) && !played.contains(place));
    for (table, key) in unplayed {
        let service = Service::named(table).expect(table);
        assert!(without_effect(key, service).is_some(), "{key} under [{table}]");
    }
    for scene in SCENES.iter().filter(|scene| is_playable(scene.key)) {
        assert!(played.iter().any(|(_, key)| *key == scene.key), "{} is no key", scene.key);
    }
}

#[test]
fn meaningless_key_of_a_service_is_named_with_its_place() {
    let mut named = 0;
    for (table, key) in config::keys() {
        let service = Service::named(table);
        let why = service.and_then(|service| without_effect(key, service));
        let value = SCENES.iter().find(|scene| scene.key == key && scene.is_of(table)).expect(key).with;
        if value.is_empty() || key.starts_with("allow_") || key == "client_crl" {
            continue;
        }
        let text = format!("[{table}]\n{key} = {value}\n");
        let listen = match service {
            Some(service) if key != "listen" => stage::listening(service),
            Some(_) => String::new(),
            None => format!("[multiply]\n{}", stage::listening(Service::Multiply)),
        };
        let config = Config::parse(Path::new("f"), &format!("{text}{listen}"))
            .unwrap_or_else(|errors| panic!("{errors}"));
        let expected =
            why.map(|why| format!("f:2:1: {key} has no effect under [{table}]: {why}; leave it out"));
        assert_eq!(config.without_effect, Vec::from_iter(expected.clone()));
        named += usize::from(expected.is_some());
    }
    assert!(named >= 7, "{named}");
}
