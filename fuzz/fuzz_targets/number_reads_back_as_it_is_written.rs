#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::texts::number_reads_back_as_it_is_written(bytes));
