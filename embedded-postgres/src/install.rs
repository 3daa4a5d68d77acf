//! What installs PostgreSQL on this system.

use std::env;
use std::path::PathBuf;

use nix::unistd::geteuid;

/// Each package manager's program, and what to ask of it.
const INSTALLERS: [(&str, &str); 6] = [
    ("apt-get", "apt-get install postgresql"),
    ("dnf", "dnf install postgresql-server"),
    ("pacman", "pacman -S postgresql"),
    ("apk", "apk add postgresql"),
    ("zypper", "zypper install postgresql-server"),
    ("brew", "brew install postgresql@17"),
];

/// The one command that installs PostgreSQL on this system, where we know it.
pub(crate) fn install_command() -> Option<String> {
    let path = search_path();
    let (program, command) = INSTALLERS
        .into_iter()
        .find(|(program, _)| path.iter().any(|folder| folder.join(program).is_file()))?;
    // Homebrew refuses root; the others need it.
    let sudo = if program == "brew" || geteuid().is_root() {
        ""
    } else {
        "sudo "
    };
    Some(format!("{sudo}{command}"))
}

/// The folders of PATH.
pub(crate) fn search_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // A relative entry means whatever folder we happen to stand in: not a place for programs.
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect()
}
