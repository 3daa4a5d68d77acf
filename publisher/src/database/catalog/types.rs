//! The types that the catalog knows.

use std::collections::HashMap;

use snapshot_format::ColumnType;
use tokio_postgres::GenericClient;

/// What is needed of pg_type, by oid.
pub(super) struct Types(HashMap<u32, PgType>);

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
    pub(super) async fn read(client: &impl GenericClient) -> Result<Self, tokio_postgres::Error> {
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
    pub(super) fn resolve(&self, oid: u32, sql_type: &str) -> (ColumnType, bool) {
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
