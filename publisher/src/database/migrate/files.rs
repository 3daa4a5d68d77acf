//! The folder of migrations.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::MigrationError;

/// One file of the migrations folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Migration {
    /// The number behind the `V`.
    pub version: i64,
    /// The file's name.
    pub file: String,
    /// Its text.
    pub sql: String,
    /// BLAKE3 of its text, line ends taken as `\n`: a checkout on Windows is no edit.
    pub checksum: String,
}

/// Reads the migrations of a folder, in order.
///
/// # Errors
/// Where a file cannot be read, has another name, or shares its number.
pub(crate) fn load_migrations(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MigrationError::Read { path, source }
    };
    let mut migrations: BTreeMap<i64, Migration> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !file.ends_with(".sql") || file.starts_with('.') {
            continue;
        }
        let version = version_of(&file).ok_or_else(|| MigrationError::Name(file.clone()))?;
        let sql = snapshot_store::read_to_string(&path).map_err(failed(&path))?;
        // Some editors begin a file with a mark that PostgreSQL does not know.
        let sql = sql.strip_prefix('\u{feff}').unwrap_or(&sql).to_owned();
        let checksum = blake3::hash(sql.replace("\r\n", "\n").as_bytes()).to_string();
        let migration = Migration {
            version,
            file,
            sql,
            checksum,
        };
        if let Some(other) = migrations.insert(version, migration.clone()) {
            let (first, second) = (other.file.min(migration.file.clone()), migration.file);
            return Err(MigrationError::SameNumber(first, second));
        }
    }
    Ok(migrations.into_values().collect())
}

pub(super) fn version_of(file: &str) -> Option<i64> {
    let (number, name) = file
        .strip_prefix('V')?
        .strip_suffix(".sql")?
        .split_once("__")?;
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    (digits && !name.is_empty()).then(|| number.parse().ok())?
}

/// White space, comments and semicolons are no statement.
pub(super) fn has_no_statement(sql: &str) -> bool {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            return rest.is_empty();
        }
    }
}

// PostgreSQL's comments have comments in them.
fn behind_comment(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let ends = (rest.find("*/"), rest.find("/*"));
        rest = match ends {
            (Some(end), Some(begin)) if begin < end => {
                depth += 1;
                &rest[begin + 2..]
            }
            (Some(end), _) => {
                depth -= 1;
                &rest[end + 2..]
            }
            (None, _) => return "",
        };
    }
    rest
}
