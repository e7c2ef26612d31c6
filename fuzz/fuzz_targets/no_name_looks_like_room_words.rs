#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::no_name_looks_like_room_words(bytes));
