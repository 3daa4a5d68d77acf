//! A published table as a table of SQLite: names, types, statements. No effects.

use snapshot_format::json::Value;
use snapshot_format::{ColumnType, JsonForm, TableEntry, TableKey};

/// The table that says of the others what they are.
pub(super) const METADATA: &str = "reference_metadata";

/// A table of SQLite.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    primary_key: Vec<String>,
}

/// One of its columns.
#[derive(Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) form: Form,
    nullable: bool,
}

/// How the values of a column stand in SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As 0 and 1.
    Boolean,
    SmallInt,
    Int,
    BigInt,
    Real,
    Text,
    /// As the bytes that base64 spells.
    Blob,
    /// As text.
    Json,
    /// Of a type of which the manifest has only the name: the values tell.
    Unknown,
}

impl Form {
    fn of(column: &ColumnType) -> Self {
        match column {
            ColumnType::SmallInt => Self::SmallInt,
            ColumnType::Integer => Self::Int,
            ColumnType::BigInt => Self::BigInt,
            ColumnType::Bytea => Self::Blob,
            ColumnType::Named(_) => Self::Unknown,
            other => match other.json_form() {
                JsonForm::Boolean => Self::Boolean,
                JsonForm::Number => Self::Real,
                JsonForm::String => Self::Text,
                JsonForm::Any | JsonForm::Array => Self::Json,
            },
        }
    }

    // No `INTEGER`: a primary key of that would be SQLite's number of the row, and those tell the
    // order in which the rows are published.
    fn declared(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::SmallInt => "SMALLINT",
            Self::Int => "INT",
            Self::BigInt => "BIGINT",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
            Self::Json | Self::Unknown => "JSON",
        }
    }

    /// The form that also takes this value.
    pub(super) fn or(self, value: &Value<'_>) -> Self {
        let needed = match value {
            Value::Null => return self,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Real,
            Value::String(_) => Self::Text,
            Value::Array(_) | Value::Object(_) => Self::Json,
        };
        if self == Self::Unknown || self == needed {
            needed
        } else {
            Self::Json
        }
    }
}

impl Table {
    pub(super) fn new(key: &TableKey, entry: &TableEntry) -> Self {
        let columns = entry.columns.iter().map(|(name, sql_type)| {
            let (column, nullable) = ColumnType::of(sql_type);
            Column {
                name: name.clone(),
                form: Form::of(&column),
                nullable,
            }
        });
        Self {
            name: sql_name(key),
            columns: columns.collect(),
            primary_key: entry.primary_key.clone(),
        }
    }

    /// Whether the values of some column must be seen before its form is known.
    pub(super) fn has_unknown(&self) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| column.form == Form::Unknown)
    }

    /// The statements that make it.
    pub(super) fn create(&self) -> String {
        let columns = self.columns.iter().map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!(
                "    {} {}{null},\n",
                quoted(&column.name),
                column.form.declared()
            )
        });
        let name = quoted(&self.name);
        let columns: String = columns.collect();
        let key = list(&self.primary_key);
        let mut sql = format!("CREATE TABLE {name} (\n{columns}    PRIMARY KEY ({key})\n);\n");
        if self
            .columns
            .iter()
            .any(|column| column.name == "sort_order")
        {
            // No table has such a name.
            let index = quoted(&format!("{}: order", self.name));
            sql += &format!("CREATE INDEX {index} ON {name} (\"sort_order\", {key});\n");
        }
        sql
    }

    /// The statement that takes a row, its columns in their order.
    pub(super) fn insert(&self) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let places = vec!["?"; names.len()].join(", ");
        let (name, names) = (quoted(&self.name), list(&names));
        format!("INSERT INTO {name} ({names}) VALUES ({places})")
    }
}

/// What SQLite does not tell apart, or keeps for itself, of these tables.
pub(super) fn problems(tables: &[Table]) -> Vec<String> {
    let mut problems = Vec::new();
    let names = tables.iter().map(|table| table.name.as_str());
    for (a, b) in alike(names.chain([METADATA])) {
        problems.push(format!("tables {a} and {b} have one name in SQLite"));
    }
    for table in tables {
        if table.name.to_ascii_lowercase().starts_with("sqlite_") {
            let name = &table.name;
            problems.push(format!("table {name}: SQLite keeps such names for itself"));
        }
        let columns = table.columns.iter().map(|column| column.name.as_str());
        for (a, b) in alike(columns) {
            let name = &table.name;
            problems.push(format!(
                "table {name}: columns {a} and {b} have one name in SQLite"
            ));
        }
    }
    problems
}

// Names that differ by case alone.
fn alike<'n>(names: impl Iterator<Item = &'n str>) -> Vec<(&'n str, &'n str)> {
    let mut seen = std::collections::BTreeMap::new();
    let mut alike = Vec::new();
    for name in names {
        if let Some(other) = seen.insert(name.to_ascii_lowercase(), name) {
            alike.push((other, name));
        }
    }
    alike
}

// `exercise_categories` of `exerciseCategories`, where that is the way back.
pub(super) fn sql_name(key: &TableKey) -> String {
    let mut name = String::new();
    for c in key.as_str().chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    match TableKey::from_sql(&name) {
        Ok(back) if back == *key => name,
        _ => key.to_string(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pretty_assertions::assert_eq;
    use snapshot_format::Digest;

    use super::*;

    fn table(key: &str, columns: &[(&str, &str)], primary_key: &[&str]) -> Table {
        let columns: BTreeMap<_, _> = columns
            .iter()
            .map(|(name, sql_type)| ((*name).to_owned(), (*sql_type).to_owned()))
            .collect();
        let primary_key = primary_key.iter().map(|&name| name.to_owned()).collect();
        let entry = TableEntry::new(Digest::of(b""), 0, 0, columns, primary_key);
        Table::new(&key.parse().expect("a key"), &entry)
    }

    #[test]
    fn a_table_keeps_its_names_types_and_keys() {
        let table = table(
            "priceList",
            &[
                ("active", "boolean"),
                ("amount", "numeric(10,2)?"),
                ("code", "character varying(3)"),
                ("image", "bytea?"),
                ("number", "bigint"),
                ("sort_order", "integer"),
                ("tags", "text[]"),
                ("texts", "jsonb?"),
            ],
            &["number", "code"],
        );
        assert_eq!(
            table.create(),
            r#"CREATE TABLE "price_list" (
    "active" BOOLEAN NOT NULL,
    "amount" REAL,
    "code" TEXT NOT NULL,
    "image" BLOB,
    "number" BIGINT NOT NULL,
    "sort_order" INT NOT NULL,
    "tags" JSON NOT NULL,
    "texts" JSON,
    PRIMARY KEY ("number", "code")
);
CREATE INDEX "price_list: order" ON "price_list" ("sort_order", "number", "code");
"#
        );
        assert_eq!(
            table.insert(),
            r#"INSERT INTO "price_list" ("active", "amount", "code", "image", "number", "sort_order", "tags", "texts") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"#
        );
    }

    #[test]
    fn a_table_has_the_name_that_its_key_was_made_of() {
        for (key, name) in [
            ("grips", "grips"),
            ("exerciseCategories", "exercise_categories"),
            ("_hiddenOnes", "_hidden_ones"),
            ("rangeOfMotion", "range_of_motion"),
            // No way back: it was never written in small letters.
            ("Grips", "Grips"),
            ("_Odd", "__odd"),
        ] {
            assert_eq!(sql_name(&key.parse().expect("a key")), name);
        }
    }

    #[test]
    fn what_sqlite_cannot_tell_apart_is_named_all_at_once() {
        let id = [("id", "text")];
        let tables = [
            table("Grips", &id, &["id"]),
            table("grips", &[("id", "text"), ("ID", "text")], &["id"]),
            table("referenceMetadata", &id, &["id"]),
            table("sqliteThings", &id, &["id"]),
        ];
        assert_eq!(
            problems(&tables),
            [
                "tables Grips and grips have one name in SQLite",
                "tables reference_metadata and reference_metadata have one name in SQLite",
                "table grips: columns ID and id have one name in SQLite",
                "table sqlite_things: SQLite keeps such names for itself",
            ]
        );
    }

    #[test]
    fn the_form_of_an_unknown_type_is_that_of_its_values() {
        let form = |values: &[Value<'_>]| values.iter().fold(Form::Unknown, Form::or);
        assert_eq!(form(&[Value::Null]), Form::Unknown);
        assert_eq!(form(&[Value::Number("1"), Value::Null]), Form::Real);
        assert_eq!(form(&[Value::Bool(true)]), Form::Boolean);
        assert_eq!(form(&[Value::String("a".into())]), Form::Text);
        assert_eq!(
            form(&[Value::String("a".into()), Value::Array("[]")]),
            Form::Json
        );
    }
}
