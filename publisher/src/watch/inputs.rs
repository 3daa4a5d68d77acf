//! What a round is about: the files, by their contents.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use blake3::Hash;

/// Where the files are that a round reads, as absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// The folder of JSON files.
    pub source: PathBuf,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// The settings file, which may be missing.
    pub settings: PathBuf,
}

impl Places {
    /// Whether a change of `path` may be a change of the inputs. What stands beside the
    /// folders and the settings is none, unless a link may lead to it.
    pub(crate) fn concern(&self, path: &Path) -> bool {
        let folders = [&self.source, &self.migrations];
        let ours = |folder: &PathBuf| path == folder || path.parent() == Some(folder);
        let above = folders.map(|folder| folder.parent());
        let beside = path.parent() == self.settings.parent() || above.contains(&path.parent());
        let may_be_linked = is_file_name(path, "json") || is_file_name(path, "sql");
        path == self.settings || folders.into_iter().any(ours) || !beside || may_be_linked
    }

    /// Whether `path` is one of the files that are read.
    pub(crate) fn read(&self, path: &Path) -> bool {
        let named = |folder: &Path, extension: &str| {
            path.parent() == Some(folder) && is_file_name(path, extension)
        };
        path == self.settings || named(&self.source, "json") || named(&self.migrations, "sql")
    }
}

/// The contents of all files, by their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    source: Option<Contents>,
    migrations: Option<Contents>,
    settings: Option<Hash>,
}

// A file that cannot be read has no hash; whoever reads it next says why.
type Contents = BTreeMap<String, Option<Hash>>;

impl Inputs {
    /// Reads every file. What is not there, or cannot be read, is noted as that.
    pub(crate) fn look(places: &Places) -> Self {
        Self {
            source: contents(&places.source, "json"),
            migrations: contents(&places.migrations, "sql"),
            settings: hash_of(&places.settings),
        }
    }

    /// The names of the files that differ, in order: those of the settings, of migrations,
    /// of tables.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut names = Vec::new();
        if self.settings != before.settings {
            names.push("tablecast.toml".to_owned());
        }
        names.extend(differences(&before.migrations, &self.migrations));
        names.extend(differences(&before.source, &self.source));
        names
    }

    /// Whether the migrations are others.
    pub(crate) fn has_other_migrations(&self, than: &Self) -> bool {
        self.migrations != than.migrations
    }

    /// Whether the settings are others.
    pub(crate) fn has_other_settings(&self, than: &Self) -> bool {
        self.settings != than.settings
    }
}

fn differences(before: &Option<Contents>, after: &Option<Contents>) -> Vec<String> {
    let none = Contents::new();
    let (before, after) = (
        before.as_ref().unwrap_or(&none),
        after.as_ref().unwrap_or(&none),
    );
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    differing.cloned().collect()
}

fn contents(folder: &Path, extension: &str) -> Option<Contents> {
    let mut contents = Contents::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let Ok(path) = entry.map(|entry| entry.path()) else {
            continue;
        };
        if is_file_name(&path, extension) && path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            contents.insert(name.into_owned(), hash_of(&path));
        }
    }
    Some(contents)
}

// An editor's own files (`.#grips.json`) are no inputs.
fn is_file_name(path: &Path, extension: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && path.extension().is_some_and(|found| found == extension)
}

fn hash_of(path: &Path) -> Option<Hash> {
    let read = |path: &Path| -> io::Result<Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(snapshot_store::open_file(path)?)?;
        Ok(hasher.finalize())
    };
    read(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let places = Places {
            source: folder.path().join("json-source"),
            migrations: folder.path().join("migrations"),
            settings: folder.path().join("tablecast.toml"),
        };
        for folder in [&places.source, &places.migrations] {
            std::fs::create_dir(folder).expect("made");
        }
        (folder, places)
    }

    fn write(path: PathBuf, text: &str) {
        std::fs::write(path, text).expect("written");
    }

    #[test]
    fn contents_count_and_neither_times_nor_other_files() {
        let (_folder, places) = project();
        write(places.source.join("grips.json"), "[1]");
        let before = Inputs::look(&places);
        write(places.source.join("grips.json"), "[1]");
        write(places.source.join(".grips.json.swp"), "vim");
        write(places.source.join(".#grips.json"), "emacs");
        write(places.source.join("grips.json~"), "nano");
        assert_eq!(Inputs::look(&places), before);
    }

    #[test]
    fn every_kind_of_change_is_named() {
        let (folder, places) = project();
        for name in ["a.json", "b.json", "c.json"] {
            write(places.source.join(name), "[]");
        }
        let before = Inputs::look(&places);
        write(places.source.join("a.json"), "[2]");
        std::fs::remove_file(places.source.join("b.json")).expect("removed");
        write(places.source.join("d.json"), "[]");
        write(places.migrations.join("V1__a.sql"), "SELECT 1");
        write(folder.path().join("tablecast.toml"), "");
        let after = Inputs::look(&places);
        assert_eq!(
            after.changes_since(&before),
            ["tablecast.toml", "V1__a.sql", "a.json", "b.json", "d.json"]
        );
        assert!(after.has_other_migrations(&before) && after.has_other_settings(&before));
        assert_eq!(after.changes_since(&after), [""; 0]);
    }

    #[test]
    fn a_folder_that_is_gone_is_not_an_empty_one() {
        let (_folder, places) = project();
        let before = Inputs::look(&places);
        std::fs::remove_dir(&places.source).expect("removed");
        assert_ne!(Inputs::look(&places), before);
    }

    #[test]
    fn only_what_is_read_or_lies_in_the_folders_concerns_a_round() {
        let places = Places {
            source: "/p/json-source".into(),
            migrations: "/p/sql/migrations".into(),
            settings: "/p/tablecast.toml".into(),
        };
        for (path, concern, read) in [
            ("/p/json-source", true, false),
            ("/p/json-source/grips.json", true, true),
            ("/p/json-source/.grips.json.swp", true, false),
            ("/p/json-source/..data", true, false),
            ("/p/sql/migrations/V1__a.sql", true, true),
            ("/p/tablecast.toml", true, true),
            ("/p/snapshots", false, false),
            ("/p/json-source.bak", false, false),
        ] {
            let path = Path::new(path);
            assert_eq!(
                (places.concern(path), places.read(path)),
                (concern, read),
                "{}",
                path.display()
            );
        }
    }
}
