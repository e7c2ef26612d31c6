#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::fifo_answers_the_same_at_every_cut(bytes));
