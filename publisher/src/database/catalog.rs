//! The catalog: what the tables look like, as PostgreSQL knows it.
//! Source: <https://www.postgresql.org/docs/current/catalogs.html>.

use std::collections::HashMap;

use snapshot_format::{ColumnType, TableKey};
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

use super::error::DatabaseError;
use super::lock;
use crate::config::Config;
use crate::schema::{Column, ForeignKey, Part, Schema, Table};

/// Reads the shape of every table that is published: those of the configured schema that
/// have a primary key and are not excluded.
///
/// # Errors
/// Where a query fails, or two tables would be published under one key.
pub async fn read_schema(
    client: &impl GenericClient,
    config: &Config,
) -> Result<Schema, DatabaseError> {
    lock::with_holders(client, read_catalog(client, config).await).await
}

async fn read_catalog(
    client: &impl GenericClient,
    config: &Config,
) -> Result<Schema, DatabaseError> {
    let failed = |source| DatabaseError::query("read the catalog", source);
    // At once: each is an answer to wait for, and none needs another's.
    let of_schema: [&(dyn ToSql + Sync); 1] = [&config.schema];
    let (types, columns, keys, references, triggers, parts) = tokio::try_join!(
        Types::read(client),
        client.query(COLUMNS, &of_schema),
        client.query(PRIMARY_KEYS, &of_schema),
        client.query(FOREIGN_KEYS, &of_schema),
        client.query(TRIGGERS, &of_schema),
        client.query(PARTS, &of_schema),
    )
    .map_err(failed)?;

    check_excluded(client, config).await?;
    let mut tables: HashMap<u32, Draft> = HashMap::new();
    for row in keys {
        let draft = Draft::read(&row).map_err(failed)?;
        if draft.name != METADATA_TABLE && !config.exclude.contains(&draft.name) {
            tables.insert(draft.oid, draft);
        }
    }
    for row in columns {
        let oid: u32 = row.try_get("table").map_err(failed)?;
        if let Some(draft) = tables.get_mut(&oid) {
            draft
                .columns
                .push(read_column(&row, &types).map_err(failed)?);
        }
    }
    for row in triggers {
        let oid: u32 = row.try_get("table").map_err(failed)?;
        if let Some(draft) = tables.get_mut(&oid) {
            draft.events = row.try_get("events").map_err(failed)?;
        }
    }
    for row in parts {
        let oid: u32 = row.try_get("table").map_err(failed)?;
        if let Some(draft) = tables.get_mut(&oid) {
            draft.has_parts = true;
            draft.parts.extend(read_part(&row).map_err(failed)?);
        }
    }
    let mut schema = Schema { tables: Vec::new() };
    for draft in tables.values() {
        schema.tables.push(draft.table(config)?);
    }
    schema.tables.sort_by(|a, b| a.key.cmp(&b.key));
    refuse_equal_keys(&schema)?;
    for row in references {
        add_foreign_key(&mut schema, &tables, &row).map_err(failed)?;
    }
    Ok(schema)
}

/// The table in which the triggers note changes. It is not published.
const METADATA_TABLE: &str = "reference_metadata";

// Ordinary and partitioned tables, without the partitions.
const PRIMARY_KEYS: &str = "
    SELECT class.oid AS table, class.relname AS name, namespace.nspname AS namespace,
           (SELECT array_agg(key.attnum ORDER BY key.place)
            FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS key (attnum, place)) AS key
    FROM pg_catalog.pg_index AS index
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = $1 AND index.indisprimary
      AND class.relkind IN ('r', 'p') AND NOT class.relispartition";

const COLUMNS: &str = "
    SELECT attribute.attrelid AS table, attribute.attnum AS number, attribute.attname AS name,
           pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) AS sql_type,
           attribute.atttypid AS type,
           attribute.attnotnull AS not_null,
           CASE WHEN attribute.attgenerated = ''
                THEN pg_catalog.pg_get_expr(initial.adbin, initial.adrelid) END AS default,
           attribute.attgenerated <> '' AS generated,
           attribute.attidentity <> '' AS identity, attribute.attidentity = 'a' AS is_fixed
    FROM pg_catalog.pg_attribute AS attribute
    JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_attrdef AS initial
           ON initial.adrelid = attribute.attrelid AND initial.adnum = attribute.attnum
    WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
      AND attribute.attnum > 0 AND NOT attribute.attisdropped";

const FOREIGN_KEYS: &str = "
    SELECT referrer.conrelid AS table, referrer.conname AS name, referrer.confrelid AS target,
           referrer.conkey AS columns,
           (SELECT array_agg(attribute.attname::text ORDER BY key.place)
            FROM unnest(referrer.confkey) WITH ORDINALITY AS key (attnum, place)
            JOIN pg_catalog.pg_attribute AS attribute
              ON attribute.attrelid = referrer.confrelid AND attribute.attnum = key.attnum
           ) AS target_columns
    FROM pg_catalog.pg_constraint AS referrer
    JOIN pg_catalog.pg_class AS class ON class.oid = referrer.conrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = $1 AND referrer.contype = 'f' AND referrer.conparentid = 0
    ORDER BY referrer.conname COLLATE \"C\"";

// Only those that fire at every such statement: neither disabled nor for replication
// alone, without a condition and without a list of columns.
// Bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate, 64 instead.
// Source: PostgreSQL's src/include/catalog/pg_trigger.h.
const TRIGGERS: &str = "
    SELECT trigger.tgrelid AS table, bit_or(trigger.tgtype::int) AS events
    FROM pg_catalog.pg_trigger AS trigger
    JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
    WHERE namespace.nspname = $1 AND function.proname = 'record_table_change'
      AND trigger.tgnargs = 0
      AND trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & (1 | 2 | 64) = 0
      AND trigger.tgqual IS NULL AND trigger.tgattr = ''::pg_catalog.int2vector
    GROUP BY trigger.tgrelid";

// Partitions, and tables that inherit, each with the events that count for the tables above.
const PARTS: &str = "
    WITH RECURSIVE part AS (
        SELECT class.oid AS table, inherits.inhrelid AS oid
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = class.oid
        WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
        UNION
        SELECT part.table, inherits.inhrelid
        FROM part JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = part.oid
    )
    SELECT part.table, class.relname AS name, namespace.nspname AS namespace,
           class.relkind = 'f' AS is_foreign,
           coalesce((
               SELECT bit_or(trigger.tgtype::int)
               FROM pg_catalog.pg_trigger AS trigger
               JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
               WHERE trigger.tgrelid = part.oid AND function.proname = 'record_table_change'
                 AND trigger.tgnargs > 0
                 AND trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & (1 | 2 | 64) = 0
                 AND trigger.tgqual IS NULL AND trigger.tgattr = ''::pg_catalog.int2vector
           ), 0) AS events
    FROM part
    JOIN pg_catalog.pg_class AS class ON class.oid = part.oid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    ORDER BY namespace.nspname COLLATE \"C\", class.relname COLLATE \"C\"";

fn read_part(row: &Row) -> Result<Option<Part>, tokio_postgres::Error> {
    let part = Part {
        name: row.try_get("name")?,
        namespace: row.try_get("namespace")?,
        is_foreign: row.try_get("is_foreign")?,
        missing_triggers: missing_events(row.try_get("events")?),
    };
    Ok(Some(part).filter(|part| part.is_foreign || !part.missing_triggers.is_empty()))
}

fn missing_events(events: i32) -> Vec<&'static str> {
    let missing = EVENTS.iter().filter(|(bit, _)| events & bit == 0);
    missing.map(|(_, event)| *event).collect()
}

const EVENTS: [(i32, &str); 4] = [
    (4, "INSERT"),
    (16, "UPDATE"),
    (8, "DELETE"),
    (32, "TRUNCATE"),
];

// A table while its parts come in.
// A misspelt name would publish the very table that was to stay private.
async fn check_excluded(client: &impl GenericClient, config: &Config) -> Result<(), DatabaseError> {
    let excluded: Vec<&String> = config.exclude.iter().collect();
    let row = client
        .query_one(UNKNOWN_TABLES, &[&excluded, &config.schema])
        .await;
    let unknown: Option<String> = row
        .and_then(|row| row.try_get(0))
        .map_err(|source| DatabaseError::query("look for the excluded tables", source))?;
    match unknown {
        None => Ok(()),
        Some(names) => Err(DatabaseError::Catalog(format!(
            "tablecast.toml excludes {names}, which schema {} does not have",
            config.schema
        ))),
    }
}

const UNKNOWN_TABLES: &str = r#"
    SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
    FROM unnest($1::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = $2 AND class.relname = name)"#;

struct Draft {
    oid: u32,
    name: String,
    namespace: String,
    key: Vec<i16>,
    // Each with its attribute number.
    columns: Vec<(i16, Column)>,
    events: i32,
    has_parts: bool,
    // Those that are not tracked.
    parts: Vec<Part>,
}

impl Draft {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            oid: row.try_get("table")?,
            name: row.try_get("name")?,
            namespace: row.try_get("namespace")?,
            key: row.try_get("key")?,
            columns: Vec::new(),
            events: 0,
            has_parts: false,
            parts: Vec::new(),
        })
    }

    fn table(&self, config: &Config) -> Result<Table, DatabaseError> {
        let unusable = |error| {
            DatabaseError::Catalog(format!(
                "table {} cannot be published: {error}; exclude it in tablecast.toml",
                self.name
            ))
        };
        let key = TableKey::from_sql(&self.name).map_err(unusable)?;
        let settings = config.tables.get(key.as_str());
        let mut columns: Vec<Column> = Vec::new();
        for (_, column) in self.sorted_columns() {
            let as_text = settings.is_some_and(|table| table.as_text.contains(&column.name));
            // A column name has the form of a table key's, for the same reasons.
            column.name.parse::<TableKey>().map_err(unusable)?;
            let mut column = column.clone();
            // As text, PostgreSQL's own spellings of these are taken as well.
            if as_text && column.kind.is_spelled() {
                column.kind = ColumnType::Named(column.sql_type.clone());
            }
            columns.push(Column { as_text, ..column });
        }
        Ok(Table {
            key,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            columns,
            primary_key: self
                .key
                .iter()
                .filter_map(|number| self.index(*number))
                .collect(),
            foreign_keys: Vec::new(),
            missing_triggers: missing_events(self.events),
            has_parts: self.has_parts,
            untracked_parts: self.parts.clone(),
        })
    }

    fn sorted_columns(&self) -> Vec<&(i16, Column)> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        columns
    }

    fn index(&self, number: i16) -> Option<usize> {
        self.sorted_columns()
            .iter()
            .position(|(other, _)| *other == number)
    }
}

fn read_column(row: &Row, types: &Types) -> Result<(i16, Column), tokio_postgres::Error> {
    let sql_type: String = row.try_get("sql_type")?;
    let (kind, domain_not_null) = types.resolve(row.try_get("type")?, &sql_type);
    let not_null: bool = row.try_get("not_null")?;
    let default: Option<String> = row.try_get("default")?;
    // An identity column takes its next number where the file names none.
    let identity: bool = row.try_get("identity")?;
    let column = Column {
        name: row.try_get("name")?,
        sql_type,
        kind,
        nullable: !not_null && !domain_not_null,
        default: default.or_else(|| identity.then(|| "DEFAULT".to_owned())),
        generated: row.try_get("generated")?,
        is_fixed: row.try_get("is_fixed")?,
        as_text: false,
    };
    Ok((row.try_get("number")?, column))
}

fn add_foreign_key(
    schema: &mut Schema,
    drafts: &HashMap<u32, Draft>,
    row: &Row,
) -> Result<(), tokio_postgres::Error> {
    let (from, to): (u32, u32) = (row.try_get("table")?, row.try_get("target")?);
    let (Some(from), Some(to)) = (drafts.get(&from), drafts.get(&to)) else {
        return Ok(());
    };
    let columns: Vec<i16> = row.try_get("columns")?;
    let key_of = |name: &str| {
        schema
            .tables
            .iter()
            .find(|t| t.name == name)
            .map(|t| t.key.clone())
    };
    let Some(target) = key_of(&to.name) else {
        return Ok(());
    };
    let foreign_key = ForeignKey {
        name: row.try_get("name")?,
        columns: columns
            .into_iter()
            .filter_map(|number| from.index(number))
            .collect(),
        target,
        target_columns: row.try_get("target_columns")?,
    };
    if let Some(table) = schema
        .tables
        .iter_mut()
        .find(|table| table.name == from.name)
    {
        table.foreign_keys.push(foreign_key);
    }
    Ok(())
}

fn refuse_equal_keys(schema: &Schema) -> Result<(), DatabaseError> {
    match schema
        .tables
        .windows(2)
        .find(|pair| pair[0].key == pair[1].key)
    {
        None => Ok(()),
        Some(pair) => Err(DatabaseError::Catalog(format!(
            "tables {} and {} would both be published as {}; exclude one in tablecast.toml",
            pair[0].name, pair[1].name, pair[0].key
        ))),
    }
}

// What is needed of pg_type, by oid.
struct Types(HashMap<u32, PgType>);

struct PgType {
    // `b` base, `d` domain, `e` enumeration.
    class: i8,
    base: u32,
    // As PostgreSQL prints the type below a domain.
    base_type: String,
    not_null: bool,
    element: u32,
    labels: Option<Vec<String>>,
}

const TYPES: &str = "
    SELECT type.oid AS oid, type.typtype AS class, type.typbasetype AS base,
           pg_catalog.format_type(type.typbasetype, type.typtypmod) AS base_type,
           type.typnotnull AS not_null,
           CASE WHEN type.typcategory = 'A' AND type.typlen = -1 THEN type.typelem
                ELSE 0::oid END AS element,
           (SELECT array_agg(label.enumlabel::text ORDER BY label.enumsortorder)
            FROM pg_catalog.pg_enum AS label WHERE label.enumtypid = type.oid) AS labels
    FROM pg_catalog.pg_type AS type
    WHERE type.typtype IN ('b', 'd', 'e')";

impl Types {
    async fn read(client: &impl GenericClient) -> Result<Self, tokio_postgres::Error> {
        let mut types = HashMap::new();
        for row in client.query(TYPES, &[]).await? {
            let pg_type = PgType {
                class: row.try_get("class")?,
                base: row.try_get("base")?,
                base_type: row.try_get("base_type")?,
                not_null: row.try_get("not_null")?,
                element: row.try_get("element")?,
                labels: row.try_get("labels")?,
            };
            types.insert(row.try_get("oid")?, pg_type);
        }
        Ok(Self(types))
    }

    // The type of that name, or the one below a domain; and whether a domain on the way
    // forbids null.
    fn resolve(&self, oid: u32, sql_type: &str) -> (ColumnType, bool) {
        let unknown = || ColumnType::Named(sql_type.to_owned());
        let Some(pg_type) = self.0.get(&oid) else {
            return (unknown(), false);
        };
        if pg_type.class == b'd' as i8 {
            let (below, not_null) = self.resolve(pg_type.base, &pg_type.base_type);
            return (below, not_null || pg_type.not_null);
        }
        if let Some(labels) = &pg_type.labels {
            let (name, labels) = (sql_type.to_owned(), labels.clone());
            return (ColumnType::Enum { name, labels }, false);
        }
        if pg_type.element != 0 {
            let element_type = sql_type.strip_suffix("[]").unwrap_or(sql_type);
            return match self.resolve(pg_type.element, element_type).0 {
                ColumnType::Named(_) => (unknown(), false),
                element => (ColumnType::Array(Box::new(element)), false),
            };
        }
        (ColumnType::parse(sql_type), false)
    }
}
