//! SQL as text: quoting, and the statements that are made per table from templates.

use serde::Serialize;
use snapshot_format::ColumnType;
use tera::{Context, Tera};

use crate::schema::{Column, Table};

/// A name as SQL writes it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string as SQL writes it, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A table's name with its schema.
pub(super) fn qualified(table: &Table) -> String {
    qualified_name(&table.namespace, &table.name)
}

pub(super) fn qualified_name(namespace: &str, name: &str) -> String {
    format!("{}.{}", identifier(namespace), identifier(name))
}

/// A column's value as it orders rows: by bytes, not by locale, for two machines must agree
/// on the order.
pub(super) fn in_byte_order(column: &Column, value: &str) -> String {
    match &column.kind {
        // As it is published: whoever knows the manifest alone sees strings.
        _ if column.as_text => format!("{value}::text COLLATE \"C\""),
        ColumnType::Citext | ColumnType::Enum { .. } => format!("{value}::text COLLATE \"C\""),
        ColumnType::Text(_) | ColumnType::Character(_) => format!("{value} COLLATE \"C\""),
        ColumnType::Array(element) if element.is_text() => format!("{value} COLLATE \"C\""),
        // Its published string: inet::text would add the prefix of a whole address.
        kind if kind.is_ordered_by_string() => {
            format!("(pg_catalog.to_json({value}) #>> '{{}}') COLLATE \"C\"")
        }
        _ => value.to_owned(),
    }
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

const TEMPLATES: [(&str, &str); 9] = templates![
    "stage.sql",
    "sides.sql",
    "plan.sql",
    "planned_rows.sql",
    "update.sql",
    "insert.sql",
    "deactivate.sql",
    "rows.sql",
    "triggers.sql",
];

/// Renders one of the statements in `templates/`.
pub(super) fn render(template: &str, context: &impl Serialize) -> String {
    thread_local! {
        static TERA: Tera = compiled();
    }
    let context = Context::from_serialize(context).expect("a context is an object");
    TERA.with(|tera| tera.render(template, &context))
        .expect("the templates are compiled in")
}

fn compiled() -> Tera {
    let mut tera = Tera::default();
    tera.add_raw_templates(TEMPLATES)
        .expect("the templates are compiled in");
    // SQL is quoted by `identifier` and `literal`, not escaped as HTML.
    tera.autoescape_on(Vec::new());
    tera
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_cannot_break_out() {
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }

    #[test]
    fn every_template_compiles() {
        assert_eq!(compiled().get_template_names().count(), TEMPLATES.len());
    }
}
