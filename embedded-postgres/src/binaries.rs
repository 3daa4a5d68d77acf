//! Where the installed PostgreSQL programs are.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::EmbeddedError;
use crate::install::search_path;

/// Where packages put the programs: `(folder, start of a version's name, what follows it)`.
const PLACES: [(&str, &str, &str); 9] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // Red Hat, from postgresql.org
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew, Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew, Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"), // Homebrew, Linux
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"), // Postgres.app
    ("/opt/local/lib", "postgresql", "bin"),     // MacPorts
    ("/usr/lib", "postgresql", "bin"),           // openSUSE
];

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binaries {
    major: u32,
    folder: PathBuf,
}

impl Binaries {
    pub(crate) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Finds the programs: those that `data` was made by, or the newest where it is yet to be made.
pub(crate) fn find(data: &Path, data_major: Option<u32>) -> Result<Binaries, EmbeddedError> {
    let installed = installed()?;
    let Some(wanted) = data_major else {
        return installed
            .into_iter()
            .next_back()
            .ok_or(EmbeddedError::NotInstalled);
    };
    let found = installed.iter().map(|binaries| binaries.major).collect();
    installed
        .into_iter()
        .find(|binaries| binaries.major == wanted)
        .ok_or_else(|| EmbeddedError::OtherMajor {
            data: data.to_owned(),
            wanted,
            found,
        })
}

/// Every PostgreSQL in sight, the newest last.
fn installed() -> Result<BTreeSet<Binaries>, EmbeddedError> {
    let named = env::var_os("TABLECAST_PG_BIN").filter(|folder| !folder.is_empty());
    if let Some(folder) = named.map(PathBuf::from) {
        let binaries = inspect(&folder).ok_or(EmbeddedError::NotInOverride(folder))?;
        return Ok(BTreeSet::from([binaries]));
    }
    let folders: BTreeSet<PathBuf> = search_path()
        .into_iter()
        .chain(PLACES.into_iter().flat_map(folders_of_package))
        .filter_map(|folder| real_folder(&folder))
        .collect();
    Ok(folders
        .iter()
        .filter_map(|folder| inspect(folder))
        .collect())
}

fn folders_of_package((parent, prefix, rest): (&str, &str, &str)) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(rest))
        .collect()
}

/// Follows `postgres` to where it really lies: `initdb` is its neighbour there, and not
/// always beside the link.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    Some(postgres.parent()?.to_owned())
}

fn inspect(folder: &Path) -> Option<Binaries> {
    let folder = real_folder(folder)?;
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { major, folder })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is of major version 15.
fn major_of(version: &str) -> Option<u32> {
    let number = version.strip_prefix("postgres (PostgreSQL) ")?;
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("postgres (PostgreSQL) 17\n"), Some(17));
        assert_eq!(major_of("mysqld  Ver 9.1\n"), None);
    }
}
