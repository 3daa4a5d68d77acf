//! Why the embedded server cannot be had, and what may help.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::install;

const FREE_SPACE: &str = "free some space on that disk";

/// Why the private PostgreSQL could not be started, joined or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No PostgreSQL is installed where we look.
    #[error("no PostgreSQL found on this machine")]
    NotInstalled,

    /// `TABLECAST_PG_BIN` names a folder without `initdb` and a `postgres` that runs.
    #[error("no usable initdb and postgres in TABLECAST_PG_BIN ({})", .0.display())]
    NotInOverride(PathBuf),

    /// The data belongs to a major version that is not installed.
    #[error("the data in {} needs PostgreSQL {wanted}, found {}", data.display(), list(found))]
    OtherMajor {
        /// The data folder.
        data: PathBuf,
        /// The major version that wrote it.
        wanted: u32,
        /// The major versions that are installed.
        found: Vec<u32>,
    },

    /// The data folder is not one that PostgreSQL made.
    #[error("{} is not a PostgreSQL data folder", .0.display())]
    NotACluster(PathBuf),

    /// A file or folder of ours cannot be made or used.
    #[error("cannot use {}", path.display())]
    Path {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The data belongs to another user of this machine.
    #[error("the data in {} belongs to user {owner}, and the server would run as {user}", data.display())]
    NotOurs {
        /// The data folder.
        data: PathBuf,
        /// Whose it is.
        owner: String,
        /// As whom we would run the server.
        user: String,
    },

    /// We are root, and the user that runs the server instead cannot reach its data.
    #[error("user {user} runs the server and cannot reach its data in {}", data.display())]
    Unreachable {
        /// The data folder.
        data: PathBuf,
        /// As whom we run the server.
        user: String,
    },

    /// We are root, and there is nobody to run the server as.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody"
    )]
    NoUser,

    /// A program that we need did not run at all.
    #[error("cannot run {}", program.display())]
    Run {
        /// Which one.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// `initdb` did not make the data folder.
    #[error("failed to create the data folder {}", data.display())]
    Create {
        /// The data folder.
        data: PathBuf,
        /// The end of what `initdb` said.
        source: Said,
    },

    /// The server ended, or stayed silent, instead of accepting connections.
    #[error("failed to start the private PostgreSQL (log: {})", log.display())]
    Start {
        /// The server's log.
        log: PathBuf,
        /// The end of it.
        source: Said,
    },

    /// Data that is to be removed is in use.
    #[error("a publisher uses the database in {}; nothing was removed", .0.display())]
    InUse(PathBuf),

    /// What is to be removed is not what a publisher made.
    #[error("{} is not a database that a publisher made; nothing was removed", .0.display())]
    NotMade(PathBuf),

    /// The roles of the server cannot be set up.
    #[error("failed to set up the roles of the private PostgreSQL")]
    Roles(#[source] Answer),

    /// Another publisher has been starting or stopping the server for too long.
    #[error("another publisher holds {} for too long", .0.display())]
    Busy(PathBuf),

    /// A server that publishers did not start uses the data.
    #[error("process {pid} already serves {}, and no publisher started it", data.display())]
    Foreign {
        /// The data folder.
        data: PathBuf,
        /// The server's process.
        pid: i32,
    },

    /// A server uses the data, but answers neither us nor the request to end.
    #[error("a PostgreSQL that does not answer still uses {}", .0.display())]
    StillRunning(PathBuf),
}

impl EmbeddedError {
    /// What may help, where something may.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotInstalled => match install::install_command() {
                Some(command) => format!("install it with `{command}`, or set DATABASE_URL"),
                None => "install PostgreSQL and set TABLECAST_PG_BIN to the folder of its initdb and postgres, \
                         or set DATABASE_URL"
                    .to_owned(),
            },
            Self::NotInOverride(_) => {
                "name the folder that holds both, such as /usr/lib/postgresql/17/bin, or leave TABLECAST_PG_BIN unset"
                    .to_owned()
            }
            Self::OtherMajor { data, wanted, .. } => format!(
                "install PostgreSQL {wanted} (or set TABLECAST_PG_BIN to its folder); or remove {} to begin anew, \
                 which loses what is only in the database",
                data.display()
            ),
            Self::NotACluster(data) => format!("move {} away; a new one is then created", data.display()),
            Self::Path { source, .. } if snapshot_store::refused(source).is_some() => {
                NO_LINKS.to_owned()
            }
            Self::Path { path, source } => return hint_about(path, source.kind()),
            Self::NotOurs { data, owner, user } => not_ours(data, owner, user),
            Self::Unreachable { data, user } => format!(
                "let user {user} pass through the folders above {} (chmod a+x), or set DATABASE_URL",
                data.display()
            ),
            Self::NoUser => "add one with `useradd --system postgres`, or set DATABASE_URL".to_owned(),
            Self::Create { source, .. } | Self::Start { source, .. } => return no_space(&source.0),
            Self::Foreign { pid, .. } => format!("stop it with `kill {pid}`, or set DATABASE_URL to use it"),
            Self::StillRunning(data) => format!(
                "see who that is with `fuser {}`; it may be in another container",
                data.display()
            ),
            Self::Roles(answer) => return answer.hint.clone(),
            Self::InUse(_) => "end the command that uses it, such as a watch".to_owned(),
            Self::NotMade(_) => "remove it yourself, if that is meant".to_owned(),
            Self::Run { .. } | Self::Busy(_) => return None,
        };
        Some(hint)
    }

    pub(crate) fn path(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Path {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn run(program: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Run {
            program: program.to_owned(),
            source,
        }
    }
}

/// The last lines that a program said before it failed.
#[derive(Debug)]
pub struct Said(String);

impl Said {
    pub(crate) fn last_of(text: &str) -> Self {
        const LINES: usize = 10;
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        match lines.len() {
            0 => Self("it said nothing".to_owned()),
            count => Self(lines[count.saturating_sub(LINES)..].join("\n")),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

/// What the server answered to a statement of ours, as one sentence.
#[derive(Debug)]
pub struct Answer {
    message: String,
    hint: Option<String>,
}

impl From<tokio_postgres::Error> for Answer {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(answer) = error.as_db_error() {
            let detail = answer.detail().map(|detail| format!(" ({detail})"));
            return Self {
                message: format!("{}{}", answer.message(), detail.unwrap_or_default()),
                hint: answer.hint().map(str::to_owned),
            };
        }
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Self {
            message: format!("{error}{}", cause.unwrap_or_default()),
            hint: None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Answer {}

fn list(majors: &[u32]) -> String {
    if majors.is_empty() {
        return "none".to_owned();
    }
    majors
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

// PostgreSQL does not run as root, so data of root's was copied or given to it.
fn not_ours(data: &Path, owner: &str, user: &str) -> String {
    let sudo = if geteuid().is_root() { "" } else { "sudo " };
    let data = data.display();
    if owner == "root" {
        return format!(
            "begin anew with `{sudo}publisher database reset --yes`, which loses rows that are in no file; \
             or, unless it is a copy of a database in use, give it back with `{sudo}chown -R {user} {data}`"
        );
    }
    format!(
        "run the publisher as {owner}, or give the data away with `{sudo}chown -R {user} {data}`"
    )
}

const NO_LINKS: &str = "remove it; to keep the data elsewhere, let .tablecast itself be a link, or name another folder by TABLECAST_STATE";

fn hint_about(path: &Path, kind: ErrorKind) -> Option<String> {
    let hint = match kind {
        ErrorKind::PermissionDenied => {
            format!(
                "let this user write to {}, or set DATABASE_URL",
                path.display()
            )
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            format!(
                "move what is at {} away: a folder belongs there",
                path.display()
            )
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FREE_SPACE.to_owned(),
        ErrorKind::ReadOnlyFilesystem => {
            "run where the disk can be written, or set DATABASE_URL".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

fn no_space(message: &str) -> Option<String> {
    message
        .contains("No space left")
        .then(|| FREE_SPACE.to_owned())
}
