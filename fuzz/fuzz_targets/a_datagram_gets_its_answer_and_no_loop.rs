#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::a_datagram_gets_its_answer_and_no_loop(bytes));
