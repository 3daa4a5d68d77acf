//! The running server: joined where there is one, started where there is none.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::binaries;
use crate::cluster;
use crate::door::{OWNER, PORT, config_at};
use crate::error::{EmbeddedError, Said};
use crate::files::open_own;
use crate::home::{Home, MOMENT, lock};
use crate::postmaster::Postmaster;
use crate::roles;
use crate::watcher::{self, Hold};

/// How long a server may stay silent before we give it up.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long the watcher may take to end the server; a little more than it grants itself.
const END_WITHIN: Duration = Duration::from_secs(60);

/// A small server for one laptop, whose data still survives a power cut.
const SETTINGS: [&str; 16] = [
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "max_connections=50",
    "shared_buffers=128MB",
    "fsync=on",
    "synchronous_commit=on",
    // Nothing replicates from here, so the log holds only what a recovery needs.
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=2GB",
    "autovacuum=on",
    // A crash ends the server, and the next start recovers. One that recovers by itself
    // (seen with PostgreSQL 15) never finishes a shutdown that comes meanwhile.
    "restart_after_crash=off",
    // Compiling a query takes longer than running one over tables of this size.
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    // To stderr, which is the log file, without one more process.
    "logging_collector=off",
];

/// A server that we hold.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    hold: Hold,
    /// Locked, and shared with all who use this server.
    users: File,
}

/// What a server answers to an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ready,
    /// It is starting up or shutting down, and says so.
    NotNow,
    Nothing,
}

/// Joins the server that runs on this data, or starts one where none is alive.
pub(crate) async fn join_or_start(home: &Home) -> Result<Server, EmbeddedError> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    while Instant::now() < deadline {
        if let Some(alive) = home.nobody_alive()? {
            return start(home, alive).await;
        }
        // What is alive can also be on its way out: then it is soon gone.
        if let Some(server) = timeout_at(deadline, join(home)).await.unwrap_or(Ok(None))? {
            return Ok(server);
        }
        sleep(MOMENT).await;
    }
    Err(EmbeddedError::StillRunning(home.data.clone()))
}

/// Leaves a server. The last one to leave sees it end.
pub(crate) async fn leave(home: &Home, server: Server) -> Result<(), EmbeddedError> {
    let Server {
        folder,
        hold,
        users,
    } = server;
    drop(users);
    if !is_unused(&folder)? {
        return Ok(());
    }
    drop(hold);
    let deadline = Instant::now() + END_WITHIN;
    while home.nobody_alive()?.is_none() {
        if Instant::now() > deadline {
            return Err(EmbeddedError::StillRunning(home.data.clone()));
        }
        // Its watcher can be killed even now.
        watcher::ensure(home, &folder)?;
        sleep(MOMENT).await;
    }
    Ok(())
}

async fn start(home: &Home, alive: File) -> Result<Server, EmbeddedError> {
    cluster::remove_unfinished(home);
    home.set_copy_aside()?;
    home.check_data()?;
    let major = cluster::major(&home.data)?;
    let binaries = binaries::find(&home.data, major)?;
    if major.is_none() {
        cluster::create(home, &binaries).await?;
    }
    clear_after_the_dead(home).await?;
    roles::open_for_set_up(home)?;
    remove_last_folder(home, &alive)?;

    let folder = home.new_socket_folder()?;
    remember(home, &alive, folder.path())?;
    let users = lock_users(folder.path(), File::options().append(true).create_new(true))?;
    home.give(&users_in(folder.path()))?;
    let log = new_log(&home.log)?;
    let postgres = command_line(home, &binaries.postgres(), folder.path());
    let (hold, watcher) = watcher::start(home, folder.path(), &postgres, alive, log)?;
    // From here on the watcher removes the folder.
    let server = Server {
        folder: folder.keep(),
        hold,
        users,
    };
    wait_until_ready(home, &server.folder, watcher).await?;
    Ok(server)
}

/// Joins the server named in the data folder, unless it is about to end.
async fn join(home: &Home) -> Result<Option<Server>, EmbeddedError> {
    let Some(postmaster) = Postmaster::read(&home.data) else {
        return Ok(None);
    };
    let Some(hold) = watcher::hold(home, &postmaster).await? else {
        return Ok(None);
    };
    // Held, it does not end any more while we look, unless it crashes.
    loop {
        match answer(&postmaster).await {
            Answer::Ready => break,
            Answer::NotNow => sleep(MOMENT).await,
            Answer::Nothing => return Ok(None),
        }
    }
    match lock_users(&postmaster.folder, File::options().append(true)) {
        Err(_) if !postmaster.folder.exists() => Ok(None),
        users => Ok(Some(Server {
            folder: postmaster.folder,
            hold,
            users: users?,
        })),
    }
}

/// Waits for the first successful connection.
///
/// A server that says that it is starting up is recovering from a crash, and is left the
/// time that this takes.
async fn wait_until_ready(
    home: &Home,
    folder: &Path,
    mut watcher: tokio::process::Child,
) -> Result<(), EmbeddedError> {
    let mut heard = Instant::now();
    while heard.elapsed() < ANSWER_WITHIN {
        match answer_at(folder, PORT).await {
            Answer::Ready => return Ok(()),
            Answer::NotNow => heard = Instant::now(),
            // The watcher ends with the server.
            Answer::Nothing if !matches!(watcher.try_wait(), Ok(None)) => break,
            Answer::Nothing => {}
        }
        sleep(MOMENT).await;
    }
    let log = fs::read(&home.log).unwrap_or_default();
    let source = Said::last_of(&without_our_knocking(&String::from_utf8_lossy(&log)));
    Err(EmbeddedError::Start {
        log: home.log.clone(),
        source,
    })
}

/// A log without the server's answers to who tries to connect before it is ready.
fn without_our_knocking(log: &str) -> String {
    let answers = [
        "FATAL:  the database system is ",
        "DETAIL:  Consistent recovery state has not ",
    ];
    let lines = log
        .lines()
        .filter(|line| !answers.iter().any(|answer| line.contains(answer)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Removes the process number that a killed server left. After a restart of the machine
/// it may be somebody else's, and would keep PostgreSQL from starting.
async fn clear_after_the_dead(home: &Home) -> Result<(), EmbeddedError> {
    let Some(dead) = Postmaster::read(&home.data).filter(Postmaster::number_is_in_use) else {
        return Ok(());
    };
    if answer(&dead).await != Answer::Nothing {
        return Err(EmbeddedError::Foreign {
            data: home.data.clone(),
            pid: dead.pid,
        });
    }
    let file = Postmaster::file(&home.data);
    fs::remove_file(&file).map_err(EmbeddedError::path(&file))
}

/// Removes the socket folder that was used last, should all have been killed that would
/// have done so: the lock of the living remembers it.
fn remove_last_folder(home: &Home, mut alive: &File) -> Result<(), EmbeddedError> {
    let mut last = Vec::new();
    alive
        .read_to_end(&mut last)
        .map_err(EmbeddedError::path(&home.data))?;
    let last = Path::new(OsStr::from_bytes(&last));
    // A copied project names the folder of another, which may be in use.
    if home.is_socket_folder(last) && is_unused(last).unwrap_or(false) {
        let _ = fs::remove_dir_all(last);
    }
    Ok(())
}

fn remember(home: &Home, mut alive: &File, folder: &Path) -> Result<(), EmbeddedError> {
    let forgotten = alive.set_len(0);
    forgotten
        .and_then(|()| alive.write_all(folder.as_os_str().as_bytes()))
        .map_err(EmbeddedError::path(&home.data))
}

fn command_line(home: &Home, postgres: &Path, folder: &Path) -> Command {
    let mut command = Command::new(postgres);
    command.arg("-D").arg(&home.data).arg("-k").arg(folder);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
}

fn new_log(path: &Path) -> Result<File, EmbeddedError> {
    let log = open_own(path, File::options().append(true).create(true))?;
    log.set_len(0).map_err(EmbeddedError::path(path))?;
    Ok(log)
}

/// Opens the list of users, which has no lines: who uses the server has it locked.
fn lock_users(folder: &Path, options: &mut OpenOptions) -> Result<File, EmbeddedError> {
    let path = users_in(folder);
    let users = open_own(&path, options)?;
    // Only who has the turn locks it for himself alone, and the turn is ours.
    lock(&path, users.try_lock_shared())?;
    Ok(users)
}

fn is_unused(folder: &Path) -> Result<bool, EmbeddedError> {
    let path = users_in(folder);
    match open_own(&path, File::options().append(true)) {
        Ok(users) => lock(&path, users.try_lock()),
        // The server has ended by itself.
        Err(_) if !path.exists() => Ok(true),
        Err(error) => Err(error),
    }
}

fn users_in(folder: &Path) -> PathBuf {
    folder.join("users")
}

async fn answer(postmaster: &Postmaster) -> Answer {
    answer_at(&postmaster.folder, postmaster.port).await
}

async fn answer_at(folder: &Path, port: u16) -> Answer {
    // Refused or not: it answers.
    let config = config_at(folder, port, "postgres", OWNER);
    match timeout(Duration::from_secs(5), config.connect(NoTls)).await {
        Ok(Ok(_)) => Answer::Ready,
        Ok(Err(error)) => match error.code() {
            Some(&SqlState::CANNOT_CONNECT_NOW) => Answer::NotNow,
            // It refuses us, as it can only do when it is up.
            Some(_) => Answer::Ready,
            None => Answer::Nothing,
        },
        Err(_) => Answer::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::without_our_knocking;

    #[test]
    fn our_own_attempts_do_not_hide_why_it_did_not_start() {
        let log = "12:00 UTC [7] PANIC:  could not locate a valid checkpoint record\n\
                   12:00 UTC [8] FATAL:  the database system is starting up\n\
                   12:00 UTC [9] FATAL:  the database system is not yet accepting connections\n\
                   12:00 UTC [9] DETAIL:  Consistent recovery state has not been yet reached.";
        let expected = "12:00 UTC [7] PANIC:  could not locate a valid checkpoint record";
        assert_eq!(without_our_knocking(log), expected);
    }
}
