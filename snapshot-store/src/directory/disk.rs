//! The seam between a store and the file system.
//!
//! Every step that changes a disk is a method of [`Disk`]; the other files of
//! this folder and `spool.rs` have no other way to it. So a test can make each step
//! fail, or let the process die there, without a list of steps that somebody has to keep.
//!
//! Below a store's root each step starts from the root's handle and follows no link.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Folder;

use super::mode::StoreMode;

/// What is about to happen to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A folder is made where one was missing.
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
    /// A leftover of a publisher that died is removed.
    Remove,
    /// A file or folder gets another mode.
    SetMode,
}

type Hook = dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync;

/// The file system, with a hook before each step, and the mode of what is made there.
#[derive(Clone, Default)]
pub struct Disk {
    hook: Option<Arc<Hook>>,
    mode: StoreMode,
}

impl Disk {
    /// A disk that asks `hook` before each step. The step is not done where the hook
    /// gives an error, which is then the step's own.
    pub fn with_hook(hook: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self {
            hook: Some(Arc::new(hook)),
            mode: StoreMode::default(),
        }
    }

    /// A disk on which a store gets this mode.
    pub fn with_mode(mode: StoreMode) -> Self {
        Self { hook: None, mode }
    }

    /// The mode of what is made.
    pub(crate) fn mode(&self) -> StoreMode {
        self.mode
    }

    /// A folder that readers pass through.
    pub(crate) fn create_folder(&self, store: &Folder, below: &Path) -> io::Result<()> {
        self.step(Step::CreateFolder, &store.path_of(below))?;
        store.create_folder(below, 0o700)?;
        self.mode.give_folder(store, below)
    }

    /// A folder that is no reader's concern.
    pub(crate) fn create_private_folder(&self, store: &Folder, below: &Path) -> io::Result<()> {
        self.step(Step::CreateFolder, &store.path_of(below))?;
        store.create_folder(below, 0o700)?;
        self.mode.give(store, below, self.mode.private_folder())
    }

    /// The store's own folder, or one above it.
    pub(crate) fn create_root(&self, path: &Path) -> io::Result<()> {
        self.step(Step::CreateFolder, path)?;
        fs::create_dir(path)?;
        self.mode.give_folder(&Folder::open(path)?, Path::new(""))
    }

    /// A file without a lasting name; it goes when the value is dropped.
    pub(crate) fn create_temporary(&self, store: &Folder, folder: &Path) -> io::Result<Staged> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.step(Step::CreateFile, &store.path_of(folder))?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let below = folder.join(format!("{}-{number}", process::id()));
            let file = match store.create_file(&below, 0o600) {
                // A process of the same number has died here.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            let staged = Staged {
                store: store.clone(),
                below,
                file,
                is_named: false,
            };
            self.mode.give_file(&staged.file)?;
            return Ok(staged);
        }
    }

    /// Opens a file for reading and writing; makes it where it is not there.
    pub(crate) fn open_lock(&self, store: &Folder, below: &Path) -> io::Result<File> {
        self.step(Step::CreateFile, &store.path_of(below))?;
        // Other publishers of the group lock it too, whatever our umask is.
        let mode = self.mode.private_file();
        match store.create_file(below, mode) {
            Ok(file) => {
                file.set_permissions(Permissions::from_mode(mode))?;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                store.open_lock(below, mode)
            }
            Err(error) => Err(error),
        }
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

    pub(crate) fn sync_file(&self, staged: &Staged) -> io::Result<()> {
        self.step(Step::SyncFile, &staged.path())?;
        staged.file.sync_all()
    }

    /// Gives a temporary file its name. What has it is left alone:
    /// [`io::ErrorKind::AlreadyExists`].
    pub(crate) fn rename(&self, mut staged: Staged, below: &Path) -> io::Result<()> {
        self.step(Step::Rename, &staged.store.path_of(below))?;
        staged.store.rename_new(&staged.below, below)?;
        staged.is_named = true;
        Ok(())
    }

    /// Gives a temporary file the name of another, which readers see until then.
    pub(crate) fn replace(&self, mut staged: Staged, below: &Path) -> io::Result<()> {
        self.step(Step::Replace, &staged.store.path_of(below))?;
        staged.store.rename(&staged.below, below)?;
        staged.is_named = true;
        Ok(())
    }

    pub(crate) fn sync_folder(&self, store: &Folder, below: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder, &store.path_of(below))?;
        store.sync(below)
    }

    /// The same for a folder above the store.
    pub(crate) fn sync_outside(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder, path)?;
        File::open(path)?.sync_all()
    }

    pub(crate) fn remove(&self, store: &Folder, below: &Path) -> io::Result<()> {
        self.step(Step::Remove, &store.path_of(below))?;
        store.remove_all(below)
    }

    /// Gives what is there already the mode of what is made.
    pub(crate) fn set_mode(&self, store: &Folder, below: &Path, mode: u32) -> io::Result<()> {
        self.step(Step::SetMode, &store.path_of(below))?;
        store.set_mode(below, mode)
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
            .field("mode", &self.mode)
            .finish()
    }
}

/// A file without a lasting name. It goes with the value, unless a store gave it one.
#[derive(Debug)]
pub struct Staged {
    store: Folder,
    below: PathBuf,
    file: File,
    is_named: bool,
}

impl Staged {
    /// The open file, for reading and writing.
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Its path, while it has no other.
    pub fn path(&self) -> PathBuf {
        self.store.path_of(&self.below)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_named {
            // What stays is removed by the next publisher.
            let _ = self.store.remove_file(&self.below);
        }
    }
}
