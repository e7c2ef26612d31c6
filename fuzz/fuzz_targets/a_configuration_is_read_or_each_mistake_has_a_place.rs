#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::a_configuration_is_read_or_each_mistake_has_a_place(
    bytes
));
