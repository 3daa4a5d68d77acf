//! The embedded default: a private PostgreSQL for whoever gives no database URL.
//!
//! ```text
//! .tablecast/postgres           the data folder (or a link to it)
//! .tablecast/postgres.log       what the server said since it was last started
//! .tablecast/postgres.lock      locked by whoever is starting, joining or stopping it
//! .tablecast/postgres.alive     locked by the server's own processes, names that folder:
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
//!   why nobody is asked for a password.

mod binaries;
mod cluster;
mod error;
mod home;
mod server;
mod watcher;

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;

pub use error::EmbeddedError;
use home::Home;
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
        let notes = home.link_from_project()?.into_iter().collect();
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
            keeping_watched,
        })
    }

    /// How to connect to one of the server's databases; `postgres` is always there.
    pub fn config(&self, database: &str) -> tokio_postgres::Config {
        server::config(&self.server.folder, database)
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
