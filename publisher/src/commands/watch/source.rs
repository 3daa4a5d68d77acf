//! The files of a round. Those that are as they were are neither read nor written again.

use std::collections::BTreeMap;

use snapshot_format::TableKey;

use super::super::context::Context;
use super::super::source::{SeedFlags, Source};
use super::super::source::{list_files, refuse, validate_files, without};
use crate::database::{connected_only, unchanged_each};
use crate::error::Error;
use crate::schema::Schema;
use crate::source::{Known, Problems, Remembered};

/// Validates the files, which must have no problem, as `seed` does. A table whose file and
/// rows are as they were is not among those to be seeded, also where another file refers to
/// it: then its file is read for its keys alone, and only the first time.
pub(super) async fn read(
    context: &mut Context,
    flags: &SeedFlags,
    schema: Schema,
    remembered: &mut Remembered,
) -> Result<Source, Error> {
    flags.check(&schema)?;
    let mut problems = Problems::default();
    let files = list_files(&context.config, &schema, &mut problems)?;
    let unchanged = if flags.recheck() {
        Vec::new()
    } else {
        let client = context.database.client();
        unchanged_each(client, &context.config, &schema, &files).await?
    };
    let same: BTreeMap<TableKey, blake3::Hash> = unchanged
        .iter()
        .map(|table| (table.key.clone(), table.hash))
        .collect();
    let apart = connected_only(&schema, &files, unchanged.clone());
    let files = without(files, &apart);
    let known = Known {
        same: &same,
        remembered,
    };
    let validated = validate_files(context, &schema, &files, &mut problems, Some(known)).await?;
    if !problems.is_empty() {
        return Err(refuse(
            problems,
            &context.config.source,
            "nothing was seeded",
        ));
    }
    let changed = validated.tables.into_iter();
    Ok(Source {
        tables: changed
            .filter(|table| !same.contains_key(&table.key))
            .collect(),
        schema,
        unchanged,
    })
}
