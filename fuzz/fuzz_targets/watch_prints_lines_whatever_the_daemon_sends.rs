#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::watch_prints_lines_whatever_the_daemon_sends(bytes));
