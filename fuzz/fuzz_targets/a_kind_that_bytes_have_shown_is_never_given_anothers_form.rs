#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claims::forms::a_kind_that_bytes_have_shown_is_never_given_anothers_form(bytes)
});
