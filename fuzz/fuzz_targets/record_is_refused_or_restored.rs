#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::record_is_refused_or_restored(bytes));
