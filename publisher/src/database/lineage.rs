//! The lineage: which count of changes a database's numbers belong to.
//!
//! It is given once, with the bookkeeping, and lies in a table: a template, a dump and a
//! replica carry it along. A database whose bookkeeping is older than lineages is known by
//! the moment of its first migration, which they carry along as well.

use snapshot_format::Lineage;
use tokio_postgres::GenericClient;

use super::error::DatabaseError;
use crate::database::ask::Ask;
use crate::guard::Identity;

/// Gives the database a lineage, where it has none. It is no secret: who may only read the
/// tables may publish them.
pub(super) const GIVE_LINEAGE: &str = "
CREATE TABLE IF NOT EXISTS tablecast.lineage (
    id text PRIMARY KEY
);
INSERT INTO tablecast.lineage (id)
SELECT md5(random()::text || clock_timestamp()::text || txid_current()::text)
WHERE NOT EXISTS (SELECT FROM tablecast.lineage);
GRANT USAGE ON SCHEMA tablecast TO PUBLIC;
GRANT SELECT ON tablecast.lineage TO PUBLIC;";

/// Which database this is. None where nothing says it, or we may not read what does.
///
/// # Errors
/// Where a query fails.
pub(crate) async fn identity(
    client: &impl GenericClient,
) -> Result<Option<Identity>, DatabaseError> {
    const WHAT: &str = "read the database's lineage";
    let readable: Vec<String> = client.column(WHAT, READABLE, &[]).await?;
    for (table, query, given) in [("lineage", GIVEN, true), ("migration", TAKEN, false)] {
        if !readable.iter().any(|name| name == table) {
            continue;
        }
        let known_by: Vec<String> = client.column(WHAT, query, &[]).await?;
        if let Some(known_by) = known_by.first() {
            let lineage = Lineage::of(known_by);
            return Ok(Some(Identity { lineage, given }));
        }
    }
    Ok(None)
}

// Asked beforehand, for a query that fails takes its transaction with it.
const READABLE: &str = "
    SELECT class.relname::text
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = 'tablecast' AND class.relname IN ('lineage', 'migration')
      AND pg_catalog.has_schema_privilege(namespace.oid, 'USAGE')
      AND pg_catalog.has_table_privilege(class.oid, 'SELECT')";

const GIVEN: &str = "SELECT id FROM tablecast.lineage ORDER BY id LIMIT 1";

const TAKEN: &str = "
    SELECT to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US ') || checksum
    FROM tablecast.migration ORDER BY version LIMIT 1";
