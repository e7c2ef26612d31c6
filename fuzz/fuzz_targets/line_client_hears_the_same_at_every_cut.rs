#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::line_client_hears_the_same_at_every_cut(
    bytes
));
