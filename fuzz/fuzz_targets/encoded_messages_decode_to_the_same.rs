#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::forms::encoded_messages_decode_to_the_same(bytes));
