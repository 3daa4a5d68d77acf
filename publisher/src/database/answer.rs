//! What PostgreSQL, or the way to it, answers when it says no.

use std::fmt;

use tokio_postgres::error::{DbError, ErrorPosition};

pub(super) const POOLER_HINT: &str = "\
    name the server itself in the database URL, or let the pooler keep one session for a client \
    (in pgbouncer.ini: pool_mode=session for this user or database)";

pub(super) const SILENT_HINT: &str =
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
