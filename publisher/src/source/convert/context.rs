//! What every conversion takes and gives.

use snapshot_format::json::Value;
use snapshot_format::number::NumberError;

/// Without a value it says why there is none.
pub(in crate::source) type Converted = Result<(), String>;

/// What a conversion needs beside the value.
pub(in crate::source) struct Context<'c> {
    /// Whether the column is published as text.
    pub(in crate::source) as_text: bool,
    /// Room for JSON in its canonical form.
    pub(in crate::source) canonical: &'c mut Vec<u8>,
}

/// Appends text that needs no change.
pub(super) fn push(out: &mut String, text: &str) -> Converted {
    out.push_str(text);
    Ok(())
}

/// A value, as a message names it.
pub(super) fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Number(text) => format!("the number {text}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        Value::Bool(value) => value.to_string(),
        other => other.kind().to_owned(),
    }
}

/// Why a number or a JSON value cannot be published as it is.
pub(super) fn unpublishable(text: &str, error: NumberError) -> String {
    format!("{text} {error}; name the column in as_text to publish it as a string")
}
