//! SQL as text: quoting, and the statements that are made per table from templates.

use serde::Serialize;
use snapshot_format::ColumnType;
use tera::{Context, Tera};

use super::lineage::GIVE_LINEAGE;
use crate::guard::Identity;
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

fn qualified_name(namespace: &str, name: &str) -> String {
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

/// A migration that installs what `tables` lack: `reference_metadata`, its trigger
/// function, and the triggers. A database without an `identity` gets a lineage too.
///
/// There is one function for all. Where a table of the schema `has_parts`, it counts their
/// changes too: also when all that is printed now is another table's.
pub fn missing_triggers_sql(
    tables: &[&Table],
    has_parts: bool,
    identity: Option<&Identity>,
) -> String {
    #[derive(Serialize)]
    struct Triggers {
        schema: String,
        schema_literal: String,
        has_parts: bool,
        give_lineage: Option<&'static str>,
        tables: Vec<Missing>,
        parts: Vec<Missing>,
    }
    #[derive(Serialize, PartialEq)]
    struct Missing {
        name: String,
        literal: String,
        events: Vec<&'static str>,
    }
    let namespace = tables
        .first()
        .map_or("public", |table| table.namespace.as_str());
    let mut context = Triggers {
        schema: identifier(namespace),
        schema_literal: literal(namespace),
        has_parts,
        give_lineage: identity.is_none().then(|| GIVE_LINEAGE.trim_start()),
        tables: tables
            .iter()
            .map(|table| Missing {
                name: qualified(table),
                literal: literal(&table.name),
                events: table.missing_triggers.clone(),
            })
            .collect(),
        parts: Vec::new(),
    };
    // A table may be a part of several.
    for part in tables.iter().flat_map(|table| &table.untracked_parts) {
        let missing = Missing {
            name: qualified_name(&part.namespace, &part.name),
            literal: literal(&part.name),
            events: part.missing_triggers.clone(),
        };
        if !part.is_foreign && !context.parts.contains(&missing) {
            context.parts.push(missing);
        }
    }
    render("triggers.sql", &context)
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
