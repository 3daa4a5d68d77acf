//! Where another version leads: a publisher only goes forward, so whatever goes back is a
//! folder that was replaced. It is followed, since somebody may mean it, and said. Pure.

use std::fmt;

use bytes::Bytes;
use snapshot_format::Version;

/// Where a version leads, seen from the newest that this process served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It is the newest, or the first.
    Forward,
    /// It is older than this `(epoch, sequence)`, which clients may have.
    Back {
        /// The newest.
        from: (u64, u64),
    },
    /// It has the newest's epoch and sequence, and other content.
    Aside {
        /// Both of them.
        at: (u64, u64),
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward => f.write_str("the newest version"),
            Self::Back {
                from: (epoch, sequence),
            } => write!(
                f,
                "older than {epoch}-{sequence}, which was served before; clients that have it take nothing older"
            ),
            Self::Aside {
                at: (epoch, sequence),
            } => write!(
                f,
                "{epoch}-{sequence} was served before with other content; clients that have it do not see this one"
            ),
        }
    }
}

/// The newest version that was served, and where the current one stands.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    newest: Option<((u64, u64), Bytes)>,
    current: Option<Step>,
}

impl Steps {
    /// Notes the version that is served from now on.
    pub(crate) fn note(&mut self, version: &Version, version_bytes: &Bytes) -> Step {
        let order = version.order();
        let step = match &self.newest {
            Some((newest, _)) if order < *newest => Step::Back { from: *newest },
            Some((newest, bytes)) if order == *newest && bytes != version_bytes => {
                Step::Aside { at: *newest }
            }
            _ => Step::Forward,
        };
        if step == Step::Forward {
            self.newest = Some((order, version_bytes.clone()));
        }
        self.current = Some(step);
        step
    }

    /// What is to be said of the current version.
    pub(crate) fn warning(&self) -> Option<String> {
        self.current
            .filter(|step| *step != Step::Forward)
            .map(|step| step.to_string())
    }
}
