//! The databases within the private server: made, extended and dropped by its superuser.

use embedded_postgres::{Embedded, OWN_PUBLIC, OWNER, bounds_of};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio_postgres::Client;

use super::connection::{Destination, Patience};
use super::error::DatabaseError;
use super::sql;
use crate::config::Config;
use crate::database::ask::Ask;

/// What the name of a scratch database begins with; the number of its process follows.
const SCRATCH: &str = "tablecast_scratch_";

/// The name of the database that this process makes and drops again.
pub(super) fn scratch_name() -> String {
    format!("{SCRATCH}{}", std::process::id())
}

/// Makes a database for the owner, where there is none; whole, or the next start goes on.
pub(super) async fn create_database(
    embedded: &Embedded,
    config: &Config,
    name: &str,
) -> Result<(), DatabaseError> {
    let client = maintenance(embedded, config).await?;
    let failed = |source| DatabaseError::query("create the database", source);
    // Two starts at once may both want it: the second waits here, and finds it made.
    client.batch_execute(ONE_AT_A_TIME).await.map_err(failed)?;
    let row = client.query_one(HOW_FAR, &[&name, &OWNER]).await;
    let (exists, complete): (bool, bool) = row
        .and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .map_err(|source| DatabaseError::query("look for the database", source))?;
    if !exists {
        let statement = format!(
            "CREATE DATABASE {} TEMPLATE template0",
            sql::identifier(name)
        );
        client.batch_execute(&statement).await.map_err(failed)?;
    }
    if !complete {
        let within = superuser(embedded, config, name).await?;
        within.batch_execute(OWN_PUBLIC).await.map_err(failed)?;
    }
    // Last comes what makes it complete, so that the next start goes on where a killed one ended.
    let bounds = client.batch_execute(&bounds_of(name)).await;
    bounds.map_err(failed)
}

const ONE_AT_A_TIME: &str =
    "SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext('tablecast databases'))";

const HOW_FAR: &str = "
    SELECT count(*) = 1,
           coalesce(bool_or(pg_catalog.has_database_privilege($2, oid, 'CREATE')), false)
    FROM pg_catalog.pg_database WHERE datname = $1";

/// A run that was interrupted or killed may have left its database, one of this process's own
/// number among them.
pub(super) async fn left_by_the_dead(
    embedded: &Embedded,
    config: &Config,
) -> Result<Vec<String>, DatabaseError> {
    let client = maintenance(embedded, config).await?;
    let query = "SELECT datname FROM pg_catalog.pg_database
                 WHERE pg_catalog.starts_with(datname::text, $1)";
    let names = client.query(query, &[&SCRATCH]).await;
    let names = names.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
    let names: Vec<String> =
        names.map_err(|source| DatabaseError::query("look for scratch databases", source))?;
    let left = names.into_iter().filter(|name| {
        let process = name[SCRATCH.len()..].parse().map(Pid::from_raw);
        process
            .is_ok_and(|process| process == Pid::this() || kill(process, None) == Err(Errno::ESRCH))
    });
    Ok(left.collect())
}

/// Those that the settings name: only a superuser makes them. Asked beforehand, so that nothing
/// else runs as the superuser in a database that is there already.
pub(super) async fn create_extensions(
    embedded: &Embedded,
    database: &str,
    config: &Config,
) -> Result<(), DatabaseError> {
    if config.extensions.is_empty() {
        return Ok(());
    }
    let client = superuser(embedded, config, database).await?;
    for name in &config.extensions {
        let failed = |source| DatabaseError::query(format!("create the extension {name}"), source);
        let query = "SELECT FROM pg_catalog.pg_extension WHERE extname = $1";
        if client
            .query_opt(query, &[name])
            .await
            .map_err(failed)?
            .is_none()
        {
            let schema = sql::identifier(&config.schema);
            let create = format!(
                "SET search_path = pg_catalog; CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {OWNER};
                 CREATE EXTENSION {} SCHEMA {schema} CASCADE",
                sql::identifier(name)
            );
            client.batch_execute(&create).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Ends whoever is in it.
pub(super) async fn drop_database(
    embedded: &Embedded,
    config: &Config,
    name: &str,
) -> Result<(), DatabaseError> {
    let statement = format!(
        "DROP DATABASE IF EXISTS {} WITH (FORCE)",
        sql::identifier(name)
    );
    let client = maintenance(embedded, config).await?;
    client.run("drop the scratch database", &statement).await
}

async fn maintenance(embedded: &Embedded, config: &Config) -> Result<Client, DatabaseError> {
    superuser(embedded, config, "postgres").await
}

async fn superuser(
    embedded: &Embedded,
    config: &Config,
    database: &str,
) -> Result<Client, DatabaseError> {
    let mut options = embedded.config(database);
    // Nothing that the owner of a database has put into it is called by the superuser: not an
    // operator of his, by a path that he has set for the database.
    options.options("-c search_path=pg_catalog");
    let target = "the embedded PostgreSQL".to_owned();
    let destination = Destination::new(options, target, Patience::of(config));
    let (client, _) = destination.connect(|_| {}).await?;
    Ok(client)
}
