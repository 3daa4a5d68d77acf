//! Where the server's data lies, as whom it runs, and whose turn it is.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::{Uid, geteuid};
use snapshot_store::{Folder, Kind};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::copied::{Copied, original_of};
use crate::error::EmbeddedError;
use crate::files::{link_at, new_folder, open_own};
use crate::place::{self, Found};
use crate::run_as::{RunAs, name_of, owner_of, unprivileged};

/// How long others may take to start, join or stop the server before we give up.
const TURN_WITHIN: Duration = Duration::from_secs(180);

/// How long we rest before looking again at something that no event announces.
pub(crate) const MOMENT: Duration = Duration::from_millis(10);

/// What programs need to be found and to find their libraries.
const KEPT_ENVIRONMENT: [&str; 4] = ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// What a socket folder's name begins with.
const SOCKET_FOLDER: &str = "tablecast-";

/// No path is longer on any system.
const MAX_PATH_BYTES: u64 = 4096;

/// The longest socket path, `<temporary folder>/tablecast-XXXXXX/.s.PGSQL.5432`, that
/// macOS takes; Linux takes four bytes more.
const SOCKET_PATH_BYTES: usize = 103;

/// The places of one project's server.
#[derive(Debug)]
pub(crate) struct Home {
    /// The data folder itself, never a link to it.
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    /// The project's folder.
    root: PathBuf,
    /// What whoever started the server should know of where the data is.
    note: Option<String>,
    /// `None`: as ourselves.
    run_as: Option<RunAs>,
    /// Data that came along with a copy of another project.
    copied: Option<Copied>,
}

impl Home {
    /// Decides on places and user, and makes the folders above the data.
    pub(crate) fn open(root: &Path) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(root).map_err(EmbeddedError::path(root))?;
        let mut home = Self::look(root)?;
        let mut owner = owner_of(&home.data);
        home.run_as = unprivileged(owner.as_ref())?;
        if home.begins_as_a_copy(owner.as_ref()) {
            owner = None;
        }
        home.check_owner(owner.as_ref())?;
        if home.is_elsewhere() {
            let folder = home.parent().to_owned();
            place::tie(&home.root, &folder)?;
            home.drop_old_link()?;
            return Ok(home);
        }
        // It led to the data of another project, or to none.
        home.drop_old_link()?;
        fs::create_dir_all(home.parent()).map_err(EmbeddedError::path(home.parent()))?;
        if home.in_reach(home.parent())? {
            place::forget(&home.root)?;
            return Ok(home);
        }
        if owner.is_some() {
            let user = name_of(home.user());
            return Err(EmbeddedError::Unreachable {
                data: home.data,
                user,
            });
        }
        let project = home.data;
        home.data = place::make(&home.root)?.join("postgres");
        let why = home.note.take().unwrap_or_else(|| {
            format!(
                "PostgreSQL does not run as root, and its user cannot reach {}",
                project.display()
            )
        });
        home.note = Some(format!("{why}: the data is in {}", home.data.display()));
        Ok(home)
    }

    /// Finds the places of a project, and changes nothing.
    pub(crate) fn look(root: &Path) -> Result<Self, EmbeddedError> {
        let root = root.canonicalize().map_err(EmbeddedError::path(root))?;
        let own = root.join("postgres");
        let mut home = Self {
            log: root.join("postgres.log"),
            data: own.clone(),
            note: None,
            run_as: None,
            copied: None,
            root,
        };
        let found = place::find(&home.root)?;
        let found = match (found, place::of_old_link(&own)) {
            (Found::None, Some(folder)) => place::found_at(&home.root, folder),
            (found, _) => found,
        };
        match found {
            Found::Own(folder) => home.data = folder.join("postgres"),
            Found::None => home.data = data_of(&own)?,
            Found::CopyOf(other) => {
                home.note = Some(format!(
                    "{} is a copy of {}, and begins with a database of its own",
                    home.root.display(),
                    other.display()
                ));
            }
            Found::Gone(folder) => {
                home.note = Some(format!(
                    "the data of {} was in {}, which is gone; it begins anew",
                    home.root.display(),
                    folder.display()
                ));
            }
        }
        Ok(home)
    }

    /// Whether the data lies out of the project.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.parent() != self.root && place::is_shared(self.parent())
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What is to be told of where the data is.
    pub(crate) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Removes the data. Only who has the turn may do so, and while nobody is alive.
    pub(crate) fn remove_data(&self) -> Result<(), EmbeddedError> {
        if self.is_elsewhere() {
            place::remove_folder(self.parent())?;
            return place::forget(&self.root);
        }
        // A folder of ours, at its place, made by initdb, and started by us.
        let is_ours = self.parent() == self.root
            && fs::symlink_metadata(&self.data).is_ok_and(|metadata| metadata.is_dir())
            && self.data.join("PG_VERSION").is_file();
        if !is_ours {
            return Err(EmbeddedError::NotMade(self.data.clone()));
        }
        fs::remove_dir_all(&self.data).map_err(EmbeddedError::path(&self.data))?;
        let _ = fs::remove_file(self.beside_data(".password"));
        let _ = fs::remove_file(&self.log);
        Ok(())
    }

    // Whether the data is another project's, copied by root. It is not used, and kept for
    // whoever misses something.
    fn begins_as_a_copy(&mut self, owner: Option<&RunAs>) -> bool {
        if self.is_elsewhere() || !owner.is_some_and(|owner| owner.uid.is_root()) {
            return false;
        }
        let Some(other) = original_of(&self.data) else {
            return false;
        };
        let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
        let mut names = (1..1000).map(|n| self.beside_data(&format!(".copied-{n}")));
        let Some(aside) = names.find(is_free) else {
            return false;
        };
        self.note = Some(format!(
            "{} is a copy of {}, and begins with a database of its own; remove the copied data, which is in {}",
            self.root.display(),
            other.parent().unwrap_or(&other).display(),
            aside.display()
        ));
        let data = self.data.clone();
        self.copied = Some(Copied { data, aside });
        true
    }

    /// Makes room for the data of a copy. Only who has the turn may do so, and while nobody
    /// is alive.
    pub(crate) fn set_copy_aside(&self) -> Result<(), EmbeddedError> {
        let Some(Copied { data, aside }) = &self.copied else {
            return Ok(());
        };
        // Another publisher may have done so, and made the data that is there now.
        if !owner_of(data).is_some_and(|owner| owner.uid.is_root()) {
            return Ok(());
        }
        fs::rename(data, aside).map_err(EmbeddedError::path(data))
    }

    // The file that names the place has taken over from the link.
    fn drop_old_link(&self) -> Result<(), EmbeddedError> {
        let link = self.root.join("postgres");
        if place::of_old_link(&link).is_some() {
            fs::remove_file(&link).map_err(EmbeddedError::path(&link))?;
        }
        Ok(())
    }

    /// The folder that holds the data folder and the locks beside it.
    pub(crate) fn parent(&self) -> &Path {
        self.data
            .parent()
            .expect("a data folder lies in .tablecast or a folder of its own")
    }

    /// Waits until no other publisher is starting, joining or stopping this server. The
    /// turn ends when the file is closed.
    pub(crate) async fn take_turn(&self) -> Result<File, EmbeddedError> {
        let path = self.beside_data(".lock");
        let file = open_lock(&path)?;
        let deadline = Instant::now() + TURN_WITHIN;
        // Asked again and again, because nobody could cancel waiting for it.
        while !lock(&path, file.try_lock())? {
            if Instant::now() > deadline {
                return Err(EmbeddedError::Busy(path));
            }
            sleep(MOMENT).await;
        }
        Ok(file)
    }

    /// The lock that a server's processes hold; `None` while any of them is alive.
    ///
    /// They inherit the file, and the lock with it: it is free again when the last of
    /// them has closed it, which is when it has ended.
    pub(crate) fn nobody_alive(&self) -> Result<Option<File>, EmbeddedError> {
        let path = self.beside_data(".alive");
        let file = open_lock(&path)?;
        if !lock(&path, file.try_lock())? {
            return Ok(None);
        }
        check_alive(&file).map_err(EmbeddedError::path(&path))?;
        Ok(Some(file))
    }

    /// PostgreSQL would follow links in its data folder, which we never make there.
    pub(crate) fn check_data(&self) -> Result<(), EmbeddedError> {
        let failed = |error| EmbeddedError::path(&self.data)(error);
        let data = match Folder::open(&self.data) {
            // What else stands there is named by whoever looks for a cluster.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(());
            }
            opened => opened.map_err(failed)?,
        };
        check_below(&data, Path::new("")).map_err(failed)
    }

    /// A new private folder, with a path short enough for a socket.
    pub(crate) fn new_socket_folder(&self) -> Result<TempDir, EmbeddedError> {
        let preferred = env::temp_dir();
        let temporary = if fits_a_socket(&preferred) && self.in_reach(&preferred)? {
            preferred
        } else {
            PathBuf::from("/tmp")
        };
        new_folder(&temporary, SOCKET_FOLDER)
    }

    /// Makes the server's user the owner of what we made, and of no file behind a link.
    pub(crate) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Some(user) = &self.run_as else {
            return Ok(());
        };
        lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(EmbeddedError::path(path))
    }

    /// A program to be run as the server's user, in surroundings that do not leak into it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // What stands in our environment, such as DATABASE_URL, is no business of the server,
        // and PGDATA, PGPORT and their kin are about some other one. Translated messages are
        // of no use to whoever looks them up.
        command.env_clear();
        let kept = KEPT_ENVIRONMENT.iter();
        command.envs(kept.filter_map(|name| Some((name, env::var_os(name)?))));
        command
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some(user) = &self.run_as {
            // Supplementary groups are dropped with the user.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Whether the server's user gets into a folder: asked of the kernel, which alone
    /// knows every access list and mount.
    fn in_reach(&self, folder: &Path) -> Result<bool, EmbeddedError> {
        if self.run_as.is_none() {
            return Ok(true);
        }
        let mut shell = self.command("/bin/sh");
        shell
            .args(["-c", r#"cd "$1""#, "sh"])
            .arg(folder)
            .stderr(Stdio::null());
        Ok(shell
            .status()
            .map_err(EmbeddedError::run(Path::new("/bin/sh")))?
            .success())
    }

    /// Whether a folder is one that [`Home::new_socket_folder`] made. It is named by a
    /// file that others may have written, which is not taken at its word.
    pub(crate) fn is_socket_folder(&self, folder: &Path) -> bool {
        let name = folder.file_name().unwrap_or_default().as_bytes();
        let parents = [env::temp_dir(), PathBuf::from("/tmp")];
        let placed = parents.iter().any(|parent| folder.parent() == Some(parent));
        let owned = fs::symlink_metadata(folder).is_ok_and(|metadata| {
            // Ours until it is given away.
            metadata.is_dir() && [self.user(), geteuid()].contains(&metadata.uid().into())
        });
        placed && owned && name.starts_with(SOCKET_FOLDER.as_bytes())
    }

    /// PostgreSQL insists that whoever runs it owns its data.
    fn check_owner(&self, owner: Option<&RunAs>) -> Result<(), EmbeddedError> {
        match owner {
            Some(owner) if owner.uid != self.user() => Err(EmbeddedError::NotOurs {
                data: self.data.clone(),
                owner: name_of(owner.uid),
                user: name_of(self.user()),
            }),
            _ => Ok(()),
        }
    }

    fn user(&self) -> Uid {
        self.run_as.as_ref().map_or_else(geteuid, |user| user.uid)
    }

    pub(crate) fn beside_data(&self, suffix: &str) -> PathBuf {
        let mut path = self.data.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// Where the data of a project is, if nowhere else: in its place. No link is followed.
fn data_of(place: &Path) -> Result<PathBuf, EmbeddedError> {
    match fs::read_link(place) {
        Ok(_) => Err(link_at(place)),
        Err(_) => Ok(place.to_owned()),
    }
}

// It holds the path of a socket folder; what another program wrote is not written over.
fn check_alive(alive: &File) -> io::Result<()> {
    let mut start = [0; 1];
    let read = alive.read_at(&mut start, 0)?;
    let size = alive.metadata()?.len();
    if read == 0 || (start == *b"/" && size < MAX_PATH_BYTES) {
        return Ok(());
    }
    let what = "another program wrote it; move it away";
    Err(io::Error::new(ErrorKind::InvalidData, what))
}

fn check_below(data: &Folder, below: &Path) -> io::Result<()> {
    for entry in data.entries(below)? {
        let path = below.join(entry.name);
        if let Some(refused) = data.refusal(&path, entry.kind) {
            return Err(refused.into());
        }
        if entry.kind == Kind::Folder {
            check_below(data, &path)?;
        }
    }
    Ok(())
}

/// Whether the attempt to lock a file gave us the lock.
pub(crate) fn lock(path: &Path, attempt: Result<(), TryLockError>) -> Result<bool, EmbeddedError> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(EmbeddedError::path(path)(error)),
    }
}

fn open_lock(path: &Path) -> Result<File, EmbeddedError> {
    open_own(path, File::options().read(true).append(true).create(true))
}

fn fits_a_socket(temporary: &Path) -> bool {
    let bytes = temporary.as_os_str().as_bytes();
    // PostgreSQL reads the folder from a list, in which other characters have a meaning.
    let plain = bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte));
    plain
        && temporary.is_absolute()
        && bytes.len() + "/tablecast-XXXXXX/.s.PGSQL.5432".len() <= SOCKET_PATH_BYTES
}

/// Whether a server runs on the data; looks, and makes nothing.
pub(crate) fn is_in_use(data: &Path) -> bool {
    let mut path = data.as_os_str().to_owned();
    path.push(".alive");
    let file = open_own(Path::new(&path), File::options().read(true));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
