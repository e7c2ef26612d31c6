#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::whatever_a_daemon_says_a_watcher_shows_lines(bytes));
