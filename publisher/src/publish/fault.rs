//! What is wrong with a file of a store.

use std::fmt;

use snapshot_store::FetchError;
use snapshot_store::history::{Reason, Unreadable, name};

use crate::words::with_causes;

/// Something that a reader would stumble over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as a path or URL.
    pub location: String,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

impl Fault {
    /// What is wrong with a page of the history.
    pub(crate) fn of_page(page: &Unreadable) -> Self {
        let message = match &page.reason {
            Reason::Fetch(FetchError::Failed { source, .. }) => {
                format!("cannot be read: {source}")
            }
            Reason::Fetch(FetchError::TooLarge { limit_bytes, .. }) => {
                format!("is longer than the {limit_bytes} bytes that it may have")
            }
            Reason::Fetch(other) => other.to_string(),
            Reason::Version(source) => format!("{}; {}", with_causes(source), source.hint()),
            Reason::Misplaced(order) => format!("holds the publication {}", name(*order)),
        };
        Self {
            location: page.location.clone(),
            message,
        }
    }
}
