#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::a_watchers_filter_is_read_or_told_what_would_be_right(
    bytes
));
