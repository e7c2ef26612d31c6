#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::whatever_a_daemon_reports_its_status_is_tables(bytes));
