//! A file beside its table: its rows in a temporary table, and the statements that compare
//! the two and write what differs.

use std::time::Instant;

use bytes::Bytes;
use futures_util::SinkExt;
use serde::Serialize;
use snapshot_format::{IS_ACTIVE, SOURCE_TYPE};
use tokio_postgres::Transaction;

use super::copy_lines::CopyLines;
use super::defaults::{VaryingDefaults, staged_expression};
use super::error::SeedError;
use super::hazards::{Hazard, Hazards};
use super::input::Input;
use super::report::SeededTable;
use crate::config::Config;
use crate::database::answer::PgError;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::sql::{identifier, qualified, render};
use crate::duration::millis;
use crate::schema::Table;
use crate::source::{Problem, SourceTable};

// What the templates are told of a table.
#[derive(Serialize, Clone)]
pub(super) struct StageSql {
    pub(super) stage: String,
    pub(super) table: String,
    pub(super) primary_key: Vec<String>,
    // The columns of the staging table.
    columns: Vec<String>,
    /// What makes a row differ.
    pub(super) compared: Vec<StagedColumn>,
    /// What a row that is there keeps, whatever its file says.
    pub(super) fixed: Vec<StagedColumn>,
    /// What a new row is given.
    pub(super) written: Vec<StagedColumn>,
    pub(super) is_active: bool,
    staged_is_active: String,
    source_type: bool,
}

impl StageSql {
    /// Where a staged row `s` is that of a stored row `t`.
    pub(super) fn join(&self) -> String {
        let same = self.primary_key.iter().map(|c| format!("t.{c} = s.{c}"));
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// The key of a stored row `t`, as texts.
    pub(super) fn key_texts(&self) -> String {
        let texts = self.primary_key.iter().map(|c| format!("t.{c}::text"));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Begins a condition on a stored row `t`: that it is no administrator's.
    pub(super) fn owner(&self) -> &'static str {
        if self.source_type {
            "t.source_type IS DISTINCT FROM 'admin' AND "
        } else {
            ""
        }
    }
}

/// A column that the file decides.
#[derive(Serialize, Clone)]
pub(super) struct StagedColumn {
    /// Its name, as SQL writes it.
    pub(super) name: String,
    /// Its value in a staged row, as an expression.
    pub(super) staged: String,
}

/// A table and its file.
pub(super) struct Stage<'s> {
    pub(super) table: &'s Table,
    pub(super) source: &'s SourceTable,
    pub(super) allow_percent: u8,
    /// Not staged: the table is empty, and takes the file as it is.
    pub(super) straight: bool,
    pub(super) sql: StageSql,
}

// Beyond so many rows it matters how PostgreSQL goes about them.
const MANY_ROWS: u64 = 5_000;

impl<'s> Stage<'s> {
    pub(super) fn new(
        index: usize,
        input: Input<'s>,
        varying: &VaryingDefaults,
        hazards: &Hazards,
    ) -> Self {
        let source = &input.sources[index];
        let table = input.table_of(source);
        let hazard = hazards.of(table);
        let staged = |column: usize| StagedColumn {
            name: identifier(&table.columns[column].name),
            staged: staged_expression(table, source, column, varying),
        };
        // What a trigger may fill is the database's, where the file says nothing of it.
        let is_left = |column: &usize| {
            hazard.has_triggers()
                && source.unnamed.contains(column)
                && table.columns[*column].name != IS_ACTIVE
                && !table.primary_key.contains(column)
        };
        let decided = source.columns.iter().filter(|column| !is_left(column));
        let mut written: Vec<StagedColumn> = decided.map(|&c| staged(c)).collect();
        let is_active = table.column(IS_ACTIVE).filter(|_| table.has_is_active());
        if let Some((index, _)) = is_active.filter(|(index, _)| !source.columns.contains(index)) {
            written.push(staged(index));
        }
        let key: Vec<String> = table
            .primary_key_names()
            .iter()
            .map(|name| identifier(name))
            .collect();
        let fixed = table.columns.iter().filter(|column| column.is_fixed);
        let fixed: Vec<String> = fixed.map(|column| identifier(&column.name)).collect();
        let beside_key = written.iter().filter(|c| !key.contains(&c.name)).cloned();
        let (fixed, compared) = beside_key.partition(|c| fixed.contains(&c.name));
        if table.has_source_type() {
            let name = identifier(SOURCE_TYPE);
            written.push(StagedColumn {
                name,
                staged: "'seed'".to_owned(),
            });
        }
        let name_of = |&column: &usize| identifier(&table.columns[column].name);
        let sql = StageSql {
            stage: identifier(&format!("tablecast_stage_{index}")),
            table: qualified(table),
            primary_key: key,
            columns: source.columns.iter().map(name_of).collect(),
            compared,
            fixed,
            written,
            is_active: is_active.is_some(),
            staged_is_active: is_active
                .map(|(index, _)| staged(index).staged)
                .unwrap_or_default(),
            source_type: table.has_source_type(),
        };
        Self {
            table,
            source,
            allow_percent: input.config.limits_of(table).max_deactivation_percent,
            straight: false,
            sql,
        }
    }

    /// The same file beside another table of the same columns.
    pub(super) fn written_to(&self, table: String) -> Self {
        Self {
            table: self.table,
            source: self.source,
            allow_percent: self.allow_percent,
            straight: false,
            sql: StageSql {
                table,
                ..self.sql.clone()
            },
        }
    }

    /// Whether COPY gives the rows what staging would: a column that no row names its default,
    /// and no column now a value and now the default.
    ///
    /// A key that compares loosely is compared before, which only a staged file can be.
    pub(super) fn may_go_straight(&self, hazard: &Hazard) -> bool {
        let is_active = self.table.column(IS_ACTIVE).filter(|_| self.sql.is_active);
        let is_known = is_active.is_none_or(|(index, column)| {
            self.source.columns.contains(&index) || column.default.is_some()
        });
        self.source.rows > MANY_ROWS
            && self.source.defaulted.is_empty()
            && is_known
            && !hazard.loose_key
    }

    pub(super) async fn is_empty_table(&self, tx: &Transaction<'_>) -> Result<bool, DatabaseError> {
        let query = format!("SELECT NOT EXISTS (SELECT FROM {})", self.sql.table);
        tx.value("look whether a table is empty", &query, &[]).await
    }

    pub(super) async fn create(&self, tx: &Transaction<'_>) -> Result<(), DatabaseError> {
        let created = tx.batch_execute(&render("stage.sql", &self.sql)).await;
        let what = || format!("stage {}", self.source.file.name);
        created.map_err(|source| DatabaseError::query(what(), source))
    }

    pub(super) async fn fill(
        &self,
        tx: &Transaction<'_>,
        input: Input<'_>,
    ) -> Result<(), SeedError> {
        let what = format!("stage {}", self.source.file.name);
        let bar = input.progress.bytes(&what, self.source.size);
        self.copy(tx, input.config, false, &bar).await?;
        bar.finish_and_clear();
        // A temporary table is never analysed by itself, and the join needs to know its size.
        if self.source.rows > MANY_ROWS {
            let analyze = format!("ANALYZE {}", self.sql.stage);
            tx.run(&what, &analyze).await?;
        }
        Ok(())
    }

    /// Copies the file into the staging table, or straight into the table. Gives how many
    /// rows PostgreSQL took.
    pub(super) async fn copy(
        &self,
        tx: &Transaction<'_>,
        config: &Config,
        straight: bool,
        bar: &indicatif::ProgressBar,
    ) -> Result<u64, SeedError> {
        let refused = |source: tokio_postgres::Error| self.refused_row(source, straight);
        let mut columns = self.sql.columns.clone();
        let mut last_value = None;
        if straight && self.sql.source_type {
            columns.push(identifier(SOURCE_TYPE));
            last_value = Some("seed");
        }
        let to = if straight {
            &self.sql.table
        } else {
            &self.sql.stage
        };
        let statement = format!("COPY {to} ({}) FROM STDIN", columns.join(", "));
        let sink = tx.copy_in::<_, Bytes>(&statement).await.map_err(refused)?;
        let mut sink = std::pin::pin!(sink);
        let (sender, mut lines) = tokio::sync::mpsc::channel::<Bytes>(4);
        let lines_of = CopyLines {
            table: self.table.clone(),
            source: self.source.clone(),
            config: config.clone(),
            last_value,
            bar: bar.clone(),
        };
        // Reading files and decoding rows is work for a thread, not for the runtime.
        let reading = tokio::task::spawn_blocking(move || {
            lines_of.read(|chunk| sender.blocking_send(chunk).is_ok())
        });
        while let Some(chunk) = lines.recv().await {
            sink.send(chunk).await.map_err(refused)?;
        }
        reading.await.expect("the reader does not panic")?;
        sink.finish().await.map_err(refused)
    }

    // PostgreSQL names the row in the context: `COPY tablecast_stage_3, line 5, column x`.
    fn refused_row(&self, source: tokio_postgres::Error, straight: bool) -> SeedError {
        let source = PgError::from(source);
        let context = source.context.as_deref().unwrap_or_default();
        let row = context.split_once(", line ").and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        });
        let column = context
            .split_once(", column ")
            .and_then(|(_, rest)| rest.split(':').next());
        if row.is_none() && straight {
            return self.refused_write(source);
        }
        if row.is_none() {
            let what = format!("stage {}", self.source.file.name);
            return DatabaseError::Query { what, source }.into();
        }
        let mut place = crate::source::Place::file(&self.source.file.name);
        place.row = row;
        place.column = column.map(str::to_owned);
        SeedError::Refused(vec![Problem {
            place: Some(place),
            message: source.message.clone(),
        }])
    }

    pub(super) async fn plan(&self, tx: &Transaction<'_>) -> Result<SeededTable, SeedError> {
        let start = Instant::now();
        if self.straight {
            return self.plan_straight(tx).await;
        }
        let what = format!("compare {} with its table", self.source.file.name);
        let failed = |source| DatabaseError::query(&what, source);
        let row = tx
            .query_one(&render("plan.sql", &self.sql), &[])
            .await
            .map_err(failed)?;
        let count = |name: &str| -> Result<u64, DatabaseError> {
            let count: i64 = row.try_get(name).map_err(failed)?;
            Ok(count.unsigned_abs())
        };
        let leaving = count("leaving")?;
        let switched_off = count("switched_off")?;
        let (deactivated, not_in_file) = if self.sql.is_active {
            (leaving + switched_off, 0)
        } else {
            (0, leaving)
        };
        let skipped_rows = count("admin_keys")?;
        let admin_keys = match skipped_rows {
            0 => Vec::new(),
            _ => self.admin_keys(tx).await?,
        };
        Ok(SeededTable {
            table: self.table.key.to_string(),
            inserted: count("inserted")?,
            updated: count("updated")?,
            unchanged: count("unchanged")?,
            deactivated,
            switched_off,
            reactivated: count("reactivated")?,
            admin_owned: count("admin_owned")?,
            admin_keys,
            skipped_rows,
            not_in_file,
            not_in_file_columns: self.not_in_file_columns(),
            active_before: count("active")?,
            skipped: false,
            version_seq: 0,
            elapsed_ms: millis(start.elapsed()),
        })
    }

    // Nobody can write the table any more: what it holds now is what it will hold.
    async fn plan_straight(&self, tx: &Transaction<'_>) -> Result<SeededTable, SeedError> {
        if !self.is_empty_table(tx).await? {
            return Err(SeedError::Overtaken);
        }
        Ok(SeededTable {
            table: self.table.key.to_string(),
            inserted: self.source.rows,
            not_in_file_columns: self.not_in_file_columns(),
            ..SeededTable::default()
        })
    }

    async fn admin_keys(&self, tx: &Transaction<'_>) -> Result<Vec<String>, DatabaseError> {
        let query = format!(
            "SELECT concat_ws(', ', {text}) FROM {} AS s JOIN {} AS t ON {}
             WHERE t.source_type = 'admin' ORDER BY concat_ws(', ', {text}) COLLATE \"C\" LIMIT 100",
            self.sql.stage,
            self.sql.table,
            self.sql.join(),
            text = self.sql.key_texts(),
        );
        tx.list("list an administrator's rows", &query, &[], |row| {
            row.try_get(0)
        })
        .await
    }

    fn not_in_file_columns(&self) -> Vec<String> {
        let unnamed = self.table.published().filter(|column| {
            let (index, _) = self
                .table
                .column(&column.name)
                .expect("is one of its columns");
            column.name != IS_ACTIVE && !self.source.columns.contains(&index)
        });
        unnamed.map(|column| column.name.clone()).collect()
    }
}
