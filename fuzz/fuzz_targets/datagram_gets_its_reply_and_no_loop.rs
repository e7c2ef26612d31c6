#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::datagram_gets_its_reply_and_no_loop(bytes));
