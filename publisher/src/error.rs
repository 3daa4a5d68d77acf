//! What a command ends with, when it does not end well: what was tried, why it failed,
//! what may help.

mod from;

use std::borrow::Cow;
use std::fmt::Write;
use std::path::PathBuf;

use snapshot_audit::diff::DiffError;
use snapshot_store::{FetchError, StoreError, hint_for, history::ResolveError};

use crate::config::ConfigError;
use crate::database::{DatabaseError, MigrationError, SeedError};
use crate::parity::ParityError;
use crate::prune::PruneError;
use crate::publish::{Fault, PublishError};
use crate::rollback::RollbackError;
use crate::snapshot::SnapshotError;
use crate::source::{Place, Problem};
use crate::watch::WatchError;
use crate::words::counted;

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
    #[error("{} in {what}; {outcome}", counted(*count, "problem"))]
    Problems {
        /// The problems, in order.
        problems: Vec<Problem>,
        /// How many there are, in all; where a kind has many, only its first is among
        /// `problems`, with their number.
        count: usize,
        /// Where they are: `json-source`, `the database`.
        what: String,
        /// What did not happen: `nothing was seeded`.
        outcome: Cow<'static, str>,
    },
    /// The files could not be seeded.
    #[error(transparent)]
    Seed(SeedError),
    /// The state could not be rendered.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(StoreError),
    /// The snapshot could not be made public.
    #[error(transparent)]
    Publish(PublishError),
    /// The store could not be turned back.
    #[error(transparent)]
    Rollback(RollbackError),
    /// The store could not be pruned.
    #[error(transparent)]
    Prune(PruneError),
    /// No version has the name that was given.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Two versions cannot be compared.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// Nothing was published there.
    #[error("{origin} has no version.json: nothing was published there")]
    NothingPublished {
        /// The folder or URL.
        origin: String,
    },
    /// A snapshot was verified and is not what it should be.
    #[error("{} in {origin}", counted(*count, "fault"))]
    Faults {
        /// How many faults there are.
        count: usize,
        /// Whether there is a current version that can be read.
        has_version: bool,
        /// Where: a folder, a URL.
        origin: String,
    },
    /// The sides cannot be compared.
    #[error(transparent)]
    Parity(#[from] ParityError),
    /// The sides were compared and do not hold the same.
    #[error("{} between the sides", counted(*count, "difference"))]
    Differences {
        /// How many differences there are.
        count: u64,
    },
    /// Not every check of a preflight passed.
    #[error("{} failed; apps should not be moved yet", counted(*count, "check"))]
    NotReady {
        /// How many checks failed.
        count: usize,
    },
    /// A report cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server does not serve.
    #[error(transparent)]
    Serve(#[from] snapshot_server::ServerError),
    /// The files cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
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
            Self::Diff(error) => error.hint().map(str::to_owned),
            Self::NothingPublished { .. } => Some(
                "name the store with --out, or make its first version by `publisher run`"
                    .to_owned(),
            ),
            // Nothing can be done upon it but what the fault says.
            Self::Faults {
                has_version: false, ..
            } => None,
            Self::Faults { origin, .. } => Some(faults_hint(origin).to_owned()),
            Self::Rollback(error) => error.hint().map(str::to_owned),
            Self::Prune(error) => error.hint().map(str::to_owned),
            Self::Watch(error) => Some(error.hint()),
            Self::Parity(error) => error.hint(),
            Self::Write { source, .. } => hint_for(source).map(str::to_owned),
            Self::Config(_)
            | Self::Usage(_)
            | Self::Problems { .. }
            | Self::Differences { .. }
            | Self::NotReady { .. }
            | Self::Serve(_)
            | Self::Interrupted => None,
        }
    }

    /// The same where the publication was judged before the seed's commit, which then did
    /// not come.
    pub(crate) fn before_the_commit(mut self) -> Self {
        if let Self::Problems { outcome, .. } = &mut self {
            let more = outcome.replacen(NOT_PUBLISHED, "nothing was seeded or published", 1);
            *outcome = more.into();
        }
        self
    }

    /// The same after migrations, which stay `applied`.
    pub(crate) fn after_migrations(mut self, applied: &[String]) -> Self {
        if let Self::Problems { outcome, .. } = &mut self {
            *outcome = match applied {
                [] => return self,
                [one] => format!("{outcome}; {one} stays applied"),
                [.., last] => format!(
                    "{outcome}; {} migrations up to {last} stay applied",
                    applied.len()
                ),
            }
            .into();
        }
        self
    }

    // What is wrong with a store, as problems.
    fn damaged(faults: Vec<Fault>, what: String, outcome: &'static str) -> Self {
        let problem = |Fault { location, message }| Problem {
            place: Some(Place::file(&location)),
            message,
        };
        Self::Problems {
            count: faults.len(),
            problems: faults.into_iter().map(problem).collect(),
            what,
            outcome: outcome.into(),
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
        if let Self::Problems { problems, .. } = self {
            for problem in problems {
                let _ = writeln!(text, "error: {problem}");
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

fn faults_hint(origin: &str) -> &'static str {
    if origin.contains("://") {
        "verify the folder that is served, too: what it is not at fault for is the server's"
    } else {
        "readers that verify keep their last good version; go back to a version without \
         faults by `publisher rollback`, or publish into an empty folder"
    }
}

/// Where a problem is that no edit mends.
pub(crate) const THE_CLOCK: &str = "the clock";

const NOT_PUBLISHED: &str = "nothing was published";
