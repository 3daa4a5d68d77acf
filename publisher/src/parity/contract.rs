//! What is compared of a table, by the catalog or a manifest, and by the settings.

use std::collections::BTreeMap;

use snapshot_audit::parity::normalize::{ComparedColumn, Contract, Fill, Rule};
use snapshot_format::{ColumnType, IS_ACTIVE};

use crate::config::{Config, TableConfig};
use crate::schema::{Column, Fills, Table};

/// For a table of the catalog.
pub(super) fn of_table(table: &Table, config: &Config, fills: &Fills) -> Contract {
    let settings = config.table(table);
    let columns: Vec<ComparedColumn> = table
        .published()
        .map(|column| of_catalog(column, &settings, fills))
        .collect();
    of(columns, &table.primary_key_names(), config, &settings)
}

/// For a table of which only the manifest is known: nothing tells what the database would
/// have given.
pub(super) fn of_published(
    table: &str,
    types: &BTreeMap<String, String>,
    primary_key: &[String],
    config: &Config,
) -> Contract {
    let settings = config.tables.get(table).cloned().unwrap_or_default();
    let columns: Vec<ComparedColumn> = types
        .iter()
        .map(|(name, sql_type)| of_manifest(name, sql_type, &settings))
        .collect();
    of(columns, primary_key, config, &settings)
}

fn of(
    columns: Vec<ComparedColumn>,
    primary_key: &[String],
    config: &Config,
    settings: &TableConfig,
) -> Contract {
    let index = |name: &String| columns.iter().position(|column| column.name == *name);
    Contract {
        primary_key: primary_key.iter().filter_map(index).collect(),
        columns,
        note_prefix: config.note_prefix.clone(),
        ignored: settings.ignore_columns.clone(),
        map_key: settings.map_key.clone(),
        map_value: settings
            .map_value
            .clone()
            .unwrap_or_else(|| "value".to_owned()),
    }
}

fn of_catalog(column: &Column, settings: &TableConfig, fills: &Fills) -> ComparedColumn {
    let rule = Rule::of(&column.kind);
    let constant = || {
        fills
            .defaults
            .get(&column.name)
            .map(|json| rule.normal_form(json))
    };
    let missing = match (&column.default, column.name == IS_ACTIVE) {
        _ if column.generated => Fill::Open,
        // PostgreSQL's spelling of an array, which no file has.
        _ if column.as_text && matches!(rule, Rule::Array(_)) => Fill::Open,
        (None, true) => Fill::Default("true".to_owned()),
        (Some(_), true) => constant().map_or(Fill::Open, Fill::Default),
        (Some(_), false) if !column.nullable => constant().map_or(Fill::Open, Fill::Default),
        _ => Fill::Null,
    };
    // Part of the key it is not, since that is never null.
    let may_trigger = fills.by_trigger && column.nullable;
    ComparedColumn {
        as_text: column.as_text,
        missing,
        kept_if_unnamed: (column.default.is_some() || may_trigger) && column.name != IS_ACTIVE,
        ..of_rule(&column.name, rule, &column.published_type(), settings)
    }
}

fn of_manifest(name: &str, sql_type: &str, settings: &TableConfig) -> ComparedColumn {
    let (plain, missing) = match sql_type.strip_suffix('?') {
        Some(plain) => (plain, Fill::Null),
        None => (sql_type, Fill::Open),
    };
    let rule = Rule::of(&ColumnType::parse(plain));
    let is_active = name == IS_ACTIVE;
    ComparedColumn {
        missing: if is_active {
            Fill::Default("true".to_owned())
        } else {
            missing
        },
        kept_if_unnamed: !is_active,
        ..of_rule(name, rule, sql_type, settings)
    }
}

fn of_rule(name: &str, rule: Rule, sql_type: &str, settings: &TableConfig) -> ComparedColumn {
    let own = settings.parity.get(name).copied().unwrap_or_default();
    ComparedColumn {
        name: name.to_owned(),
        rule,
        as_text: false,
        missing: Fill::Null,
        kept_if_unnamed: false,
        sql_type: sql_type.to_owned(),
        trim: own.trim,
        empty_is_null: own.empty_is_null,
        set: own.set,
        null_words: settings.null_values.get(name).cloned().unwrap_or_default(),
    }
}
