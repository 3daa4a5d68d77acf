//! `publisher types`

use clap::Args;

use super::context::Context;
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::print;
use crate::types::{json_schema, typescript};

/// Flags of `publisher types`.
///
/// With a database URL the types are those of that database's tables; without one, of
/// the migrations, applied to an empty private database that is dropped at the end.
#[derive(Debug, Args)]
pub(crate) struct TypesArgs {
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
    let version = config.schema_version;
    let tables = async |context: &mut Context| {
        let schema = context.schema().await?;
        context.config.check(&schema)?;
        Ok(schema)
    };
    let schema = Context::beside_tables(config, common.output, "types", tables).await?;
    if common.output.json {
        common.output.report(&json_schema(&schema, version))
    } else {
        print(&typescript(&schema))
    }
}
