//! Writing a table: what left is switched off, what differs is changed, what is new is
//! inserted; in that order, for a value may go from one row to the next.

use tokio_postgres::Transaction;

use super::defaults::VaryingDefaults;
use super::error::SeedError;
use super::hazards::Hazard;
use super::input::Input;
use super::report::SeededTable;
use super::stage::Stage;
use super::unique::{SAVEPOINT, conflicts, trade};
use crate::database::answer::PgError;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::sql::render;
use crate::source::{Place, Problem};

/// What a table's rows are written with.
pub(super) struct Writing<'w> {
    pub(super) input: Input<'w>,
    pub(super) varying: &'w VaryingDefaults,
    pub(super) hazard: &'w Hazard,
    /// Whether rows may have been changed since they were compared.
    pub(super) is_overtaken: bool,
}

impl Stage<'_> {
    /// Writes what is planned. Gives whether PostgreSQL says that it wrote as many rows.
    pub(super) async fn write(
        &self,
        tx: &Transaction<'_>,
        plan: &SeededTable,
        writing: &Writing<'_>,
    ) -> Result<bool, SeedError> {
        let what = format!("write {}", self.table.key);
        if self.straight {
            let bar = writing.input.progress.bytes(&what, self.source.size);
            let copied = self.copy_straight(tx, writing, &bar).await?;
            bar.finish_and_clear();
            return Ok(copied == plan.inserted);
        }
        let bar = writing.input.progress.step(&what);
        let changing = plan.updated + plan.reactivated + plan.switched_off;
        let steps = [
            ("deactivate.sql", plan.deactivated - plan.switched_off),
            ("update.sql", changing),
            ("insert.sql", plan.inserted),
        ];
        let mut is_whole = true;
        for (template, expected) in steps {
            let changes = !self.sql.compared.is_empty() && template == "update.sql";
            if expected > 0 || writing.is_overtaken && changes {
                let written = self.step(tx, template, writing).await?;
                is_whole &= written == expected;
            }
        }
        bar.finish_and_clear();
        Ok(is_whole)
    }

    async fn step(
        &self,
        tx: &Transaction<'_>,
        template: &str,
        writing: &Writing<'_>,
    ) -> Result<u64, SeedError> {
        let sql = render(template, &self.sql);
        // Only a table with unique values has a second way to be written.
        if writing.hazard.unique {
            self.savepoint(tx, "SAVEPOINT").await?;
        }
        let written = match tx.execute(&sql, &[]).await {
            Ok(written) => written,
            Err(error) => {
                let error = PgError::from(error);
                if !writing.hazard.unique || !error.is_shared_value() {
                    return Err(self.refused_write(error));
                }
                self.savepoint(tx, "ROLLBACK TO SAVEPOINT").await?;
                if template != "update.sql" {
                    return Err(self.shared_value(tx, writing, error).await?);
                }
                trade(tx, self, writing.varying, &sql, error).await?
            }
        };
        if writing.hazard.unique {
            self.savepoint(tx, "RELEASE SAVEPOINT").await?;
        }
        Ok(written)
    }

    async fn copy_straight(
        &self,
        tx: &Transaction<'_>,
        writing: &Writing<'_>,
        bar: &indicatif::ProgressBar,
    ) -> Result<u64, SeedError> {
        if !writing.hazard.unique {
            return self.copy(tx, writing.input.config, true, bar).await;
        }
        self.savepoint(tx, "SAVEPOINT").await?;
        match self.copy(tx, writing.input.config, true, bar).await {
            // COPY names the row that came second. Staged, both are found.
            Err(SeedError::Refused(problems)) => {
                self.savepoint(tx, "ROLLBACK TO SAVEPOINT").await?;
                self.create(tx).await?;
                self.fill(tx, writing.input).await?;
                let both = conflicts(tx, self, writing.varying).await?;
                let told = if both.is_empty() { problems } else { both };
                Err(SeedError::Refused(told))
            }
            other => other,
        }
    }

    // Which rows would share a value that PostgreSQL has refused.
    async fn shared_value(
        &self,
        tx: &Transaction<'_>,
        writing: &Writing<'_>,
        error: PgError,
    ) -> Result<SeedError, DatabaseError> {
        let problems = conflicts(tx, self, writing.varying).await?;
        Ok(if problems.is_empty() {
            self.refused_write(error)
        } else {
            SeedError::Refused(problems)
        })
    }

    async fn savepoint(&self, tx: &Transaction<'_>, verb: &str) -> Result<(), DatabaseError> {
        tx.run(
            format!("write table {}", self.table.name),
            &format!("{verb} {SAVEPOINT}"),
        )
        .await
    }

    /// A constraint that only the database knows: CHECK, UNIQUE, a trigger of the user's.
    pub(super) fn refused_write(&self, source: PgError) -> SeedError {
        match &source.constraint {
            Some(_) => {
                let place = Place::file(&self.source.file.name);
                let message = source.message.clone();
                SeedError::Refused(vec![Problem {
                    place: Some(place),
                    message,
                }])
            }
            None => {
                let what = format!("write table {}", self.table.name);
                DatabaseError::Query { what, source }.into()
            }
        }
    }
}
