#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::forms::no_beginning_leaves_a_client_without_a_deadline(
    bytes
));
