#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::escaped_json_keeps_its_meaning(bytes));
