//! Claims about parsers of text: endpoints, numbers, configurations, names, reports, filters and hints.

use std::path::Path;

use ipcd::config::Config;
use ipcd::endpoint::Endpoint;
use ipcd::engine::diagnosis::form;
use ipcd::engine::limits::{REPORT_BYTES_MAX, STATS_LINE_BYTES_MAX};
use ipcd::engine::message::FramingMode;
use ipcd::engine::name::Name;
use ipcd::engine::service::stats::{self, Message, Report};
use ipcd::engine::service::{Service, watch};
use ipcd::engine::{diagnosis, json, number, text};

use super::is_obeyed;

pub fn endpoint_reads_back_as_it_is_written(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let written = endpoint.to_string();
            assert_eq!(written.parse::<Endpoint>().as_ref(), Ok(&endpoint), "{written}");
            assert!(!endpoint.resolve(Path::new("/run")).is_empty());
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

pub fn number_reads_back_as_it_is_written(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(value) = number::parse(text) else { return };
    let mut written = Vec::new();
    number::write(value, &mut written);
    let written = String::from_utf8(written).expect("digits");
    let again = number::parse(&written).unwrap_or_else(|| panic!("{written}"));
    assert!(again.to_bits() == value.to_bits() || (again.is_nan() && value.is_nan()), "{text:?}: {written}");
}

pub fn configuration_is_read_or_every_mistake_has_a_place(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Err(errors) = Config::parse(Path::new("f"), text) else { return };
    assert!(errors.iter().next().is_some());
    for (index, error) in errors.iter().enumerate() {
        if index == 100 && error.ends_with(" more errors; correct these first") {
            continue; // this was the last part
        }
        let place = error.strip_prefix("f:").unwrap_or_else(|| panic!("{error}"));
        assert!(place.starts_with(|c: char| c.is_ascii_digit()), "{error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

pub fn name_is_its_own_normal_form(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = Name::new(text) else { return };
    let again = Name::new(&name.shown).expect("a name is one");
    assert_eq!((&again.shown, &again.key), (&name.shown, &name.key));
}

/// Compares without the code that decides whether names look alike.
pub fn no_name_looks_like_room_words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = Name::new(text) else { return };
    let seen = |text: &str| unicode_security::skeleton(text).collect::<String>().to_lowercase();
    let small = |text: &str| seen(&text.to_lowercase());
    for reserved in ["Error", "In the room", "Commands", "you", "server", "system", "Server is shutting down"]
    {
        assert!(seen(&name.shown) != seen(reserved) && small(&name.shown) != small(reserved), "{text:?}");
    }
    for part in [" has joined the chat", " has left the chat"] {
        assert!(
            !seen(&name.shown).contains(&seen(part)) && !small(&name.shown).contains(&small(part)),
            "{text:?}"
        );
    }
    assert!(
        !name
            .shown
            .contains(|c: char| ":*(){}/".contains(c) || is_obeyed(c) || text::is_invisible(c) && c != ' ')
    );
}

pub fn control_characters_are_removed(bytes: &[u8]) {
    let quoted = text::quote(bytes);
    assert!(!quoted.chars().any(char::is_control), "{quoted:?}");
    let cleaned = text::clean(bytes);
    assert!(!cleaned.chars().any(is_obeyed), "{cleaned:?}");
}

/// JSON is printed as it came, parsed and written again, or refused if it is invalid.
pub fn escaped_json_keeps_its_meaning(bytes: &[u8]) {
    let said = String::from_utf8_lossy(bytes);
    let escaped = json::escape(&said);
    let is_harmless = |text: &str| !text.contains(|c| c != '\n' && text::is_invisible(c));
    assert!(is_harmless(&escaped), "{escaped:?}");
    let Ok(value) = serde_json::from_str::<serde_json::Value>(&said) else { return };
    let mut written = Vec::new();
    json::write(&mut written, &value);
    let written = String::from_utf8(written).expect("text");
    assert!(!written.contains('\n'), "{written:?}");
    for text in [&escaped, &*json::to_string(&value), &*json::to_string_pretty(&value), &*written] {
        assert!(is_harmless(text), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).ok().as_ref(), Some(&value), "{text:?}");
    }
}

pub fn report_reads_back_as_it_is_kept(bytes: &[u8]) {
    let report = match stats::read(bytes) {
        Ok(Message::Report(report)) => report,
        Ok(_) => return,
        Err(error) => {
            assert!(!error.chars().any(char::is_control), "{error:?}");
            return assert!(error.len() <= STATS_LINE_BYTES_MAX, "{error}");
        }
    };
    assert!(report.text.len() <= REPORT_BYTES_MAX && report.host.as_deref().is_none_or(text::is_host));
    assert!(!report.text.chars().any(text::is_invisible), "{:?}", report.text);
    let again = stats::read(report.text.as_bytes());
    assert_eq!(again, Ok(Message::Report(Report { host: None, ..report })));
}

pub fn watch_filter_is_read_or_gets_a_correction(bytes: &[u8]) {
    let is_clean = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    match watch::read(bytes) {
        Ok(filter) => {
            let shown = filter.to_string();
            assert!(is_clean(&shown), "{shown:?}");
            if shown.is_ascii() && !shown.contains('\\') {
                let again = watch::read(shown.as_bytes()).expect("a filter is one");
                assert_eq!(again.to_string(), shown);
            }
        }
        Err(error) => assert!(is_clean(&error), "{error:?}"),
    }
}

pub fn hint_is_one_line_without_control_characters(bytes: &[u8]) {
    let endpoints = [("tcp://[::1]:1".to_owned(), Service::Chat)];
    let context = diagnosis::Context { here: "tcp://[::1]:2", endpoints: &endpoints };
    let name = String::from_utf8_lossy(bytes);
    let hints = [
        diagnosis::of_request(bytes, context),
        diagnosis::of_name(&name, true, context),
        diagnosis::of_name(&name, false, context),
        diagnosis::of_stats_request(bytes, context),
        Some(diagnosis::of_unfinished(bytes)),
        Some(form::of_joined(2, bytes)),
        form::of_encoding(bytes),
        form::of_kind(FramingMode::C, bytes),
    ];
    for hint in hints.into_iter().flatten() {
        assert!(!hint.text.chars().any(char::is_control), "{:?}", hint.text);
    }
}
