//! `publisher types`

use clap::Args;

use super::migrate::migrate_database;
use super::open_database;
use crate::config::Config;
use crate::database::{Database, read_schema};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::schema::Schema;
use crate::types::{json_schema, typescript};

/// Flags of `publisher types`.
///
/// With a database URL the types are those of that database's tables; without one, of
/// the migrations, applied to an empty private database that is dropped at the end.
#[derive(Debug, Args)]
pub struct TypesArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    sql: SqlFlag,
    #[command(flatten)]
    out: OutFlags,
}

/// Prints the types on standard output.
pub(crate) async fn run(args: TypesArgs) -> Result<(), Error> {
    let TypesArgs { common, sql, out } = args;
    let config = common.settle(&SourceFlag::default(), &sql, &out)?;
    let schema = match config.database_url {
        Some(_) => schema_of_server(&config, &common).await?,
        None => schema_of_migrations(&config, &common).await?,
    };
    config.check(&schema)?;
    if common.json {
        common.print_json(&json_schema(&schema, config.schema_version))
    } else {
        print(&typescript(&schema))
    }
}

async fn schema_of_server(config: &Config, common: &Common) -> Result<Schema, Error> {
    let mut database = open_database(config, common, "types").await?;
    let schema = read_schema(database.client(), config).await?;
    database.close().await?;
    Ok(schema)
}

async fn schema_of_migrations(config: &Config, common: &Common) -> Result<Schema, Error> {
    let mut database = Database::open_scratch(config, "types").await?;
    let quiet = Common {
        quiet: true,
        ..common.clone()
    };
    let schema = async {
        migrate_database(&mut database, config, &quiet).await?;
        Ok(read_schema(database.client(), config).await?)
    };
    let schema = schema.await;
    database.close_scratch(config).await?;
    schema
}

fn print(text: &str) -> Result<(), Error> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough (`| head`) is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Usage(format!(
            "failed to write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}
