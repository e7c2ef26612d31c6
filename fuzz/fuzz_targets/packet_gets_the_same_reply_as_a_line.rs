#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::conversations::packet_gets_the_same_reply_as_a_line(
    bytes
));
