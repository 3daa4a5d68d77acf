//! The watcher, which ends the server when the last publisher has gone (E1).
//!
//! Rust gives no safe way to have the kernel end a child with its parent, so a small
//! shell program does: `watcher.sh` tells how. Every publisher holds the writing end of
//! its pipe, and the kernel lets go of it whatever the publisher dies of.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::time::sleep;

use crate::error::EmbeddedError;
use crate::home::{Home, MOMENT};
use crate::postmaster::Postmaster;

const PROGRAM: &str = include_str!("watcher.sh");

/// The writing end of a watcher's pipe: while it is open, the server lives.
pub(crate) type Hold = File;

/// Starts a server under a new watcher.
///
/// The watcher comes first and starts the server itself: there is no moment at which the
/// server could be left behind.
pub(crate) fn start(
    home: &Home,
    folder: &Path,
    server: &Command,
    alive: File,
    log: File,
) -> Result<(Hold, Child), EmbeddedError> {
    let path = pipe_in(folder);
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|errno| EmbeddedError::path(&path)(errno.into()))?;
    let (reader, hold) = both_ends(&path).map_err(EmbeddedError::path(&path))?;
    home.give(&path)?;
    // The last of the gifts: until now nobody else could put anything in our way.
    home.give(folder)?;

    let mut watcher = watcher(home, folder, reader);
    watcher
        .arg("")
        .arg(server.get_program())
        .args(server.get_args())
        .stdout(alive)
        .stderr(log);
    Ok((hold, spawn(watcher)?))
}

/// Takes hold of a running server, or finds it about to end.
///
/// An open pipe is not enough: the watcher may already have seen its last user go. It
/// answers only while it has not.
pub(crate) async fn hold(
    home: &Home,
    postmaster: &Postmaster,
) -> Result<Option<Hold>, EmbeddedError> {
    let path = pipe_in(&postmaster.folder);
    let mut hold = match open(&path) {
        Ok(hold) => hold,
        Err(error) if is_unwatched(&error) => return adopt(home, postmaster).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EmbeddedError::path(&path)(error)),
    };
    let question = question();
    let yes = postmaster.folder.join(&question);
    if writeln!(hold, "{question}").is_err() {
        return Ok(None);
    }
    while !yes.exists() {
        match open(&path) {
            Ok(_) => sleep(MOMENT).await,
            Err(_) => return Ok(None),
        }
    }
    let _ = fs::remove_file(yes);
    Ok(Some(hold))
}

/// Gives a living server that lost its watcher a new one. Only who has the turn may do so.
pub(crate) fn ensure(home: &Home, folder: &Path) -> Result<(), EmbeddedError> {
    let unwatched = open(&pipe_in(folder)).is_err_and(|error| is_unwatched(&error));
    if !unwatched || home.nobody_alive()?.is_some() {
        return Ok(());
    }
    match Postmaster::read(&home.data) {
        Some(postmaster) if postmaster.folder == folder => adopt(home, &postmaster).map(drop),
        _ => Ok(()),
    }
}

/// Replaces a killed watcher, for as long as the server lives.
pub(crate) async fn keep_watched(home: Arc<Home>, folder: PathBuf) {
    let path = pipe_in(&folder);
    loop {
        match open(&path).and_then(pipe::Sender::from_file) {
            // A pipe reports an error when nobody reads from it any more.
            Ok(pipe) => drop(pipe.ready(Interest::ERROR).await),
            Err(error) if is_unwatched(&error) => {
                let Ok(_turn) = home.take_turn().await else {
                    return;
                };
                // What cannot be watched now is adopted by the next to start or stop.
                if ensure(&home, &folder).is_err() || open(&path).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
        sleep(MOMENT).await;
    }
}

fn adopt(home: &Home, postmaster: &Postmaster) -> Result<Hold, EmbeddedError> {
    let path = pipe_in(&postmaster.folder);
    let (reader, hold) = both_ends(&path).map_err(EmbeddedError::path(&path))?;
    let mut watcher = watcher(home, &postmaster.folder, reader);
    watcher
        .arg(postmaster.pid.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    spawn(watcher)?;
    Ok(hold)
}

fn watcher(home: &Home, folder: &Path, reader: File) -> Command {
    let mut command = home.command("/bin/sh");
    command
        .args(["-c", PROGRAM, "tablecast-watcher"])
        .arg(folder)
        .stdin(reader);
    // A terminal's Ctrl-C goes to the publisher's group, and is for the publisher alone.
    command.process_group(0);
    command
}

// Takes the command, because as long as that lives the pipe's reading end is ours too.
fn spawn(command: Command) -> Result<Child, EmbeddedError> {
    tokio::process::Command::from(command)
        .spawn()
        .map_err(EmbeddedError::run(Path::new("/bin/sh")))
}

fn pipe_in(folder: &Path) -> PathBuf {
    folder.join("hold")
}

/// Opens both ends, none of which opens alone without waiting for the other.
fn both_ends(path: &Path) -> io::Result<(File, Hold)> {
    let _both = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    Ok((File::open(path)?, open(path)?))
}

/// Opens the writing end without waiting for a reader.
fn open(path: &Path) -> io::Result<Hold> {
    File::options()
        .write(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
        .open(path)
}

fn is_unwatched(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENXIO as i32)
}

/// A name that nobody else asks under.
fn question() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("held-{}-{}", process::id(), now.as_nanos())
}
