#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::engine_keeps_its_bounds_and_ends(bytes));
