//! References that no file holds as they are written: the database may hold the row, or take
//! another spelling of it for equal.

use std::collections::{BTreeMap, BTreeSet};

use snapshot_format::TableKey;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient};

use super::defaults::varying_defaults;
use super::error::SeedError;
use super::hazards::Hazards;
use super::input::Input;
use super::judge::may_not_stage;
use super::stage::Stage;
use super::staging::{begin, fill, set_limits, stages};
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::lock;
use crate::database::sql::{identifier, qualified};
use crate::schema::Table;
use crate::source::Dangling;

/// Of references that no file holds as they are written, those that stay without a row.
///
/// A row counts that a seed will leave as it is: an administrator's, or one of a table
/// without a file. So does a row of a file whose key the database takes for equal.
///
/// # Errors
/// Where a query fails.
pub(crate) async fn still_dangling(
    client: &mut Client,
    input: Input<'_>,
    dangling: Vec<Dangling>,
) -> Result<Vec<Dangling>, SeedError> {
    let mut groups: BTreeMap<(TableKey, Vec<String>), Vec<Dangling>> = BTreeMap::new();
    for reference in dangling {
        let group = (reference.target.clone(), reference.target_columns.clone());
        groups.entry(group).or_default().push(reference);
    }
    let mut still = Vec::new();
    for ((target, columns), mut references) in groups {
        let table = input
            .schema
            .table(target.as_str())
            .expect("a target is a table");
        let target = Target {
            table,
            columns,
            kept: match (input.config.has_file(table), table.has_source_type()) {
                (false, _) => "true",
                (true, true) => "t.source_type = 'admin'",
                (true, false) => "false",
            },
        };
        let held = target.held_as_written(client, &references).await;
        let held = lock::with_holders(client, held).await?;
        references.retain(|reference| !held.contains(&reference.values));
        if !references.is_empty() && target.is_loose(client).await? {
            let equal = target.held_as_equal(client, input, &references).await;
            let equal = lock::with_holders(client, equal).await?;
            let mut place = 0;
            references.retain(|_| {
                place += 1;
                !equal.contains(&place)
            });
        }
        still.extend(references);
    }
    Ok(still)
}

// What references point at.
struct Target<'t> {
    table: &'t Table,
    columns: Vec<String>,
    // Which of its rows a seed leaves as they are.
    kept: &'static str,
}

impl Target<'_> {
    async fn held_as_written(
        &self,
        client: &impl GenericClient,
        references: &[Dangling],
    ) -> Result<BTreeSet<Vec<String>>, DatabaseError> {
        let columns = self.columns.iter();
        let texts: Vec<String> = columns
            .map(|column| format!("t.{}::text", identifier(column)))
            .collect();
        let query = format!(
            "SELECT ARRAY[{texts}] FROM {} AS t
             WHERE {} AND ({texts}) IN (SELECT * FROM unnest({}))",
            qualified(self.table),
            self.kept,
            self.parameters(),
            texts = texts.join(", "),
        );
        let values = self.values(references);
        client.column(LOOK, &query, &as_parameters(&values)).await
    }

    // Whether values may be equal that are written otherwise.
    async fn is_loose(&self, client: &impl GenericClient) -> Result<bool, DatabaseError> {
        let of_columns: [&(dyn ToSql + Sync); 2] = [&qualified(self.table), &self.columns];
        client.value(LOOK, IS_LOOSE, &of_columns).await
    }

    // The numbers of the references, from 1, whose row the table keeps or the file has, as the
    // database compares. A role that may make no temporary table cannot ask for the latter.
    async fn held_as_equal(
        &self,
        client: &mut Client,
        input: Input<'_>,
        references: &[Dangling],
    ) -> Result<BTreeSet<i64>, SeedError> {
        let hazards = Hazards::read(client, input.config).await?;
        let mut tx = begin(client).await?;
        set_limits(&tx).await?;
        let varying = varying_defaults(&tx, input.config).await?.left_open();
        let values = self.values(references);
        let among = |rows: String| {
            let columns = self.columns.iter().enumerate();
            let same: Vec<String> = columns
                .map(|(place, name)| {
                    let (_, column) = self.table.column(name).expect("a target has its columns");
                    let name = identifier(name);
                    format!("t.{name} = v.v{place}::{}", column.sql_type)
                })
                .collect();
            let names: Vec<String> = (0..same.len()).map(|place| format!("v{place}")).collect();
            format!(
                "SELECT v.number FROM unnest({}) WITH ORDINALITY AS v ({}, number)
                 WHERE EXISTS (SELECT FROM {rows} AND {})",
                self.parameters(),
                names.join(", "),
                same.join(" AND ")
            )
        };
        let kept = among(format!(
            "{} AS t WHERE {}",
            qualified(self.table),
            self.kept
        ));
        let mut held: BTreeSet<i64> = tx.column(LOOK, &kept, &as_parameters(&values)).await?;
        let staged = stages(input, &varying, &hazards);
        let staged = staged.into_iter().find(|stage| self.is_in(stage));
        if let Some(stage) = staged {
            match stage.create(&tx).await {
                Err(error) if may_not_stage(&error) => return Ok(held),
                created => created?,
            }
            if fill(&stage, &mut tx, input).await?.is_none() {
                let rows = among(format!("{} AS t WHERE true", stage.sql.stage));
                let parameters = as_parameters(&values);
                let staged: Vec<i64> = tx.column(LOOK, &rows, &parameters).await?;
                held.extend(staged);
            }
        }
        let ended = tx.rollback().await;
        ended.map_err(|source| DatabaseError::query(LOOK, source))?;
        Ok(held)
    }

    fn is_in(&self, stage: &Stage<'_>) -> bool {
        let has = |name: &String| {
            let column = self.table.column(name);
            column.is_some_and(|(index, _)| stage.source.columns.contains(&index))
        };
        stage.table.key == self.table.key && self.columns.iter().all(has)
    }

    fn parameters(&self) -> String {
        let each = (1..=self.columns.len()).map(|index| format!("${index}::text[]"));
        each.collect::<Vec<_>>().join(", ")
    }

    fn values<'r>(&self, references: &'r [Dangling]) -> Vec<Vec<&'r str>> {
        let of = |place: usize| references.iter().map(move |r| r.values[place].as_str());
        (0..self.columns.len())
            .map(|place| of(place).collect())
            .collect()
    }
}

fn as_parameters<'v>(values: &'v [Vec<&str>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|column| column as _).collect()
}

const LOOK: &str = "look for referenced rows";

// Of the types that are named, equal values are written alike, unless a collation says otherwise.
const IS_LOOSE: &str = "
    SELECT coalesce(bool_or(
        NOT coalesce(locale.collisdeterministic, true)
        OR type.typtype = 'd' OR type.typnamespace <> 'pg_catalog'::regnamespace AND type.typtype <> 'e'
    ), false)
    FROM pg_catalog.pg_attribute AS attribute
    JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
    LEFT JOIN pg_catalog.pg_collation AS locale ON locale.oid = attribute.attcollation
    WHERE attribute.attrelid = $1::text::regclass AND attribute.attname = ANY ($2)";
