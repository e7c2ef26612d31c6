#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claims::forms::message_of_any_length_gets_one_reply_between_two_others(bytes)
});
