//! By `openat` and its kin, which know no way through a link but the one we take.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RawMode, Stat, fstat, mkdirat, openat, readlinkat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::{Folder, Links, names};
use crate::{Entry, Kind, Metadata, Refused};

#[derive(Debug, Clone)]
pub(super) struct Handle(Arc<OwnedFd>);

// To be passed through; a folder that may be entered and not listed will do.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const ENTER: OFlags = LIST;

const LIST: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

// A FIFO without a writer, or a modem without a carrier, must not make anybody wait.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

const LOCK: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

const CREATE: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::CLOEXEC);

/// Opens a file for reading, wherever it is. A link to it is followed; but it never waits,
/// and opens nothing but a regular file.
///
/// # Errors
/// [`Refused`] where it is no regular file; where it is not there or cannot be opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    let opened = rustix::fs::open(path, READ, Mode::empty());
    let file = opened.map_err(|errno| {
        let kind = rustix::fs::stat(path).ok().map(|stat| kind_of(&stat));
        special(path, kind).map_or_else(|| errno.into(), io::Error::from)
    })?;
    regular(file, path)
}

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let fd = rustix::fs::open(path, ENTER, Mode::empty())?;
        Ok(Self(Arc::new(fd)))
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        match (fstat(&self.0), rustix::fs::stat(path)) {
            (Ok(ours), Ok(there)) => identity(&ours) == identity(&there),
            _ => false,
        }
    }
}

// The folder that a name stands in.
enum Above<'f> {
    Root(BorrowedFd<'f>),
    Below(OwnedFd),
}

impl AsFd for Above<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Below(fd) => fd.as_fd(),
        }
    }
}

impl Folder {
    pub(super) fn enter(&self, below: &Path) -> io::Result<Handle> {
        let fd = self.open_at(below, ENTER, 0)?;
        Ok(Handle(Arc::new(fd)))
    }

    pub(super) fn open_read(&self, below: &Path) -> io::Result<File> {
        let fd = self.open_at(below, READ, 0)?;
        regular(fd, &self.path_of(below))
    }

    pub(super) fn create_new(&self, below: &Path, mode: u32) -> io::Result<File> {
        self.open_at(below, CREATE, mode).map(File::from)
    }

    pub(super) fn open_or_create(&self, below: &Path, mode: u32) -> io::Result<File> {
        let fd = self.open_at(below, LOCK, mode)?;
        regular(fd, &self.path_of(below))
    }

    pub(super) fn make_folder(&self, below: &Path, mode: u32) -> io::Result<()> {
        let (above, name) = self.above(below)?;
        Ok(mkdirat(above, name, mode_of(mode))?)
    }

    pub(super) fn change_mode(&self, below: &Path, mode: u32) -> io::Result<()> {
        let fd = self.open_at(below, READ, 0)?;
        let file = File::from(fd);
        let metadata = file.metadata()?;
        if !metadata.is_dir() && !metadata.is_file() {
            let kind = kind_of(&fstat(&file)?);
            let refused = special(&self.path_of(below), Some(kind));
            return Err(refused.map_or_else(|| io::ErrorKind::InvalidInput.into(), Into::into));
        }
        // It may be somebody's under another name.
        if metadata.is_file() && metadata.nlink() > 1 {
            let what = "the file has other names too (hard links)";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        // A folder hands its group on to what is made in it, where a bit says so.
        let beyond = metadata.mode() & 0o7000;
        file.set_permissions(Permissions::from_mode(beyond | mode))
    }

    pub(super) fn stat(&self, below: &Path) -> io::Result<Metadata> {
        let (above, name) = self.above(below)?;
        let stat = statat(above, name, self.flags())?;
        Ok(metadata(&stat))
    }

    pub(super) fn list(&self, below: &Path) -> io::Result<Vec<Entry>> {
        let fd = self.open_at(below, LIST, 0)?;
        let mut entries = Vec::new();
        for entry in Dir::new(fd.try_clone()?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => None,
                FileType::Symlink if self.links == Links::Followed => None,
                known => Some(kind(known)),
            };
            let kind = match kind {
                Some(kind) => kind,
                None => match statat(&fd, entry.file_name(), self.flags()) {
                    Ok(stat) => kind_of(&stat),
                    // It went, or it is a link to nothing.
                    Err(_) if entry.file_type() == FileType::Symlink => Kind::Link,
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno.into()),
                },
            };
            let name = OsString::from_vec(name.to_vec());
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    pub(super) fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from, old), (to, new)) = (self.above(from)?, self.above(to)?);
        Ok(renameat(from, old, to, new)?)
    }

    pub(super) fn rename_to_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from, old), (to, new)) = (self.above(from)?, self.above(to)?);
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        {
            use rustix::fs::{RenameFlags, renameat_with};
            match renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
                // A kernel or a file system that does not know it.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                renamed => return Ok(renamed?),
            }
        }
        rustix::fs::linkat(&from, old, to, new, AtFlags::empty())?;
        Ok(unlinkat(from, old, AtFlags::empty())?)
    }

    pub(super) fn unlink(&self, below: &Path) -> io::Result<()> {
        let (above, name) = self.above(below)?;
        Ok(unlinkat(above, name, AtFlags::empty())?)
    }

    pub(super) fn remove_folder(&self, below: &Path) -> io::Result<()> {
        let (above, name) = self.above(below)?;
        Ok(unlinkat(above, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn sync_folder(&self, below: &Path) -> io::Result<()> {
        File::from(self.open_at(below, LIST, 0)?).sync_all()
    }

    pub(super) fn read_link(&self, below: &Path) -> io::Result<PathBuf> {
        let (above, name) = self.above(below)?;
        let target = readlinkat(above, name, Vec::new())?;
        Ok(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }

    fn open_at(&self, below: &Path, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let (above, name) = self.above(below)?;
        let opened = openat(&above, name, flags | self.no_follow(), mode_of(mode));
        opened.map_err(|errno| self.explained(&above, name, below, errno))
    }

    // The folder above what is named, and its name there.
    fn above<'p>(&self, below: &'p Path) -> io::Result<(Above<'_>, &'p OsStr)> {
        let names = names(below)?;
        let mut above = Above::Root(self.handle.0.as_fd());
        let Some((name, folders)) = names.split_last() else {
            return Ok((above, OsStr::new(".")));
        };
        if self.links == Links::Followed {
            return Ok((above, below.as_os_str()));
        }
        let mut passed = PathBuf::new();
        for folder in folders {
            passed.push(folder);
            let opened = openat(&above, *folder, ENTER | OFlags::NOFOLLOW, Mode::empty());
            let next = opened.map_err(|errno| self.explained(&above, folder, &passed, errno))?;
            above = Above::Below(next);
        }
        Ok((above, name))
    }

    // The system has its own words for a link that is not followed, each its own.
    fn explained(&self, above: &Above<'_>, name: &OsStr, below: &Path, errno: Errno) -> io::Error {
        if matches!(errno, Errno::NOENT | Errno::EXIST) {
            return errno.into();
        }
        let stat = statat(above, name, self.flags()).ok();
        let Some(mut refused) = special(&self.path_of(below), stat.map(|stat| kind_of(&stat)))
        else {
            return errno.into();
        };
        if refused.kind == Kind::Link {
            let target = readlinkat(above, name, Vec::new()).ok();
            refused.target =
                target.map(|target| PathBuf::from(OsStr::from_bytes(target.to_bytes())));
        }
        refused.into()
    }

    fn no_follow(&self) -> OFlags {
        match self.links {
            Links::Refused => OFlags::NOFOLLOW,
            Links::Followed => OFlags::empty(),
        }
    }

    fn flags(&self) -> AtFlags {
        match self.links {
            Links::Refused => AtFlags::SYMLINK_NOFOLLOW,
            Links::Followed => AtFlags::empty(),
        }
    }
}

fn regular(fd: OwnedFd, path: &Path) -> io::Result<File> {
    match kind_of(&fstat(&fd)?) {
        Kind::File => Ok(File::from(fd)),
        Kind::Folder => Err(Errno::ISDIR.into()),
        kind => Err(Refused {
            path: path.to_owned(),
            kind,
            target: None,
        }
        .into()),
    }
}

fn special(path: &Path, kind: Option<Kind>) -> Option<Refused> {
    let kind = kind.filter(|kind| !matches!(kind, Kind::File | Kind::Folder))?;
    Some(Refused {
        path: path.to_owned(),
        kind,
        target: None,
    })
}

fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as RawMode)
}

// The fields have other types on other systems.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn metadata(stat: &Stat) -> Metadata {
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs() as u64);
    let within = Duration::from_nanos(stat.st_mtime_nsec as u64);
    let modified = if stat.st_mtime < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    Metadata {
        kind: kind_of(stat),
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        modified: modified
            .and_then(|at| at.checked_add(within))
            .unwrap_or(SystemTime::UNIX_EPOCH),
        mode: stat.st_mode as u32 & 0o777,
        names: stat.st_nlink as u64,
        identity: identity(stat),
    }
}

fn kind_of(stat: &Stat) -> Kind {
    kind(FileType::from_raw_mode(stat.st_mode))
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => Kind::Device,
    }
}
