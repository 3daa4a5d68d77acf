//! What the database says when it says no.

use std::path::PathBuf;
use std::time::Duration;

use super::answer::{POOLER_HINT, PgError, SILENT_HINT};
use super::holder::{Holder, holders};
use embedded_postgres::EmbeddedError;

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL is none.
    #[error("the database URL cannot be used")]
    Url {
        /// Why, without any part of it that may be a password.
        source: PgError,
        /// What may help.
        hint: String,
    },
    /// Nobody answers, or we are turned away.
    #[error("failed to connect to {target}")]
    Connect {
        /// Where, without a password.
        target: String,
        /// Why.
        source: PgError,
    },
    /// The URL asks for TLS, and this system has no certificates to check the server by.
    #[error("failed to load the certificates of this system")]
    Certificates(#[source] std::io::Error),
    /// A file of certificates or keys that the URL names is of no use.
    #[error("failed to use {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What stands before the server hands out another session for each transaction.
    #[error("{target} is a pooler that {}", pooling.does())]
    Pooler {
        /// Where, without a password.
        target: String,
        /// How it hands out sessions.
        pooling: Pooling,
    },
    /// The embedded server does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A statement failed.
    #[error("failed to {what}")]
    Query {
        /// What the statement was for.
        what: String,
        /// Why.
        source: PgError,
    },
    /// Somebody else holds a lock.
    #[error(
        "gave up waiting for {what} after {}: {}",
        seconds(waited),
        holders(held_by)
    )]
    Locked {
        /// What was to be locked.
        what: String,
        /// How long we waited.
        waited: Duration,
        /// Who holds it.
        held_by: Vec<Holder>,
    },
    /// The catalog holds something that cannot be published.
    #[error("{0}")]
    Catalog(String),
}

impl DatabaseError {
    /// A failed statement.
    pub(super) fn query(what: impl Into<String>, source: tokio_postgres::Error) -> Self {
        Self::Query {
            what: what.into(),
            source: source.into(),
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Url { hint, .. } => Some(hint.clone()),
            Self::Certificate { .. } => {
                Some("name files in PEM format with sslrootcert, sslcert and sslkey".to_owned())
            }
            Self::Pooler { .. } => Some(POOLER_HINT.to_owned()),
            Self::Connect { source, .. } => Some(connect_hint(source).to_owned()),
            Self::Certificates(_) => {
                Some("install ca-certificates, or name a file of them in SSL_CERT_FILE".to_owned())
            }
            Self::Embedded(error) => error.hint(),
            Self::Locked { .. } => Some(
                "wait for the other session to end, or allow more time with --lock-timeout"
                    .to_owned(),
            ),
            Self::Query { source, .. } if source.message.contains("row-level security") => Some(
                "let the role see every row, by ALTER ROLE ... BYPASSRLS, or connect as the table's \
                 owner"
                    .to_owned(),
            ),
            Self::Query { source, .. } => source.advice(),
            Self::Catalog(_) => None,
        }
    }
}

/// How a pooler hands out the server's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Another one for each transaction.
    Transaction,
    /// Another one for each statement.
    Statement,
}

impl Pooling {
    fn does(self) -> &'static str {
        match self {
            Self::Transaction => "gives each transaction another session (pool_mode = transaction)",
            Self::Statement => "gives each statement another session (pool_mode = statement)",
        }
    }
}

fn connect_hint(source: &PgError) -> &'static str {
    let says = |text: &str| source.message.contains(text);
    match source.sqlstate.as_deref() {
        _ if says("unsupported startup parameter") => {
            "leave out that option of the database URL: the pooler before the server refuses it"
        }
        // Class 28: invalid authorization.
        Some(code) if code.starts_with("28") && says("no encryption") => {
            "the server wants TLS from us: add sslmode=verify-full to the database URL"
        }
        Some(code) if code.starts_with("28") => {
            "check the user and the password in the database URL"
        }
        Some("3D000") => "create the database, or name another one in the database URL",
        Some("57P03") => "wait until it is up, or allow more time with --connect-timeout",
        Some("08006") => SILENT_HINT,
        Some("53300") => "wait until others have ended their sessions, or raise max_connections",
        Some(_) => "look at the server's log",
        None if says("password missing") => "add the password to the database URL",
        None if says("does not support TLS") => {
            "let the server take TLS (ssl = on), or write sslmode=disable where nobody else can \
             read the way to it"
        }
        None if says("NotValidForName") || says("not valid for name") => {
            "name the server in the database URL as its certificate does, or write \
             sslmode=verify-ca"
        }
        None if says("certificate") => {
            "name a file with the authority's certificate by sslrootcert in the database URL, or in \
             SSL_CERT_FILE"
        }
        None if says("no answer") || says("timed out") => SILENT_HINT,
        None if says("channel binding") => {
            "add sslmode=verify-full to the database URL, or leave channel_binding out"
        }
        None if says("bytes remaining") || says("unexpected message") => {
            "look whether a PostgreSQL server answers at this address and port"
        }
        None => {
            "start the server, for example by `docker compose up -d postgres`, or leave DATABASE_URL \
             unset to use the embedded one"
        }
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// An error that may be that of a statement which waited for a lock.
pub(super) trait MayWait {
    fn database(&mut self) -> Option<&mut DatabaseError>;
}

impl MayWait for DatabaseError {
    fn database(&mut self) -> Option<&mut DatabaseError> {
        Some(self)
    }
}
