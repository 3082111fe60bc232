#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| closecheck_fuzz::expectations::survives(bytes));
