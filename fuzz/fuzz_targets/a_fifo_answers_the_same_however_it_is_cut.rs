#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::a_fifo_answers_the_same_however_it_is_cut(bytes));
