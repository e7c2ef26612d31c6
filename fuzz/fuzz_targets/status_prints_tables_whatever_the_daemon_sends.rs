#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::status_prints_tables_whatever_the_daemon_sends(bytes));
