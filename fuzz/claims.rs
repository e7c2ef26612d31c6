//! Claims about arbitrary input, one function for each. cargo-fuzz searches for input that breaks one;
//! `tests/engine/fuzz.rs` replays such input and the seeds.

use ipcd::engine::text;

#[path = "conversations.rs"]
pub mod conversations;
#[path = "forms.rs"]
pub mod forms;
#[cfg(feature = "nats")]
#[path = "houses.rs"]
pub mod houses;
#[path = "memory.rs"]
pub mod memory;
#[cfg(feature = "tls")]
#[path = "records.rs"]
pub mod records;
#[path = "services.rs"]
mod services;
#[path = "settle.rs"]
mod settle;
#[path = "stage.rs"]
mod stage;
#[path = "texts.rs"]
pub mod texts;
#[path = "web.rs"]
pub mod web;

// Parts of ipcctl, which is a program and not a library.
#[path = "../src/bin/ipcctl/watch/event.rs"]
#[allow(dead_code)]
mod event;
#[path = "../src/bin/ipcctl/layout.rs"]
mod layout;
#[path = "../src/bin/ipcctl/loop_latency.rs"]
mod loop_latency;
#[path = "../src/bin/ipcctl/tables.rs"]
mod tables;

/// A claim's name and function.
pub type Claim = (&'static str, fn(&[u8]));

/// Every claim. Each has a target of its name in `fuzz_targets` and its seeds in `seeds`.
pub const CLAIMS: &[Claim] = &[
    ("endpoint_reads_back_as_it_is_written", texts::endpoint_reads_back_as_it_is_written),
    ("number_reads_back_as_it_is_written", texts::number_reads_back_as_it_is_written),
    (
        "configuration_is_read_or_every_mistake_has_a_place",
        texts::configuration_is_read_or_every_mistake_has_a_place,
    ),
    ("name_is_its_own_normal_form", texts::name_is_its_own_normal_form),
    ("no_name_looks_like_room_words", texts::no_name_looks_like_room_words),
    ("no_member_speaks_as_the_room", conversations::no_member_speaks_as_the_room),
    ("control_characters_are_removed", texts::control_characters_are_removed),
    ("escaped_json_keeps_its_meaning", texts::escaped_json_keeps_its_meaning),
    ("line_client_hears_the_same_at_every_cut", conversations::line_client_hears_the_same_at_every_cut),
    ("engine_keeps_its_bounds_and_ends", conversations::engine_keeps_its_bounds_and_ends),
    ("datagram_gets_its_reply_and_no_loop", conversations::datagram_gets_its_reply_and_no_loop),
    ("report_reads_back_as_it_is_kept", texts::report_reads_back_as_it_is_kept),
    ("record_is_refused_or_restored", conversations::record_is_refused_or_restored),
    ("watch_filter_is_read_or_gets_a_correction", texts::watch_filter_is_read_or_gets_a_correction),
    ("hint_is_one_line_without_control_characters", texts::hint_is_one_line_without_control_characters),
    ("fifo_answers_the_same_at_every_cut", conversations::fifo_answers_the_same_at_every_cut),
    ("packet_gets_the_same_reply_as_a_line", conversations::packet_gets_the_same_reply_as_a_line),
    ("http_request_is_never_executed", conversations::http_request_is_never_executed),
    ("watch_prints_lines_whatever_the_daemon_sends", watch_prints_lines_whatever_the_daemon_sends),
    ("web_request_is_answered_the_same_at_every_cut", web::web_request_is_answered_the_same_at_every_cut),
    ("frames_are_answered_the_same_at_every_cut", web::frames_are_answered_the_same_at_every_cut),
    ("encoded_messages_decode_to_the_same", forms::encoded_messages_decode_to_the_same),
    ("every_prefix_has_a_deadline", forms::every_prefix_has_a_deadline),
    ("known_kind_never_gets_another_kinds_form", forms::known_kind_never_gets_another_kinds_form),
    (
        "message_of_any_length_gets_one_reply_between_two_others",
        forms::message_of_any_length_gets_one_reply_between_two_others,
    ),
    ("status_prints_tables_whatever_the_daemon_sends", status_prints_tables_whatever_the_daemon_sends),
    ("changed_memory_harms_its_own_session_alone", memory::changed_memory_harms_its_own_session_alone),
    #[cfg(feature = "nats")]
    ("server_is_heard_the_same_at_every_cut", houses::server_is_heard_the_same_at_every_cut),
    #[cfg(feature = "nats")]
    (
        "uplink_keeps_its_bounds_whatever_a_server_says",
        houses::uplink_keeps_its_bounds_whatever_a_server_says,
    ),
    #[cfg(feature = "tls")]
    (
        "strange_records_are_refused_the_same_at_every_cut",
        records::strange_records_are_refused_the_same_at_every_cut,
    ),
    #[cfg(feature = "tls")]
    ("changed_records_never_say_what_was_not_said", records::changed_records_never_say_what_was_not_said),
];

/// What `ipcctl watch` prints for a line. The daemon has removed control characters and escaped the text as JSON.
pub fn watch_prints_lines_whatever_the_daemon_sends(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n').map(text::clean) {
        let shown = match event::WatchLine::of(&line) {
            event::WatchLine::Seen(seen) => seen.line(),
            event::WatchLine::Watching { filter, .. } => filter,
            event::WatchLine::Error(error) => error,
            event::WatchLine::Missed(_) | event::WatchLine::Other => continue,
        };
        assert!(!shown.contains(is_obeyed), "{shown:?}");
    }
}

pub fn status_prints_tables_whatever_the_daemon_sends(bytes: &[u8]) {
    let Ok(report) = serde_json::from_str(&text::clean(bytes)) else { return };
    for width in [None, Some(0), Some(40)] {
        let shown = tables::show(&report, width);
        assert!(!shown.contains(|c| c != '\n' && is_obeyed(c)), "{shown:?}");
    }
}

/// Whether a terminal may obey this character instead of showing it.
fn is_obeyed(c: char) -> bool {
    c != '\t' && c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
