//! What a table's columns promise its readers.

use snapshot_format::{ColumnType, TableEntry};

/// What readers of the old shape would stumble over: another column, or type, or key, or a
/// null where there was none. A wider type of the same form in JSON is none of it.
pub(super) fn broken_promises(old: &TableEntry, new: &TableEntry) -> Vec<String> {
    let mut broken = Vec::new();
    for (column, was) in &old.columns {
        match new.columns.get(column) {
            None => broken.push(format!("column {column:?} would be gone")),
            Some(is) if is_retyped(was, is) => {
                broken.push(format!("column {column:?} would be {is} instead of {was}"));
            }
            Some(_) => {}
        }
    }
    if old.primary_key != new.primary_key {
        let key = |entry: &TableEntry| entry.primary_key.join(", ");
        broken.push(format!(
            "its primary key would be ({}) instead of ({})",
            key(new),
            key(old)
        ));
    }
    broken
}

pub(super) fn is_retyped(was: &str, is: &str) -> bool {
    let ((old, old_nullable), (new, new_nullable)) = (ColumnType::of(was), ColumnType::of(is));
    !new.is_read_as(&old) || (new_nullable && !old_nullable)
}
