//! What the database says when it says no.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::error::{DbError, ErrorPosition};

use super::EmbeddedError;
use super::lock::Holder;

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

const POOLER_HINT: &str = "\
    name the server itself in the database URL, or let the pooler keep one session for a client \
    (in pgbouncer.ini: pool_mode=session for this user or database)";

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

const SILENT_HINT: &str =
    "look whether the server is up, and what stands between (a proxy, a firewall)";

/// What PostgreSQL or the way to it answered, as one sentence.
///
/// The driver's own error says "db error" and keeps the rest behind it.
#[derive(Debug)]
pub struct PgError(Box<PgReport>);

/// The parts of a [`PgError`].
#[derive(Debug)]
pub struct PgReport {
    /// The sentence, with PostgreSQL's detail.
    pub message: String,
    /// PostgreSQL's hint.
    pub hint: Option<String>,
    /// The five-character SQLSTATE, where the server answered.
    /// Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    pub sqlstate: Option<String>,
    /// In which statement of ours, or which row of a COPY, it happened.
    pub context: Option<String>,
    /// From 1, in characters, the place in the statement.
    pub position: Option<u32>,
    /// The constraint that refused, if one did.
    pub constraint: Option<String>,
    /// The table that it belongs to.
    pub table: Option<String>,
}

impl std::ops::Deref for PgError {
    type Target = PgReport;

    fn deref(&self) -> &PgReport {
        &self.0
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PgError {}

impl PgError {
    /// What we say ourselves.
    pub(super) fn said(message: &str) -> Self {
        Self(Box::new(PgReport {
            message: message.to_owned(),
            hint: None,
            sqlstate: None,
            context: None,
            position: None,
            constraint: None,
            table: None,
        }))
    }

    /// PostgreSQL's hint, or ours.
    pub(super) fn advice(&self) -> Option<String> {
        let ours = match self.sqlstate.as_deref() {
            // Whatever tells the pooler's name has been asked before; one that hides it has not.
            Some("42P05" | "26000") if self.message.contains("prepared statement") => {
                Some(POOLER_HINT)
            }
            Some("08006") => Some(SILENT_HINT),
            _ => None,
        };
        self.hint.clone().or(ours.map(str::to_owned))
    }

    /// Whether two rows would share a value that must be unique, or that excludes another.
    pub(super) fn is_shared_value(&self) -> bool {
        matches!(self.sqlstate.as_deref(), Some("23505" | "23P01"))
    }

    /// Whether a lock was waited for too long.
    pub(super) fn is_lock_timeout(&self) -> bool {
        self.sqlstate.as_deref() == Some("55P03")
    }

    /// The same with another hint.
    pub(super) fn set_hint(&mut self, hint: String) {
        self.0.hint = Some(hint);
    }
}

impl From<tokio_postgres::Error> for PgError {
    fn from(error: tokio_postgres::Error) -> Self {
        let report = match error.as_db_error() {
            Some(answer) => PgReport::from(answer),
            None => return Self::said(&chain(&error)),
        };
        Self(Box::new(report))
    }
}

impl From<&DbError> for PgReport {
    fn from(answer: &DbError) -> Self {
        let detail = answer
            .detail()
            .map(|detail| format!(" ({detail})"))
            .unwrap_or_default();
        Self {
            message: format!("{}{detail}", answer.message()),
            hint: answer.hint().map(str::to_owned),
            sqlstate: Some(answer.code().code().to_owned()),
            context: answer.where_().map(str::to_owned),
            position: match answer.position() {
                // The inner one is that of a migration, which runs within a block of ours.
                Some(
                    ErrorPosition::Original(position) | ErrorPosition::Internal { position, .. },
                ) => Some(*position),
                None => None,
            },
            constraint: answer.constraint().map(str::to_owned),
            table: answer.table().map(str::to_owned),
        }
    }
}

/// Whether the server answered with one of these SQLSTATEs.
pub(super) fn is_one_of(error: &tokio_postgres::Error, sqlstates: &[&str]) -> bool {
    error
        .code()
        .is_some_and(|code| sqlstates.contains(&code.code()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        next = cause.source();
    }
    text
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

pub(super) fn holders(holders: &[Holder]) -> String {
    match holders {
        [] => "nobody holds it any more; try again".to_owned(),
        some => {
            let all: Vec<String> = some.iter().map(Holder::to_string).collect();
            format!("it is held by {}", all.join(" and "))
        }
    }
}
