//! The database: connect, migrate, seed, read. The only SQL of the project.

mod catalog;
mod defaults;
pub mod embedded;
mod error;
mod gate;
mod hazards;
mod judge;
mod lock;
mod metadata;
mod migrate;
mod plan;
mod planned_rows;
mod read;
mod recheck;
mod seed;
mod sequences;
mod sql;
mod stage;
mod tls;
mod unique;
mod whole_rows;
mod write;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, GenericClient, NoTls};

pub use catalog::read_schema;
pub use embedded::{Embedded, EmbeddedError};
pub use error::{DatabaseError, PgError};
pub use gate::{Unchanged, unchanged};
pub use judge::judge_unique;
pub use lock::Holder;
pub use metadata::{TableVersion, reference_versions};
pub use migrate::{
    AppliedMigrations, Migration, MigrationError, load_migrations, migrate, pending_migrations,
};
pub use plan::{Plan, PlanOptions, PlannedCounts, PlannedTable, plan};
pub use planned_rows::{PlannedChange, PlannedRow};
pub use read::{ReadError, SnapshotReader, TableRows};
pub use seed::{SeedError, SeedOptions, SeedReport, SeededTable, seed, still_dangling};
pub use sql::missing_triggers_sql;
pub use whole_rows::{WhichRows, constant_defaults};

use crate::config::Config;

/// A connection, and the server behind it where that is our own.
pub struct Database {
    client: Client,
    connection: JoinHandle<()>,
    embedded: Option<Embedded>,
    /// Where the database is, for people; without a password.
    pub target: String,
}

/// The name of the database within the embedded server.
const EMBEDDED_DATABASE: &str = "tablecast";

impl Database {
    /// What whoever started the embedded server should know: where its data is, if that
    /// is not where they would look.
    pub fn notes(&self) -> &[String] {
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
    pub async fn open(config: &Config, purpose: &str) -> Result<Self, DatabaseError> {
        match &config.database_url {
            Some(url) => Self::connect(url, purpose, config).await,
            None => {
                let embedded = Embedded::start(&config.state).await?;
                create_database(&embedded, EMBEDDED_DATABASE).await?;
                Self::within(embedded, EMBEDDED_DATABASE, purpose, config).await
            }
        }
    }

    /// Starts the embedded server with an empty database that is dropped at the end.
    ///
    /// # Errors
    /// Where there is no such server.
    pub async fn open_scratch(config: &Config, purpose: &str) -> Result<Self, DatabaseError> {
        let embedded = Embedded::start(&config.state).await?;
        // A killed run may have left its database, so the name is this process's own.
        let name = format!("tablecast_scratch_{}", std::process::id());
        drop_database(&embedded, &name).await?;
        create_database(&embedded, &name).await?;
        let mut database = Self::within(embedded, &name, purpose, config).await?;
        database.target = name;
        Ok(database)
    }

    /// Drops the database that [`Database::open_scratch`] made, and ends the connection.
    ///
    /// # Errors
    /// Where the server does not do it.
    pub async fn close_scratch(self) -> Result<(), DatabaseError> {
        let name = self.target.clone();
        let embedded = self.disconnect().await;
        if let Some(embedded) = embedded {
            drop_database(&embedded, &name).await?;
            embedded.stop().await?;
        }
        Ok(())
    }

    /// The connection.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether the connection has ended, as it does when the server goes.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Ends the connection, and the server where it is our own.
    ///
    /// # Errors
    /// Where our own server does not stop.
    pub async fn close(self) -> Result<(), DatabaseError> {
        match self.disconnect().await {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }

    async fn disconnect(self) -> Option<Embedded> {
        drop(self.client);
        // The connection ends by itself once its client is gone.
        let _ = self.connection.await;
        self.embedded
    }

    async fn connect(url: &str, purpose: &str, config: &Config) -> Result<Self, DatabaseError> {
        let mut options: tokio_postgres::Config = url.parse().map_err(DatabaseError::Url)?;
        if options.get_connect_timeout().is_none() {
            options.connect_timeout(Duration::from_secs(10));
        }
        let target = describe(&options);
        Self::establish(options, target, None, purpose, config).await
    }

    async fn within(
        embedded: Embedded,
        database: &str,
        purpose: &str,
        config: &Config,
    ) -> Result<Self, DatabaseError> {
        let options = embedded.config(database);
        let target = format!("the embedded PostgreSQL in {}", config.state.display());
        Self::establish(options, target, Some(embedded), purpose, config).await
    }

    async fn establish(
        mut options: tokio_postgres::Config,
        target: String,
        embedded: Option<Embedded>,
        purpose: &str,
        config: &Config,
    ) -> Result<Self, DatabaseError> {
        options.application_name(format!("tablecast {purpose}"));
        let failed = |source: tokio_postgres::Error| DatabaseError::Connect {
            target: target.clone(),
            source: source.into(),
        };
        let (client, connection) = match options.get_ssl_mode() {
            SslMode::Require => {
                let connector = tls::connector()?;
                let (client, connection) = options.connect(connector).await.map_err(failed)?;
                (client, spawn(connection))
            }
            // `prefer` asks for an encryption that nobody has to trust; over a socket or
            // a loopback it would only cost.
            _ => {
                let (client, connection) = options.connect(NoTls).await.map_err(failed)?;
                (client, spawn(connection))
            }
        };
        set_up_session(&client, config).await.map_err(failed)?;
        Ok(Self {
            client,
            connection,
            embedded,
            target,
        })
    }
}

// Whoever waits for an answer is told the connection's error; here it would be said twice.
fn spawn<S, T>(connection: tokio_postgres::Connection<S, T>) -> JoinHandle<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let _ = connection.await;
    })
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
         SET standard_conforming_strings = on; SET jit = off; SET client_min_messages = warning; \
         SET search_path = {}; SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = '10min'",
        sql::identifier(&config.schema),
        config.statement_timeout.as_millis(),
        // None at all would be 0 to PostgreSQL.
        config.lock_timeout.as_millis().max(1),
    )
}

fn describe(options: &tokio_postgres::Config) -> String {
    let hosts = options
        .get_hosts()
        .iter()
        .zip(options.get_ports().iter().chain([&5432].repeat(9)));
    let hosts: Vec<String> = hosts
        .map(|(host, port)| match host {
            tokio_postgres::config::Host::Tcp(name) => format!("{name}:{port}"),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    format!(
        "{} on {}",
        options.get_dbname().unwrap_or("the database"),
        hosts.join(", ")
    )
}

async fn create_database(embedded: &Embedded, name: &str) -> Result<(), DatabaseError> {
    // Two starts at once may both want it; the second finds it made.
    let client = maintenance(embedded).await?;
    let exists = client
        .query_opt(
            "SELECT FROM pg_catalog.pg_database WHERE datname = $1",
            &[&name],
        )
        .await
        .map_err(|source| DatabaseError::query("look for the database", source))?;
    if exists.is_some() {
        return Ok(());
    }
    let statement = format!(
        "CREATE DATABASE {} TEMPLATE template0",
        sql::identifier(name)
    );
    match client.batch_execute(&statement).await {
        Err(error) if error::is_one_of(&error, &["42P04", "23505"]) => Ok(()),
        other => other.map_err(|source| DatabaseError::query("create the database", source)),
    }
}

async fn drop_database(embedded: &Embedded, name: &str) -> Result<(), DatabaseError> {
    let statement = format!(
        "DROP DATABASE IF EXISTS {} WITH (FORCE)",
        sql::identifier(name)
    );
    let client = maintenance(embedded).await?;
    let dropped = client.batch_execute(&statement).await;
    dropped.map_err(|source| DatabaseError::query("drop the scratch database", source))
}

async fn maintenance(embedded: &Embedded) -> Result<Client, DatabaseError> {
    let options = embedded.config("postgres");
    let (client, connection) =
        options
            .connect(NoTls)
            .await
            .map_err(|source| DatabaseError::Connect {
                target: "the embedded PostgreSQL".into(),
                source: source.into(),
            })?;
    spawn(connection);
    Ok(client)
}
