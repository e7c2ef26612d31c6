#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::watch_filter_is_read_or_gets_a_correction(bytes));
