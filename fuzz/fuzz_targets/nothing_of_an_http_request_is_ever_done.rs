#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::nothing_of_an_http_request_is_ever_done(bytes));
