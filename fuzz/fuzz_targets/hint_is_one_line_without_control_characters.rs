#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::hint_is_one_line_without_control_characters(bytes));
