//! What a schema is made of, and in what two of them differ.

use std::collections::BTreeMap;

/// Each object of a schema, such as `column grips.label`, with its definition in
/// PostgreSQL's own words.
pub(crate) type Shape = BTreeMap<String, String>;

/// What `actual` has more, less, or other than `expected`; a line for each object.
///
/// What belongs to a table that is missing, or that is too many, is not said besides.
pub(crate) fn differences(expected: &Shape, actual: &Shape) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, definition) in expected {
        match actual.get(name) {
            Some(found) if found == definition => {}
            Some(found) if is_short(found) && is_short(definition) => lines.push(format!(
                "{name} is `{found}`, and by the migrations `{definition}`"
            )),
            Some(_) => lines.push(format!("{name} is another than the migrations make")),
            None if whole_table(name, actual) => lines.push(format!("{name} is missing")),
            None => {}
        }
    }
    for name in actual.keys() {
        if !expected.contains_key(name) && whole_table(name, expected) {
            lines.push(format!("{name} is in no migration"));
        }
    }
    lines
}

// Whether a definition fits into a line; a function's body does not.
fn is_short(definition: &str) -> bool {
    definition.len() <= 120 && !definition.contains('\n')
}

// Whether the table that an object belongs to is there, or it belongs to none.
fn whole_table(name: &str, shape: &Shape) -> bool {
    let Some((kind, rest)) = name.split_once(' ') else {
        return true;
    };
    match (kind, rest.split_once('.')) {
        ("column" | "constraint" | "index" | "trigger" | "policy", Some((table, _))) => {
            shape.contains_key(&format!("table {table}"))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(objects: &[(&str, &str)]) -> Shape {
        let owned = |(name, definition): &(&str, &str)| (name.to_string(), definition.to_string());
        objects.iter().map(owned).collect()
    }

    #[test]
    fn equal_shapes_have_no_difference() {
        let one = shape(&[("table grips", "ordinary"), ("column grips.id", "text")]);
        assert!(differences(&one, &one).is_empty());
    }

    #[test]
    fn what_is_other_missing_or_too_many_is_a_line_each() {
        let expected = shape(&[
            ("table grips", "ordinary"),
            ("column grips.id", "text"),
            ("index grips.by_order", "btree (sort_order)"),
        ]);
        let actual = shape(&[
            ("table grips", "ordinary"),
            ("column grips.id", "integer"),
            ("trigger grips.mine", "AFTER UPDATE"),
        ]);
        assert_eq!(
            differences(&expected, &actual),
            [
                "column grips.id is `integer`, and by the migrations `text`",
                "index grips.by_order is missing",
                "trigger grips.mine is in no migration",
            ]
        );
    }

    #[test]
    fn a_table_that_is_missing_is_said_once_and_not_with_its_columns() {
        let full = shape(&[("table grips", "ordinary"), ("column grips.id", "text")]);
        let empty = Shape::new();
        assert_eq!(differences(&full, &empty), ["table grips is missing"]);
        assert_eq!(
            differences(&empty, &full),
            ["table grips is in no migration"]
        );
    }
}
