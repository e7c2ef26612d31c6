#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::records::changed_records_never_say_what_was_not_said(
    bytes
));
