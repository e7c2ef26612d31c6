#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claims::forms::known_kind_never_gets_another_kinds_form(bytes)
});
