//! What stands beside a table and has a word in what a seed writes: triggers, rules and
//! cascades of the user's, unique indexes, keys that compare otherwise than by their bytes.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{GenericClient, Row};

use crate::config::Config;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::schema::Table;

/// The hazards of every table, by its SQL name.
pub(in crate::database) struct Hazards {
    tables: BTreeMap<String, Hazard>,
    nothing: Hazard,
    /// Whether the session runs as a replica does: without triggers and foreign keys.
    pub(super) is_replica: bool,
}

/// What a seed has to reckon with in one table.
#[derive(Debug, Clone, Default)]
pub(in crate::database) struct Hazard {
    /// What may change rows while they are written: `trigger guard`, `rule keep`.
    pub(super) foreign: BTreeSet<String>,
    /// Whether changing its rows changes rows that point at them.
    pub(super) cascades: bool,
    /// Whether two primary keys may be equal that are written otherwise.
    pub(super) loose_key: bool,
    /// Whether there is a unique index or an exclusion beside the primary key.
    pub(super) unique: bool,
}

impl Hazard {
    /// Whether a trigger of the user's may give a column its value.
    pub(in crate::database) fn has_triggers(&self) -> bool {
        self.foreign.iter().any(|what| what.starts_with("trigger "))
    }
}

impl Hazards {
    /// Reads them from the catalog.
    pub(in crate::database) async fn read(
        client: &impl GenericClient,
        config: &Config,
    ) -> Result<Self, DatabaseError> {
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let schema = &config.schema;
        let rows: Vec<(String, String, String)> = client
            .list("read the catalog", HAZARDS, &[schema], read)
            .await?;
        let mut hazards = Self {
            tables: BTreeMap::new(),
            nothing: Hazard::default(),
            is_replica: false,
        };
        for (table, kind, what) in rows {
            let hazard = hazards.tables.entry(table).or_default();
            match kind.as_str() {
                "foreign" => drop(hazard.foreign.insert(what)),
                "cascade" => {
                    hazard.cascades = true;
                    hazard.foreign.insert(what);
                }
                "loose" => hazard.loose_key = true,
                "unique" => hazard.unique = true,
                _ => hazards.is_replica = true,
            }
        }
        Ok(hazards)
    }

    /// Those of one table.
    pub(in crate::database) fn of(&self, table: &Table) -> &Hazard {
        self.tables.get(&table.name).unwrap_or(&self.nothing)
    }
}

// Partitions and children have triggers of their own. A trigger of ours looks on, and
// changes nothing.
// The operator classes that are named compare what PostgreSQL prints.
const HAZARDS: &str = "
    WITH RECURSIVE part AS (
        SELECT class.oid AS root, class.relname::text AS name, class.oid AS oid
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
        UNION
        SELECT part.root, part.name, inherits.inhrelid
        FROM part JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = part.oid
    )
    SELECT part.name, 'foreign', 'trigger ' || trigger.tgname
    FROM part
    JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = part.oid
    JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
    WHERE NOT trigger.tgisinternal AND trigger.tgenabled IN ('O', 'A')
      AND NOT (function.proname = 'record_table_change'
               AND trigger.tgtype & (1 | 2 | 64) = 0)
    UNION ALL
    SELECT part.name, 'foreign', 'rule ' || rule.rulename
    FROM part JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = part.oid
    WHERE rule.ev_type <> '1' AND rule.ev_enabled IN ('O', 'A')
    UNION ALL
    SELECT part.name, 'cascade', 'foreign key ' || referrer.conname
    FROM part JOIN pg_catalog.pg_constraint AS referrer ON referrer.confrelid = part.oid
    WHERE referrer.contype = 'f' AND referrer.confupdtype IN ('c', 'n', 'd')
    UNION ALL
    SELECT part.name, 'unique', ''
    FROM part
    JOIN pg_catalog.pg_index AS index ON index.indrelid = part.oid
    WHERE part.oid = part.root AND NOT index.indisprimary
      AND (index.indisunique OR EXISTS (
          SELECT FROM pg_catalog.pg_constraint AS exclusion
          WHERE exclusion.conindid = index.indexrelid AND exclusion.contype = 'x'))
    UNION ALL
    SELECT part.name, 'loose', ''
    FROM part
    JOIN pg_catalog.pg_index AS index ON index.indrelid = part.oid AND index.indisprimary
    CROSS JOIN LATERAL unnest(index.indclass::oid[], index.indcollation::oid[]) AS key (class, locale)
    JOIN pg_catalog.pg_opclass AS class ON class.oid = key.class
    JOIN pg_catalog.pg_type AS type ON type.oid = class.opcintype
    LEFT JOIN pg_catalog.pg_collation AS locale ON locale.oid = key.locale
    WHERE part.oid = part.root
      AND (NOT coalesce(locale.collisdeterministic, true)
           OR type.typnamespace <> 'pg_catalog'::regnamespace
           OR type.typname NOT IN ('bool', 'int2', 'int4', 'int8', 'text', 'name', 'uuid', 'date',
                                   'time', 'timestamp', 'timestamptz', 'bytea', 'anyenum'))
    UNION ALL
    SELECT '', 'replica', ''
    WHERE pg_catalog.current_setting('session_replication_role') = 'replica'";
