#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::http_request_is_never_executed(bytes));
