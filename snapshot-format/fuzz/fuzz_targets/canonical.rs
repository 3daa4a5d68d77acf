//! JSON texts and their canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each target takes one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::canonical_json_keeps_the_value(bytes));
