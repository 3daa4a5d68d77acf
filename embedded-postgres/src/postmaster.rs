//! What a running server says of itself.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use snapshot_store::Folder;

/// What a server writes about itself into `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Postmaster {
    pub(crate) pid: i32,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
}

impl Postmaster {
    /// Reads the file; `None` where there is no server, or none that listens yet.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        let file = Folder::open(data).ok()?.read("postmaster.pid").ok()?;
        Self::parse(std::str::from_utf8(&file).ok()?)
    }

    pub(crate) fn file(data: &Path) -> PathBuf {
        data.join("postmaster.pid")
    }

    /// ```text
    /// 4711                      process
    /// /home/ada/.tablecast/...  data folder
    /// 1771938724                started
    /// 5432                      port
    /// /tmp/tablecast-x7Yq2a     socket folder, empty until the server listens
    /// ```
    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let folder = lines.get(4).filter(|folder| !folder.is_empty())?;
        let pid = lines[0].trim().parse().ok()?;
        let port = lines[3].trim().parse().ok()?;
        // A signal to zero or less would go to a whole group of processes.
        (pid > 1).then(|| Self {
            pid,
            port,
            folder: folder.into(),
        })
    }

    pub(crate) fn number_is_in_use(&self) -> bool {
        kill(Pid::from_raw(self.pid), None) != Err(Errno::ESRCH)
    }
}

#[cfg(test)]
mod tests {
    use super::Postmaster;

    #[test]
    fn a_server_is_known_once_it_listens() {
        let listening = "4711\n/data\n1771938724\n5432\n/tmp/tablecast-a\n\n  1234  5\nready   \n";
        let expected = Postmaster {
            pid: 4711,
            port: 5432,
            folder: "/tmp/tablecast-a".into(),
        };
        assert_eq!(Postmaster::parse(listening), Some(expected));
        assert_eq!(Postmaster::parse("4711\n/data\n1771938724\n5432\n\n"), None);
        assert_eq!(Postmaster::parse("4711\n/da"), None);
        assert_eq!(Postmaster::parse(""), None);
    }

    #[test]
    fn a_number_that_stands_for_many_processes_is_none() {
        for pid in ["-1", "0", "1", "-4711", "x"] {
            let text = format!("{pid}\n/data\n1771938724\n5432\n/tmp/tablecast-a\n");
            assert_eq!(Postmaster::parse(&text), None, "{pid}");
        }
    }
}
