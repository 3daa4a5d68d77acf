//! What is no file, and what not every reader may read.

use snapshot_store::{Directory, FetchError, Found, Kind, Refused};

use super::finding::Severity;
use super::judge::Judge;

impl Judge<'_> {
    /// Links, FIFOs and their like are faults: no program of ours reads through them.
    /// Modes are judged by that of `version.json`, which every publication writes anew.
    pub(super) fn special(&self, directory: &Directory) -> Result<(), FetchError> {
        match directory.survey()? {
            Ok(found) => self.modes(directory, &found),
            Err(refused) => {
                for refused in refused {
                    let below = refused.path.strip_prefix(directory.root());
                    let key = below.unwrap_or(&refused.path).display().to_string();
                    self.findings.fault(key, what(&refused));
                }
                Ok(())
            }
        }
    }

    fn modes(&self, directory: &Directory, found: &[Found]) -> Result<(), FetchError> {
        let Some(pointer) = directory.metadata("version.json")? else {
            return Ok(());
        };
        let readers = pointer.mode & 0o444;
        if readers == 0o400 {
            let what = format!(
                "only its owner may read it (mode {:04o}); a web server that runs as another user cannot",
                pointer.mode
            );
            self.findings.note("version.json", what);
        }
        for Found { below, kind } in found {
            let wanted = if *kind == Kind::Folder {
                readers | readers >> 2
            } else {
                readers
            };
            if let Some(there) = directory.metadata(below)?
                && there.mode & wanted != wanted
            {
                let what = if there.kind == Kind::File && there.names > 1 {
                    "is closed to readers of version.json, and has other names too (hard links): mode"
                } else {
                    "is closed to readers of version.json; `publisher publish` opens it: mode"
                };
                self.findings.add(
                    Severity::Warning,
                    below.display(),
                    what,
                    Some(format!("{:04o} at least", there.mode | wanted)),
                    Some(format!("{:04o}", there.mode)),
                );
            }
        }
        Ok(())
    }
}

fn what(refused: &Refused) -> String {
    match &refused.target {
        Some(target) => format!(
            "is a symbolic link to {}, and no link below a store is followed",
            target.display()
        ),
        None => format!("is {}, not a file", refused.kind),
    }
}
