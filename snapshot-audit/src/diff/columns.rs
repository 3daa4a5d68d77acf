//! What differs between two states of one row.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use snapshot_format::json::Member;

use super::join::{DiffError, members};

/// A column with another value.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnChange {
    /// The column that differs, by its name in the manifest.
    pub column: String,
    /// The value that was there.
    pub from: Box<RawValue>,
    /// The value that is there.
    pub to: Box<RawValue>,
    /// Where both are objects or arrays, what differs within them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<PointerChange>,
}

/// A place within a JSON value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PointerChange {
    /// The place, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was there; `None` where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What is there; `None` where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// The columns that both rows have and that differ, in order of name.
///
/// # Errors
/// [`DiffError::Row`] where one of them is no object.
pub fn changed_columns(from: &str, to: &str) -> Result<Vec<ColumnChange>, DiffError> {
    let from = members(from)?;
    let mut changes = Vec::new();
    for new in members(to)? {
        let old = from.iter().find(|old| old.key == new.key);
        if let Some(old) = old.filter(|old| old.raw != new.raw) {
            changes.push(change(old, &new)?);
        }
    }
    Ok(changes)
}

fn change(old: &Member<'_>, new: &Member<'_>) -> Result<ColumnChange, DiffError> {
    let (from, to) = (raw_value(old.raw)?, raw_value(new.raw)?);
    Ok(ColumnChange::of(new.key.to_string(), from, to))
}

impl ColumnChange {
    /// From one value to another.
    pub fn of(column: String, from: Box<RawValue>, to: Box<RawValue>) -> Self {
        let mut within = Vec::new();
        let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
        if let (Some(from), Some(to)) = (value(&from), value(&to)) {
            compare(&from, &to, "", &mut within);
        }
        // The value as a whole says it better.
        within.retain(|change| !change.pointer.is_empty());
        Self {
            column,
            from,
            to,
            within,
        }
    }
}

/// A value as it is written.
pub(super) fn raw_value(raw: &str) -> Result<Box<RawValue>, DiffError> {
    RawValue::from_string(raw.to_owned()).map_err(|error| DiffError::Row(error.to_string()))
}

fn compare(from: &Value, to: &Value, pointer: &str, changes: &mut Vec<PointerChange>) {
    if from == to {
        return;
    }
    let mut below = |name: &str, from: Option<&Value>, to: Option<&Value>| {
        // RFC 6901 §3
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{pointer}/{name}");
        match (from, to) {
            (Some(from), Some(to)) => compare(from, to, &pointer, changes),
            (from, to) => changes.push(PointerChange {
                pointer,
                from: from.cloned(),
                to: to.cloned(),
            }),
        }
    };
    match (from, to) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, from) in old {
                below(name, Some(from), new.get(name));
            }
            for (name, to) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                below(name, None, Some(to));
            }
        }
        // Of another length, an element's place says little.
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (from, to)) in old.iter().zip(new).enumerate() {
                below(&index.to_string(), Some(from), Some(to));
            }
        }
        _ => changes.push(PointerChange {
            pointer: pointer.to_owned(),
            from: Some(from.clone()),
            to: Some(to.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_column_has_its_old_and_new_value() {
        let from = r#"{"gone":1,"id":"A","label":"Walk","level":1e-7}"#;
        let to = r#"{"id":"A","label":"Walking","level":null,"new":2}"#;
        let changes = changed_columns(from, to).expect("rows");
        assert_eq!(
            json!(changes),
            json!([
                {"column": "label", "from": "Walk", "to": "Walking"},
                {"column": "level", "from": 1e-7, "to": null},
            ])
        );
    }

    #[test]
    fn what_differs_within_a_value_has_a_pointer() {
        let from = r#"{"rules":{"a/b":1,"list":[1,{"x":1}],"old":true,"same":0}}"#;
        let to = r#"{"rules":{"a/b":2,"list":[1,{"x":2}],"new":[],"same":0}}"#;
        let changes = changed_columns(from, to).expect("rows");
        assert_eq!(
            json!(changes[0].within),
            json!([
                {"pointer": "/a~1b", "from": 1, "to": 2},
                {"pointer": "/list/1/x", "from": 1, "to": 2},
                {"pointer": "/old", "from": true},
                {"pointer": "/new", "to": []},
            ])
        );
        let changes = changed_columns(r#"{"list":[1]}"#, r#"{"list":[1,2]}"#).expect("rows");
        assert_eq!(changes[0].within, []);
    }
}
