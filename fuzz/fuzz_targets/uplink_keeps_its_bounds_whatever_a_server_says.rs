#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::houses::uplink_keeps_its_bounds_whatever_a_server_says(
    bytes
));
