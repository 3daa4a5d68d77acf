//! What an operator is warned of, whatever the command.

use snapshot_store::{DirectoryStore, Settled};

use crate::error::Error;
use crate::output::{Output, warn};
use crate::schema::{Part, Schema, Table};

/// Gives what lies in the store the mode that its settings name, and says so.
pub(super) async fn settle_mode(store: &DirectoryStore, output: Output) -> Result<(), Error> {
    let Settled {
        files,
        folders,
        kept,
        linked,
        root,
    } = store.settle_mode().await?;
    let mode = store.mode();
    if files + folders > 0 {
        output.say(&format!(
            "store: {files} files have mode {mode} now, and {folders} folders {:04o}\n",
            mode.folder()
        ));
    }
    if let Some((path, found)) = kept.first() {
        eprintln!(
            "warning: {} has mode {found:04o} and belongs to another user{}; with store_mode {mode} it should be open to more",
            path.display(),
            also(kept.len() - 1)
        );
    }
    if let Some((path, found)) = linked.first() {
        eprintln!(
            "warning: {} has mode {found:04o} and other names too (hard links){}, so its mode was left; with store_mode {mode} it should be open to more",
            path.display(),
            also(linked.len() - 1)
        );
    }
    if let Some(found) = root {
        let root = store.root().display();
        eprintln!(
            "warning: {root} has mode {found:04o}, so not everybody who may read its files gets in; `chmod {:04o} {root}`, or set store_mode",
            found | mode.folder()
        );
    }
    Ok(())
}

fn also(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", as does 1 more".to_owned(),
        _ => format!(", as do {others} more"),
    }
}

/// Says which published tables can change without a trace.
pub(super) fn warn_of_missing_triggers(schema: &Schema) {
    let mut can_be_mended = false;
    for table in &schema.tables {
        if !table.missing_triggers.is_empty() {
            can_be_mended = true;
            warn(&format!(
                "table {} has no trigger that records {}; its changes do not raise the reference \
                 version",
                table.name,
                table.missing_triggers.join(", ")
            ));
        }
        for part in &table.untracked_parts {
            can_be_mended |= !part.is_foreign;
            warn(&untracked(part, table));
        }
    }
    if can_be_mended {
        warn("write the missing migration by `publisher migrate --print-triggers`");
    }
}

fn untracked(part: &Part, table: &Table) -> String {
    let (name, table) = (&part.name, &table.name);
    if part.is_foreign {
        format!(
            "table {name}, a part of {table}, is a foreign table, on which no trigger can record \
             changes; they do not raise the reference version"
        )
    } else {
        format!(
            "table {name}, a part of {table}, has no trigger that records {}; changes that name it \
             do not raise the reference version",
            part.missing_triggers.join(", ")
        )
    }
}
