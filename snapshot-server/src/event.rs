//! What happens to a server, for whoever runs it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use snapshot_format::Version;

use crate::snapshot::error::LoadError;
use crate::snapshot::step::Step;
use crate::socket::tls::TlsError;

/// Is told what happens to the server.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// Something that an operator may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Another version is served from now on.
    Swapped {
        /// Which one.
        version: Version,
        /// Number of tables.
        tables: usize,
        /// How long reading and verifying took.
        took: Duration,
        /// Where it leads, seen from the newest that was served.
        step: Step,
        /// What is to be said where clients may not take an object of it.
        beyond_clients: Option<String>,
    },
    /// The snapshot in the folder is not whole; the one before stays.
    Refused(LoadError),
    /// An object of another version was asked for and is damaged.
    ObjectRefused(LoadError),
    /// A renewed certificate is in use.
    CertificateSwapped,
    /// The certificate's files changed and cannot be used; the one before stays.
    CertificateRefused(TlsError),
    /// Other settings, by the names of their flags.
    Configured {
        /// In force from now on.
        taken: Vec<&'static str>,
        /// As they were until a restart.
        fixed: Vec<&'static str>,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Swapped {
                version,
                tables,
                took,
                step,
                beyond_clients,
            } => {
                write!(
                    f,
                    "serving {} ({}-{}, {tables} tables, verified in {} ms)",
                    version.reference_version,
                    version.epoch,
                    version.sequence,
                    took.as_millis(),
                )?;
                if *step != Step::Forward {
                    write!(f, "; warning: {step}")?;
                }
                match beyond_clients {
                    Some(beyond) => write!(f, "; warning: {beyond}"),
                    None => Ok(()),
                }
            }
            Event::Refused(error) => write!(f, "snapshot refused: {}", explain(error)),
            Event::ObjectRefused(error) => write!(f, "object refused: {}", explain(error)),
            Event::CertificateSwapped => f.write_str("certificate renewed"),
            Event::CertificateRefused(error) => {
                write!(f, "certificate refused: {}", explain(error))
            }
            Event::Configured { taken, fixed } => {
                let mut parts = Vec::new();
                if !taken.is_empty() {
                    parts.push(format!("in force: {}", taken.join(", ")));
                }
                if !fixed.is_empty() {
                    parts.push(format!("only after a restart: {}", fixed.join(", ")));
                }
                write!(f, "settings: {}", parts.join("; "))
            }
        }
    }
}

/// An error and its causes on one line.
pub(crate) fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
