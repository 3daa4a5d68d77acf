//! The commands: each a list of steps, in the order of `docs/cli.md`.

pub mod bundle;
pub mod check;
pub mod database;
pub mod diff;
pub mod guards;
pub mod history;
pub mod job;
pub mod migrate;
pub mod parity;
pub mod plan;
pub mod preflight;
pub mod prune;
pub mod publish;
pub mod resume;
pub mod rollback;
pub mod run;
pub mod seed;
pub mod show;
pub mod types;
pub mod verify;
pub mod watch;

use snapshot_store::{DirectoryStore, Settled};

use crate::config::Config;
use crate::database::Database;
use crate::error::Error;
use crate::flags::Common;
use crate::schema::{Part, Schema, Table};

/// Resolves at the first Ctrl-C or SIGTERM behind the call.
pub fn interrupt() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Does work that blocks, away from the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Opens the database, and passes on what it has to say.
async fn open_database(config: &Config, common: &Common, purpose: &str) -> Result<Database, Error> {
    let database = Database::open(config, purpose).await?;
    for note in database.notes() {
        common.say(&format!("{note}\n"));
    }
    Ok(database)
}

/// Gives what lies in the store the mode that its settings name, and says so.
async fn settle_mode(store: &DirectoryStore, say: impl Fn(&str)) -> Result<(), Error> {
    let Settled {
        files,
        folders,
        kept,
        linked,
        root,
    } = store.settle_mode().await?;
    let mode = store.mode();
    if files + folders > 0 {
        say(&format!(
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
fn warn_of_missing_triggers(common: &Common, schema: &Schema) {
    let mut can_be_mended = false;
    for table in &schema.tables {
        if !table.missing_triggers.is_empty() {
            can_be_mended = true;
            common.warn(&format!(
                "table {} has no trigger that records {}; its changes do not raise the reference \
                 version",
                table.name,
                table.missing_triggers.join(", ")
            ));
        }
        for part in &table.untracked_parts {
            can_be_mended |= !part.is_foreign;
            common.warn(&untracked(part, table));
        }
    }
    if can_be_mended {
        common.warn("write the missing migration by `publisher migrate --print-triggers`");
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
