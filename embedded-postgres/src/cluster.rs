//! The data folder: made whole or not at all (E3), and looked at before it is used.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use snapshot_store::Folder;

use crate::binaries::Binaries;
use crate::error::{EmbeddedError, Said};
use crate::files::new_folder;
use crate::home::Home;

/// What the name of an unfinished data folder begins with.
const UNFINISHED: &str = "postgres.new-";

/// The major version that wrote the data folder; `None` where it is yet to be made.
pub(crate) fn major(data: &Path) -> Result<Option<u32>, EmbeddedError> {
    let not_a_cluster = || EmbeddedError::NotACluster(data.to_owned());
    let read = || {
        let version = Folder::open(data)?.read("PG_VERSION")?;
        String::from_utf8(version).map_err(|_| io::Error::from(ErrorKind::InvalidData))
    };
    match read() {
        Ok(version) => version
            .trim()
            .parse()
            .map(Some)
            .map_err(|_| not_a_cluster()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if is_absent_or_empty(data)? {
                Ok(None)
            } else {
                Err(not_a_cluster())
            }
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotADirectory | ErrorKind::InvalidData
            ) =>
        {
            Err(not_a_cluster())
        }
        Err(error) => Err(EmbeddedError::path(data)(error)),
    }
}

/// Makes the data folder beside its place and renames it, so that a run killed
/// half-way leaves nothing that looks like one.
pub(crate) async fn create(home: &Home, binaries: &Binaries) -> Result<(), EmbeddedError> {
    let parent = home.parent();
    let unfinished = new_folder(parent, UNFINISHED)?;
    home.give(unfinished.path())?;
    initdb(home, binaries, unfinished.path()).await?;
    fs::rename(unfinished.path(), &home.data).map_err(EmbeddedError::path(&home.data))?;
    // Its name has changed: there is nothing left for the guard to remove.
    let _ = unfinished.keep();
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(EmbeddedError::path(parent))
}

async fn initdb(home: &Home, binaries: &Binaries, data: &Path) -> Result<(), EmbeddedError> {
    let program = binaries.initdb();
    let mut command = tokio::process::Command::from(home.command(&program));
    command.arg("--pgdata").arg(data);
    // The same on every machine; an order that matters is spelled out in the queries.
    command.args(["--locale=C", "--encoding=UTF8", "--username=postgres"]);
    // Whoever gets to the socket (E4) is its owner or root.
    command.arg("--auth=trust");
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(EmbeddedError::run(&program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let source = Said::last_of(&String::from_utf8_lossy(&said));
    Err(EmbeddedError::Create {
        data: home.data.clone(),
        source,
    })
}

/// Clears away what killed runs left, also those whose successor has made the data since.
/// Only an attempt: an orphaned initdb may still be writing there, and each run has a name
/// of its own anyway.
pub(crate) fn remove_unfinished(home: &Home) {
    let entries = fs::read_dir(home.parent()).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED))
    {
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn is_absent_or_empty(data: &Path) -> Result<bool, EmbeddedError> {
    match fs::read_dir(data) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(EmbeddedError::path(data)(error)),
    }
}
