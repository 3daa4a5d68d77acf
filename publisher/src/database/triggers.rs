//! The triggers that count changes, for tables that lack them.

use serde::Serialize;

use super::lineage::GIVE_LINEAGE;
use super::sql::{identifier, literal, qualified, qualified_name, render};
use crate::guard::Identity;
use crate::schema::Table;

/// A migration that installs what `tables` lack: `reference_metadata`, its trigger
/// function, and the triggers. A database without an `identity` gets a lineage too.
///
/// There is one function for all. Where a table of the schema `has_parts`, it counts their
/// changes too: also when all that is printed now is another table's.
pub(crate) fn missing_triggers_sql(
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
