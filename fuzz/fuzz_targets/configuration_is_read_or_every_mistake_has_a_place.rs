#![no_main]

libfuzzer_sys::fuzz_target!(
    |bytes: &[u8]| claims::texts::configuration_is_read_or_every_mistake_has_a_place(bytes)
);
