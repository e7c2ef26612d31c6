#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::houses::server_is_heard_the_same_at_every_cut(bytes));
