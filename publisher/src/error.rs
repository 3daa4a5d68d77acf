//! What a command ends with, when it does not end well: what was tried, why it failed,
//! what may help.

use std::fmt::Write;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::database::{DatabaseError, MigrationError, ReadError, SeedError};
use crate::fetch::FetchError;
use crate::history::ResolveError;
use crate::publish::PublishError;
use crate::snapshot::SnapshotError;
use crate::source::Problem;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A flag's value cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The migrations cannot be applied.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The source folder cannot be read.
    #[error("failed to read the source folder {}", path.display())]
    Source {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The input is wrong. Each problem is a line of its own, then comes one that closes.
    #[error("{}", closing_line(*count, what, outcome))]
    Problems {
        /// The problems, in order.
        problems: Vec<Problem>,
        /// How many there are; those beyond the first 10,000 are not listed.
        count: usize,
        /// Where they are: `json-source`, `the database`.
        what: String,
        /// What did not happen: `nothing was seeded`.
        outcome: &'static str,
    },
    /// The files could not be seeded.
    #[error(transparent)]
    Seed(SeedError),
    /// The state could not be rendered.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The snapshot could not be made public.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// No version has the name that was given.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A snapshot was verified and is not what it should be.
    #[error("{}", closing_line_of_faults(*count, origin))]
    Faults {
        /// How many faults there are.
        count: usize,
        /// Where: a folder, a URL.
        origin: String,
    },
    /// The server does not serve.
    #[error(transparent)]
    Serve(#[from] snapshot_server::ServerError),
    /// Ctrl-C, or SIGTERM.
    #[error("interrupted; nothing was left half done")]
    Interrupted,
}

impl Error {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Migration(error) => error.hint(),
            Self::Source { .. } => Some("name the folder of JSON files with --source".to_owned()),
            Self::Seed(error) => error.hint(),
            Self::Snapshot(error) => error.hint(),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Publish(error) => error.hint().map(str::to_owned),
            Self::Resolve(error) => Some(error.hint().to_owned()),
            Self::Fetch(error) => error.hint().map(str::to_owned),
            Self::Faults { .. } => Some(FAULTS_HINT.to_owned()),
            Self::Config(_)
            | Self::Usage(_)
            | Self::Problems { .. }
            | Self::Serve(_)
            | Self::Interrupted => None,
        }
    }

    /// The exit status: 2 for the command line, 1 for the data and the world, and what a
    /// shell expects of a program that a signal ended.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Resolve(ResolveError::Malformed { .. }) => 2,
            Self::Interrupted => 130,
            _ => 1,
        }
    }

    /// The whole message, for people.
    pub fn report(&self) -> String {
        let mut text = String::new();
        if let Self::Problems {
            problems, count, ..
        } = self
        {
            for problem in problems {
                let _ = writeln!(text, "error: {problem}");
            }
            if *count > problems.len() {
                let _ = writeln!(text, "error: and {} more", count - problems.len());
            }
        }
        let _ = writeln!(text, "error: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = writeln!(
                text,
                "  caused by: {}",
                error.to_string().trim_end().replace('\n', "\n    ")
            );
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "  hint: {hint}");
        }
        text
    }
}

const FAULTS_HINT: &str = "readers that verify keep their last good version; \
     go back to a version without faults by `publisher rollback`, or publish into an empty folder";

fn closing_line_of_faults(count: usize, origin: &str) -> String {
    let noun = if count == 1 { "fault" } else { "faults" };
    format!("{count} {noun} in {origin}")
}

fn closing_line(count: usize, what: &str, outcome: &str) -> String {
    let noun = if count == 1 { "problem" } else { "problems" };
    format!("{count} {noun} in {what}; {outcome}")
}

impl From<SeedError> for Error {
    fn from(error: SeedError) -> Self {
        match error {
            SeedError::Refused(problems) => Self::Problems {
                count: problems.len(),
                problems,
                what: "the source".to_owned(),
                outcome: "nothing was seeded",
            },
            other => Self::Seed(other),
        }
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Refused(problems) => Self::Problems {
                count: problems.len(),
                problems,
                what: "the database".to_owned(),
                outcome: "nothing was published",
            },
            other => Self::Snapshot(other),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Snapshot(SnapshotError::Read(error))
    }
}
