#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::escaped_json_keeps_its_meaning(bytes));
