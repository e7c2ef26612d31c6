#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claims::forms::a_message_of_any_length_is_answered_once_between_two_others(bytes)
});
