//! Random settings, often small ones. Every number that is shown in a sentence is a whole one.

use std::time::Duration;

use ipcd::engine::limits::{FramingRule, ServiceSettings, Settings};
use ipcd::engine::service::Service;

use super::random::Random;

/// No message of an ordinary peer is longer than the shortest limit, and an overlong one is longer than the longest limit.
pub const ORDINARY_MAX: usize = 64;
pub const OVERLONG: usize = 6000;

pub fn first(random: &mut Random) -> Settings {
    let mux_default = random.pick(&[Service::Multiply, Service::Multiply, Service::Chat, Service::Greeting]);
    let mut settings = Settings { mux_default, report_messages: random.percent(50), ..Settings::default() };
    for service in &mut settings.services {
        service.framing = random.pick(&[
            FramingRule::Auto,
            FramingRule::Auto,
            FramingRule::Auto,
            FramingRule::Auto,
            FramingRule::Line,
            FramingRule::Raw,
        ]);
    }
    vary(random, &mut settings);
    settings.services.iter_mut().for_each(|service| service.listening = true);
    settings
}

/// Changes all settings except the framing and the mux's default service, on which the peers' scripts rely.
pub fn vary(random: &mut Random, settings: &mut Settings) {
    let many = 10_000;
    settings.connections_max = random.pick(&[4, 8, 16, 24, many, many, many, many]);
    settings.connections_per_address_max = random.pick(&[0, 0, 0, 0, 0, 2, 6]);
    settings.chat_history = random.pick(&[0, 0, 1, 3, 20]);
    settings.chat_name_timeout = Duration::from_secs(random.pick(&[1, 10, 60]));
    settings.linger = Duration::from_millis(random.pick(&[1, 100, 2000, 2000, 60_000]));
    settings.send_timeout = Duration::from_secs(random.pick(&[1, 5, 60]));
    settings.refused_lingering_max = random.pick(&[0, 1, 3, 1024, 1024]);
    settings.machines_max = random.pick(&[1, 5, 256, 256]);
    settings.watchers_max = random.pick(&[1, 2, 16]);
    for service in &mut settings.services {
        *service = ServiceSettings {
            connections_max: random.pick(&[None, None, None, Some(2), Some(7)]),
            connections_per_address_max: random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 3]),
            message_bytes_max: random.pick(&[ORDINARY_MAX, 100, 1000, 4096]),
            backlog_bytes_max: random.pick(&[300, 1000, 4096, 20_000, 64 * 1024, 1024 * 1024]),
            first_message_timeout: random
                .pick(&[None, None, None, Some(1), Some(20)])
                .map(Duration::from_secs),
            idle_timeout: Duration::from_secs(random.pick(&[1, 5, 60, 300])),
            message_timeout: Duration::from_secs(random.pick(&[1, 5, 30])),
            raw_gap: Duration::from_millis(random.pick(&[1, 5, 20, 20, 200])),
            framing: service.framing,
            allowed: service.allowed.clone(),
            networks: service.networks.clone(),
            names: service.names.clone(),
            messages_per_second: random.pick(&[0, 0, 0, 0, 1, 7, 100]),
            listening: random.percent(90),
        };
    }
}
