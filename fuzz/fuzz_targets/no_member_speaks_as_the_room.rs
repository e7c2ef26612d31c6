#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::no_member_speaks_as_the_room(bytes));
