#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::no_control_character_comes_through(bytes));
