#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::name_is_its_own_normal_form(bytes));
