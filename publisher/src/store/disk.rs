//! The seam between a store and the file system.
//!
//! Every step that changes a disk is a method of [`Disk`]; `store/directory.rs`,
//! `store/lock.rs` and `spool.rs` have no other way to it. So a test can make each step
//! fail, or let the process die there, without a list of steps that somebody has to keep.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use tempfile::NamedTempFile;

/// What is about to happen to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A folder is made.
    CreateFolder,
    /// An empty file is made, under a name that nobody reads.
    CreateFile,
    /// Bytes go into such a file.
    Write,
    /// A file's bytes are made durable.
    SyncFile,
    /// A file gets the name under which readers find it, which was free.
    Rename,
    /// A file takes the place of another.
    Replace,
    /// The names in a folder are made durable.
    SyncFolder,
    /// A leftover is removed.
    Remove,
}

type Hook = dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync;

/// The file system, with a hook before each step.
#[derive(Clone, Default)]
pub struct Disk {
    hook: Option<Arc<Hook>>,
}

// Readable by everybody whom the umask does not forbid it: a web server runs as another
// user, and a temporary file would be for its owner alone.
const FILE_MODE: u32 = 0o644;

impl Disk {
    /// A disk that asks `hook` before each step. The step is not done where the hook
    /// gives an error, which is then the step's own.
    pub fn with_hook(hook: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self {
            hook: Some(Arc::new(hook)),
        }
    }

    pub(crate) fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::CreateFolder, path)?;
        fs::create_dir(path)
    }

    /// A file without a lasting name; it goes when the value is dropped.
    pub(crate) fn create_temporary(&self, folder: &Path) -> io::Result<NamedTempFile> {
        self.step(Step::CreateFile, folder)?;
        tempfile::Builder::new()
            .prefix("")
            .permissions(Permissions::from_mode(FILE_MODE))
            .tempfile_in(folder)
    }

    /// Opens a file for reading and writing; makes it where it is not there.
    pub(crate) fn open_or_create(&self, path: &Path) -> io::Result<File> {
        self.step(Step::CreateFile, path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(FILE_MODE).open(path)
    }

    pub(crate) fn write_at(
        &self,
        file: &File,
        path: &Path,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        self.step(Step::Write, path)?;
        file.write_all_at(bytes, offset)
    }

    pub(crate) fn truncate(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step(Step::Write, path)?;
        file.set_len(0)
    }

    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFile, path)?;
        file.sync_all()
    }

    /// Gives a temporary file its name. An existing file is left alone:
    /// [`io::ErrorKind::AlreadyExists`].
    pub(crate) fn rename(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        self.step(Step::Rename, path)?;
        file.persist_noclobber(path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Gives a temporary file the name of another, which readers see until then.
    pub(crate) fn replace(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        self.step(Step::Replace, path)?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    pub(crate) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder, path)?;
        File::open(path)?.sync_all()
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(Step::Remove, path)?;
        if fs::symlink_metadata(path)?.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    }

    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        match &self.hook {
            Some(hook) => hook(step, path),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("hook", &self.hook.is_some())
            .finish()
    }
}
