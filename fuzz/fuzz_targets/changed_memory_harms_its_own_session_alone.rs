#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::memory::changed_memory_harms_its_own_session_alone(bytes));
