#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::a_record_is_refused_or_gone_on_with(bytes));
