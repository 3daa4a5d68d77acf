//! The database: connect, migrate, seed, read. The only SQL of the project.

mod answer;
mod ask;
mod catalog;
mod connection;
mod error;
mod holder;
mod interrupt;
mod lineage;
mod lock;
mod metadata;
mod migrate;
mod private;
mod read;
mod references;
mod seed;
mod shape;
mod sql;
mod triggers;
mod whole_rows;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, GenericClient};

pub use answer::PgError;
pub use catalog::read_schema;
pub(crate) use error::DatabaseError;
pub use interrupt::cancel_statements;
pub(crate) use lineage::identity;
pub(crate) use metadata::TableVersion;
pub(crate) use migrate::{
    AppliedMigrations, MigrationError, load_migrations, migrate, pending_migrations,
};
pub(crate) use read::ReadError;
pub use read::SnapshotReader;
pub(crate) use seed::{
    Input, Plan, PlanOptions, PlannedChange, PlannedCounts, PlannedRow, PlannedTable, SeedError,
    SeedOptions, SeedReport, SeededTable, Unchanged, begin_seed, connected_only, judge_unique,
    plan, seed, still_dangling, unchanged, unchanged_each,
};
pub(crate) use shape::read_shape;
pub(crate) use triggers::missing_triggers_sql;
pub use whole_rows::{WhichRows, fills};

use crate::config::Config;
use connection::{Destination, Patience};
use embedded_postgres::Embedded;

/// A connection, and the server behind it where that is our own.
pub(crate) struct Database {
    client: Client,
    connection: JoinHandle<()>,
    session: interrupt::Registered,
    embedded: Option<Embedded>,
    /// Where the database is, for people; without a password.
    pub target: String,
}

/// The name of the database within the embedded server.
const EMBEDDED_DATABASE: &str = "tablecast";

impl Database {
    /// What whoever started the embedded server should know: where its data is, if that
    /// is not where they would look.
    pub(crate) fn notes(&self) -> &[String] {
        self.embedded
            .as_ref()
            .map_or(&[], |embedded| &embedded.notes)
    }

    /// Connects to the configured database, or starts the embedded one.
    ///
    /// `purpose` names the command to whoever looks at the server's sessions.
    ///
    /// # Errors
    /// Where there is no such server, or it lets us not in.
    pub(crate) async fn open(config: &Config, purpose: &str) -> Result<Self, DatabaseError> {
        match &config.database_url {
            Some(url) => Self::connect(url, purpose, config).await,
            None => {
                let embedded = Embedded::start(&config.state).await?;
                private::create_database(&embedded, config, EMBEDDED_DATABASE).await?;
                Self::within(embedded, EMBEDDED_DATABASE, purpose, config).await
            }
        }
    }

    /// Starts the embedded server with an empty database that is dropped at the end.
    ///
    /// # Errors
    /// Where there is no such server.
    pub(crate) async fn open_scratch(
        config: &Config,
        purpose: &str,
    ) -> Result<Self, DatabaseError> {
        let embedded = Embedded::start(&config.state).await?;
        let name = private::scratch_name();
        for left in private::left_by_the_dead(&embedded, config).await? {
            private::drop_database(&embedded, config, &left).await?;
        }
        private::create_database(&embedded, config, &name).await?;
        let mut database = Self::within(embedded, &name, purpose, config).await?;
        database.target = name;
        Ok(database)
    }

    /// Drops the database that [`Database::open_scratch`] made, and ends the connection.
    ///
    /// # Errors
    /// Where the server does not do it.
    pub(crate) async fn close_scratch(self, config: &Config) -> Result<(), DatabaseError> {
        let name = self.target.clone();
        let embedded = self.disconnect().await;
        if let Some(embedded) = embedded {
            private::drop_database(&embedded, config, &name).await?;
            embedded.stop().await?;
        }
        Ok(())
    }

    /// The connection.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether the connection has ended, as it does when the server goes.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Ends the connection, and the server where it is our own.
    ///
    /// # Errors
    /// Where our own server does not stop.
    pub(crate) async fn close(self) -> Result<(), DatabaseError> {
        match self.disconnect().await {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }

    async fn disconnect(self) -> Option<Embedded> {
        drop(self.client);
        // The connection ends by itself once its client is gone; one whose way is blocked does not.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.connection).await;
        self.session.ended();
        self.embedded
    }

    async fn connect(url: &str, purpose: &str, config: &Config) -> Result<Self, DatabaseError> {
        let destination = Destination::of_url(url, Patience::of(config))?;
        Self::establish(destination, None, purpose, config).await
    }

    async fn within(
        embedded: Embedded,
        database: &str,
        purpose: &str,
        config: &Config,
    ) -> Result<Self, DatabaseError> {
        private::create_extensions(&embedded, database, config).await?;
        let options = embedded.config_of_owner(database);
        let data = embedded.elsewhere().unwrap_or(&config.state);
        let target = format!("the embedded PostgreSQL in {}", data.display());
        let destination = Destination::new(options, target, Patience::of(config));
        Self::establish(destination, Some(embedded), purpose, config).await
    }

    async fn establish(
        destination: Destination,
        embedded: Option<Embedded>,
        purpose: &str,
        config: &Config,
    ) -> Result<Self, DatabaseError> {
        let destination = destination.called(&format!("tablecast {purpose}"));
        let quiet = config.quiet;
        let waiting = |text: &str| {
            if !quiet {
                eprint!("{text}");
            }
        };
        let (client, connection) = destination.connect(waiting).await?;
        let session = interrupt::register(client.cancel_token(), destination.clone());
        let target = destination.target;
        let set_up = set_up_session(&client, config).await;
        set_up.map_err(|source| DatabaseError::Connect {
            target: target.clone(),
            source: source.into(),
        })?;
        Ok(Self {
            client,
            connection,
            session,
            embedded,
            target,
        })
    }
}

/// Gives the session our settings, whatever the server, the role or a migration has set.
async fn set_up_session(
    client: &impl GenericClient,
    config: &Config,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&session_settings(config)).await
}

// Nothing that the server or a role is configured to do reaches the bytes; a server that
// hangs does not hang us; and rows that a policy hides from us are an error, not missing.
fn session_settings(config: &Config) -> String {
    format!(
        "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; \
         SET default_transaction_isolation = 'read committed'; SET row_security = off; \
         SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; \
         SET bytea_output = 'hex'; SET extra_float_digits = 1; SET lc_monetary = 'C'; \
         SET client_encoding = 'UTF8'; \
         SET standard_conforming_strings = on; SET quote_all_identifiers = off; \
         SET jit = off; SET client_min_messages = warning; \
         SET search_path = {}; SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = '10min'; {LOOK}",
        sql::identifier(&config.schema),
        config.statement_timeout.as_millis(),
        // None at all would be 0 to PostgreSQL.
        config.lock_timeout.as_millis().max(1),
    )
}

// A server that looks whether we are still there ends what a killed program had begun, also
// while that waits for a lock. Where a server cannot look, the setting would be an error.
// Source: https://www.postgresql.org/docs/current/runtime-config-connection.html
const LOOK: &str = "SELECT pg_catalog.set_config(name, '1s', false) FROM pg_catalog.pg_settings \
                    WHERE name = 'client_connection_check_interval' \
                      AND pg_catalog.version() LIKE '%linux%'";
