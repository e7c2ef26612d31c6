#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::control_characters_are_removed(bytes));
