#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::json_means_the_same_and_no_terminal_obeys_it(bytes));
