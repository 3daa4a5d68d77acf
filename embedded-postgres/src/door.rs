//! How a server is reached: by a socket in a folder, and as whom.

use std::path::Path;

use tokio_postgres::Config;

/// The owner of all that is in the databases.
pub const OWNER: &str = "tablecast";

/// What the server's socket is called after; no TCP port is opened.
pub(crate) const PORT: u16 = 5432;

/// How to connect through the socket in a folder.
pub(crate) fn config(folder: &Path, database: &str, user: &str) -> Config {
    config_at(folder, PORT, database, user)
}

/// The same, for a server that calls its socket after another port.
pub(crate) fn config_at(folder: &Path, port: u16, database: &str, user: &str) -> Config {
    let mut config = Config::new();
    config
        .host_path(folder)
        .port(port)
        .user(user)
        .dbname(database);
    config
}
