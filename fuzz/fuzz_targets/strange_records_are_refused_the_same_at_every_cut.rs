#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claims::records::strange_records_are_refused_the_same_at_every_cut(bytes)
});
