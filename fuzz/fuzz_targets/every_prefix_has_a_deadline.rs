#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::forms::every_prefix_has_a_deadline(bytes));
