//! What an app's code may know of the tables: TypeScript, and JSON Schema.
//!
//! Both come from the catalog and say what the published JSON holds. A table's schema
//! fingerprint stands in them and in the manifest, so that an app can tell whether its
//! types are those of the snapshot that it reads.

use serde::Serialize;
use serde_json::{Map, Value, json};
use snapshot_format::{ColumnType, JsonForm, SchemaVersion, TableEntry};
use tera::{Context, Tera};

use crate::schema::{Column, Schema, Table};

const TEMPLATE: &str = include_str!("../templates/types.ts");
// The bound of every number that is published, docs/snapshot-format.md section 6.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// The tables' rows as TypeScript.
pub(crate) fn typescript(schema: &Schema) -> String {
    #[derive(Serialize)]
    struct Described<'t> {
        key: &'t str,
        name: String,
        primary_key: String,
        fingerprint: String,
        columns: Vec<DescribedColumn<'t>>,
    }
    #[derive(Serialize)]
    struct DescribedColumn<'t> {
        name: &'t str,
        sql_type: String,
        r#type: String,
    }
    fn describe(column: &Column) -> DescribedColumn<'_> {
        DescribedColumn {
            name: &column.name,
            sql_type: in_comment(&column.published_type()),
            r#type: typescript_of(column),
        }
    }
    let tables = schema.tables.iter().map(|table| Described {
        key: table.key.as_str(),
        name: in_comment(&table.name),
        primary_key: table.primary_key_names().join(", "),
        fingerprint: fingerprint(table),
        columns: table.published().map(describe).collect(),
    });
    let mut context = Context::new();
    context.insert("tables", &tables.collect::<Vec<_>>());
    Tera::one_off(TEMPLATE, &context, false).expect("the template is compiled in")
}

fn typescript_of(column: &Column) -> String {
    let plain = if column.as_text {
        "string".to_owned()
    } else {
        typescript_of_type(&column.kind)
    };
    // Any JSON value may be null already.
    if column.nullable && plain != "Json" {
        format!("{plain} | null")
    } else {
        plain
    }
}

fn typescript_of_type(column: &ColumnType) -> String {
    match column {
        ColumnType::Enum { labels, .. } => {
            let quoted = labels
                .iter()
                .map(|label| Value::from(label.as_str()).to_string());
            quoted.collect::<Vec<_>>().join(" | ")
        }
        // The catalog does not say of how many dimensions; nearly every array has one.
        ColumnType::Array(of) => match typescript_of_type(of) {
            json if json == "Json" => "readonly Json[]".to_owned(),
            plain => format!("readonly ({plain} | null)[]"),
        },
        other => match other.json_form() {
            JsonForm::Boolean => "boolean".to_owned(),
            JsonForm::Number => "number".to_owned(),
            JsonForm::String => "string".to_owned(),
            JsonForm::Any => "Json".to_owned(),
            JsonForm::Array => "readonly Json[]".to_owned(),
        },
    }
}

/// The `tables` of a bootstrap object as JSON Schema, draft 2020-12.
///
/// Tables and columns that it does not name are allowed: readers ignore them.
pub(crate) fn json_schema(schema: &Schema, version: SchemaVersion) -> Value {
    let tables: Map<String, Value> = schema
        .tables
        .iter()
        .map(|table| (table.key.to_string(), schema_of(table)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Reference tables",
        "description": format!("The tables of a bootstrap object, schema version {version}"),
        "type": "object",
        "required": tables.keys().collect::<Vec<_>>(),
        "properties": tables,
    })
}

fn schema_of(table: &Table) -> Value {
    let columns: Map<String, Value> = table
        .published()
        .map(|column| (column.name.clone(), schema_of_column(column)))
        .collect();
    json!({
        "description": table.name,
        "$comment": format!("schemaFingerprint {}", fingerprint(table)),
        "type": "array",
        "items": {
            "type": "object",
            "required": columns.keys().collect::<Vec<_>>(),
            "properties": columns,
        },
    })
}

fn schema_of_column(column: &Column) -> Value {
    let plain = if column.as_text {
        json!({"type": "string"})
    } else {
        schema_of_type(&column.kind)
    };
    if column.nullable {
        or_null(plain)
    } else {
        plain
    }
}

fn schema_of_type(column: &ColumnType) -> Value {
    let format = |name: &str| json!({"type": "string", "format": name});
    match column {
        ColumnType::SmallInt => integer(i16::MIN.into(), i16::MAX.into()),
        ColumnType::Integer => integer(i32::MIN.into(), i32::MAX.into()),
        ColumnType::BigInt => integer(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
        ColumnType::Text(Some(characters)) | ColumnType::Character(Some(characters)) => {
            json!({"type": "string", "maxLength": characters})
        }
        ColumnType::Uuid => format("uuid"),
        ColumnType::Date => format("date"),
        ColumnType::Timestamp | ColumnType::TimestampTz => format("date-time"),
        ColumnType::Bytea => json!({"type": "string", "contentEncoding": "base64"}),
        ColumnType::Enum { labels, .. } => json!({"type": "string", "enum": labels}),
        ColumnType::Array(of) => json!({"type": "array", "items": or_null(schema_of_type(of))}),
        other => match other.json_form() {
            JsonForm::Boolean => json!({"type": "boolean"}),
            JsonForm::Number => json!({"type": "number"}),
            JsonForm::String => json!({"type": "string"}),
            JsonForm::Any => json!({}),
            JsonForm::Array => json!({"type": "array"}),
        },
    }
}

fn integer(minimum: i64, maximum: i64) -> Value {
    json!({"type": "integer", "minimum": minimum, "maximum": maximum})
}

fn or_null(schema: Value) -> Value {
    if schema == json!({}) {
        schema
    } else {
        json!({"anyOf": [schema, {"type": "null"}]})
    }
}

fn fingerprint(table: &Table) -> String {
    TableEntry::fingerprint(&table.published_types(), &table.primary_key_names())
}

// A name in SQL may hold what ends a comment.
fn in_comment(text: &str) -> String {
    text.replace("*/", "* /")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn column(kind: ColumnType) -> Column {
        Column {
            name: "c".to_owned(),
            sql_type: "t".to_owned(),
            kind,
            nullable: false,
            default: None,
            generated: false,
            is_fixed: false,
            as_text: false,
        }
    }

    #[track_caller]
    fn check(column: &Column, typescript: &str, schema: Value) {
        assert_eq!(typescript_of(column), typescript);
        assert_eq!(schema_of_column(column), schema);
    }

    #[test]
    fn a_column_that_may_be_null_says_so() {
        let mut text = column(ColumnType::Text(Some(3)));
        text.nullable = true;
        let string = json!({"type": "string", "maxLength": 3});
        check(
            &text,
            "string | null",
            json!({"anyOf": [string, {"type": "null"}]}),
        );
        // JSON's own null is a value of jsonb.
        let mut json = column(ColumnType::Jsonb);
        json.nullable = true;
        check(&json, "Json", json!({}));
    }

    #[test]
    fn a_column_that_is_published_as_text_is_text() {
        let mut big = column(ColumnType::BigInt);
        let bounds = json!({
            "type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64,
        });
        check(&big, "number", bounds);
        big.as_text = true;
        check(&big, "string", json!({"type": "string"}));
    }

    #[test]
    fn an_enumeration_is_the_list_of_its_labels() {
        let name = "mood".to_owned();
        let labels = vec!["it's".to_owned(), "a \"b\"".to_owned()];
        check(
            &column(ColumnType::Enum { name, labels }),
            r#""it's" | "a \"b\"""#,
            json!({"type": "string", "enum": ["it's", "a \"b\""]}),
        );
    }

    #[test]
    fn an_element_of_an_array_may_be_null() {
        let array = |of| column(ColumnType::Array(Box::new(of)));
        let numbers =
            json!({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}});
        check(
            &array(ColumnType::Double),
            "readonly (number | null)[]",
            numbers,
        );
        check(
            &array(ColumnType::Jsonb),
            "readonly Json[]",
            json!({"type": "array", "items": {}}),
        );
    }

    #[test]
    fn a_name_does_not_end_a_comment() {
        assert_eq!(in_comment("a*/b"), "a* /b");
    }
}
