#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::forms::what_is_encoded_is_decoded_to_the_same(bytes));
