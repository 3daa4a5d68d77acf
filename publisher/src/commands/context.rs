//! What the commands that need a database have in hand.

use super::warnings::warn_of_missing_triggers;
use crate::config::Config;
use crate::database::{AppliedMigrations, Database, load_migrations, migrate, read_schema};
use crate::error::Error;
use crate::output::Output;
use crate::schema::Schema;

/// The settings, the database, and how to speak.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) output: Output,
    pub(super) database: Database,
}

impl Context {
    /// Opens the database, and passes on what it has to say. `purpose` names the command.
    pub(super) async fn open(config: Config, output: Output, purpose: &str) -> Result<Self, Error> {
        let database = Database::open(&config, purpose).await?;
        for note in database.notes() {
            output.say(&format!("{note}\n"));
        }
        Ok(Self {
            config,
            output,
            database,
        })
    }

    /// The database's tables.
    pub(super) async fn schema(&mut self) -> Result<Schema, Error> {
        Ok(read_schema(self.database.client(), &self.config).await?)
    }

    /// Applies the pending migrations.
    pub(super) async fn migrate(&mut self) -> Result<AppliedMigrations, Error> {
        let migrations = load_migrations(&self.config.sql)?;
        let applied = migrate(self.database.client(), &self.config, &migrations).await?;
        let schema = self.schema().await?;
        self.output.say(&describe(&applied));
        warn_of_missing_triggers(&schema);
        Ok(applied)
    }

    /// Ends the connection, and the private PostgreSQL where it is that.
    pub(super) async fn close(self) -> Result<(), Error> {
        Ok(self.database.close().await?)
    }

    /// Does `work` beside the tables of the database that is named; where none is, beside
    /// those that the migrations make.
    pub(super) async fn beside_tables<T>(
        config: Config,
        output: Output,
        purpose: &str,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if config.database_url.is_none() {
            return Self::in_scratch(config, output, purpose, work).await;
        }
        let mut context = Self::open(config, output, purpose).await?;
        let done = work(&mut context).await;
        context.close().await?;
        done
    }

    /// Does `work` in an empty private database to which the migrations have been applied, and
    /// which is dropped at the end.
    pub(super) async fn in_scratch<T>(
        config: Config,
        output: Output,
        purpose: &str,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut context = Self {
            database: Database::open_scratch(&config, purpose).await?,
            output: output.quietly(),
            config,
        };
        let done = async {
            context.migrate().await?;
            context.output = output;
            work(&mut context).await
        };
        let done = done.await;
        context.database.close_scratch(&context.config).await?;
        done
    }
}

fn describe(applied: &AppliedMigrations) -> String {
    let AppliedMigrations {
        applied,
        already_applied,
        elapsed_ms,
    } = applied;
    let mut text: String = applied
        .iter()
        .map(|file| format!("applied {file}\n"))
        .collect();
    text += &format!(
        "migrated: {} applied, {already_applied} had been before ({elapsed_ms} ms)\n",
        applied.len()
    );
    text
}
