#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::web::frames_are_answered_the_same_at_every_cut(bytes));
