#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::no_member_speaks_as_the_room(bytes));
