//! The private PostgreSQL of a project, for whoever gives no database URL: found among the
//! installed programs, started or joined, and ended with its last user.
//!
//! ```text
//! .tablecast/postgres           the data folder
//! .tablecast/postgres.place     or where it is, out of the project (see `place`)
//! .tablecast/postgres.log       what the server said since it was last started
//! .tablecast/postgres.lock      locked by whoever is starting, joining or stopping it
//! .tablecast/postgres.alive     locked by the server's own processes, names that folder:
//! .tablecast/postgres.password  the superuser's, which only the publisher knows
//! /tmp/tablecast-XXXXXX/        its socket: private, and gone when the server is
//! ```
//!
//! What it promises:
//!
//! - E1. No process outlives its users. The server lives while somebody holds a pipe
//!   open, and the kernel closes the pipe of whoever ends, be it by SIGKILL.
//! - E2. One server per data folder. A second publisher joins the first one's, and the
//!   last to leave ends it.
//! - E3. A data folder is whole or absent: it is made beside its place and renamed.
//! - E4. No TCP port. The only door is a Unix socket in a folder of mode 0700, which is
//!   why the owner of the databases is asked for no password.
//! - E5. What runs in it runs as a role that owns its databases and nothing else.
//!
//! The only SQL here is about the server's own two roles.

mod binaries;
mod cluster;
mod copied;
mod door;
mod error;
mod files;
mod home;
mod install;
mod place;
mod postmaster;
mod roles;
mod run_as;
mod server;
mod watcher;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;

pub use door::OWNER;
pub use error::{Answer, EmbeddedError, Said};
use home::Home;
pub use roles::{OWN_PUBLIC, bounds_of};
use server::Server;

/// A running private PostgreSQL, started or joined.
///
/// Dropping it lets go of the server, which then ends by itself unless somebody else
/// uses it; [`Embedded::stop`] also waits until it has.
#[derive(Debug)]
pub struct Embedded {
    /// What the user should be told once, such as data kept in an unexpected place.
    pub notes: Vec<String>,
    home: Arc<Home>,
    server: Server,
    password: String,
    // Aborts its task when dropped.
    keeping_watched: JoinSet<()>,
}

impl Embedded {
    /// Starts the private server of a project, or joins it where it already runs.
    ///
    /// `root` is the project's `.tablecast` folder; it is created where it is missing,
    /// and so is the database cluster in it. The server accepts connections on return.
    ///
    /// # Errors
    ///
    /// Each has a [hint](EmbeddedError::hint) where something can be done about it.
    pub async fn start(root: &Path) -> Result<Self, EmbeddedError> {
        let home = Arc::new(Home::open(root)?);
        let turn = home.take_turn().await?;
        let server = server::join_or_start(&home).await?;
        let password = roles::set_up(&home, &server.folder).await?;
        let notes = home.note().map(str::to_owned).into_iter().collect();
        drop(turn);

        let mut keeping_watched = JoinSet::new();
        keeping_watched.spawn(watcher::keep_watched(
            Arc::clone(&home),
            server.folder.clone(),
        ));
        Ok(Self {
            notes,
            home,
            server,
            password,
            keeping_watched,
        })
    }

    /// How to connect to one of the server's databases as the superuser; `postgres` is always
    /// there.
    pub fn config(&self, database: &str) -> tokio_postgres::Config {
        let mut config = door::config(&self.server.folder, database, "postgres");
        config.password(&self.password);
        config
    }

    /// How to connect to one of the server's databases as their owner, as whom all runs that
    /// comes from files.
    pub fn config_of_owner(&self, database: &str) -> tokio_postgres::Config {
        door::config(&self.server.folder, database, OWNER)
    }

    /// Where the data is, where that is not in the project.
    pub fn elsewhere(&self) -> Option<&Path> {
        self.home.is_elsewhere().then_some(&self.home.data)
    }

    /// Leaves the server. The last to leave waits until it has ended cleanly.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::StillRunning`] if the server has not ended in time.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        // With the turn in hand nobody joins between the question and the end.
        let _turn = self.home.take_turn().await?;
        self.keeping_watched.shutdown().await;
        server::leave(&self.home, self.server).await
    }
}

/// Where the data of a project is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// The project's `.tablecast` folder; `None` where no project names the data any more.
    pub project: Option<PathBuf>,
    /// Whether there is data.
    pub exists: bool,
    /// Whether a server runs on it.
    pub in_use: bool,
}

/// Where the data of a project is, or would be looked for.
///
/// # Errors
///
/// Where the project's folder cannot be read.
pub fn place_of(root: &Path) -> Result<Place, EmbeddedError> {
    if !root.exists() {
        return Ok(Place {
            data: root.join("postgres"),
            project: Some(root.to_owned()),
            exists: false,
            in_use: false,
        });
    }
    let home = Home::look(root)?;
    Ok(place(&home.data, Some(home.root().to_owned())))
}

/// All data that lies out of its project, that of projects which are gone included.
pub fn places_elsewhere() -> Vec<Place> {
    let all = place::all().into_iter();
    all.map(|(folder, project)| place(&folder.join("postgres"), project))
        .collect()
}

fn place(data: &Path, project: Option<PathBuf>) -> Place {
    Place {
        exists: data.join("PG_VERSION").exists(),
        in_use: home::is_in_use(data),
        data: data.to_owned(),
        project,
    }
}

/// Removes the data of a project; the next command begins with an empty database.
///
/// # Errors
///
/// Where a server runs on it, or it is not one of ours.
pub async fn reset(root: &Path) -> Result<Place, EmbeddedError> {
    let place = place_of(root)?;
    if !place.exists {
        return Ok(place);
    }
    let home = Home::look(root)?;
    let _turn = home.take_turn().await?;
    let Some(alive) = home.nobody_alive()? else {
        return Err(EmbeddedError::InUse(home.data.clone()));
    };
    home.remove_data()?;
    drop(alive);
    Ok(place)
}

/// Removes the data of projects that are gone.
///
/// # Errors
///
/// Where a server runs on it.
pub fn remove_orphan(place: &Place) -> Result<(), EmbeddedError> {
    if place.in_use {
        return Err(EmbeddedError::InUse(place.data.clone()));
    }
    place::remove_folder(place.data.parent().unwrap_or(&place.data))
}
