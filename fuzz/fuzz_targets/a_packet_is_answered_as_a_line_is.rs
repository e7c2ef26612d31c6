#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::a_packet_is_answered_as_a_line_is(bytes));
