//! Our reader of JSON against another.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each target takes one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::json_is_read_as_serde_json_reads_it(bytes));
