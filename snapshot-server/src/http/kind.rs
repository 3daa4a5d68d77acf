//! What requests are for, as the counters tell them apart. Pure.

use snapshot_format::Key;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `version.json`, and the token of it under `/api`.
    Version,
    Bootstrap,
    Table,
    Manifest,
    History,
    /// `/health` and `/ready`.
    Probe,
    /// Streams of `/events`.
    Events,
    /// What names nothing of ours, or is refused before it is looked up.
    Other,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Version,
        Self::Bootstrap,
        Self::Table,
        Self::Manifest,
        Self::History,
        Self::Probe,
        Self::Events,
        Self::Other,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Bootstrap => "bootstrap",
            Self::Table => "table",
            Self::Manifest => "manifest",
            Self::History => "history",
            Self::Probe => "probe",
            Self::Events => "events",
            Self::Other => "other",
        }
    }

    /// What a key's requests are counted as.
    pub(crate) fn of(key: &Key) -> Self {
        match key {
            Key::Version => Self::Version,
            Key::History { .. } => Self::History,
            Key::Manifest(_) => Self::Manifest,
            Key::Bootstrap(..) => Self::Bootstrap,
            Key::Table(..) => Self::Table,
        }
    }
}
