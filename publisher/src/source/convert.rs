//! One value of a file as PostgreSQL's text of its column's type, or why it has none.

mod array;
mod context;
mod number;
mod scalar;
mod time;

use snapshot_format::ColumnType;
use snapshot_format::json::Value;

pub(super) use context::{Context, Converted};
pub(super) use number::number_key;

/// Appends the value's text for the column, or says why it has none.
pub(super) fn convert(
    kind: &ColumnType,
    value: &Value<'_>,
    raw: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    match (kind, value) {
        (ColumnType::Array(element), Value::Array(raw)) => {
            array::convert_array(element, raw, context, out)
        }
        (ColumnType::Array(_), _) => Err(format!(
            "expected an array, found {}",
            context::describe(value)
        )),
        _ => scalar::convert(kind, value, raw, context, out),
    }
}
