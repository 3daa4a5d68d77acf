//! `interval` in PostgreSQL's binary format.

use snapshot_format::{Interval, canonical};

use super::error::ValueError;

/// Appends an interval as JSON. The bytes are microseconds, days and months.
/// Source: PostgreSQL's src/backend/utils/adt/timestamp.c, interval_send.
pub(super) fn write(value: [u8; 16], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let bits = u128::from_be_bytes(value);
    let interval = Interval {
        microseconds: (bits >> 64) as i64,
        days: (bits >> 32) as i32,
        months: bits as i32,
    };
    // What these bytes mean since PostgreSQL 17.
    match (interval.microseconds, interval.days, interval.months) {
        (i64::MAX, i32::MAX, i32::MAX) => return Err(ValueError::Endless("infinity")),
        (i64::MIN, i32::MIN, i32::MIN) => return Err(ValueError::Endless("-infinity")),
        _ => canonical::write_string(&interval.to_string(), out),
    }
    Ok(())
}
