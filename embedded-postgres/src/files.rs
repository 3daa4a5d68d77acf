//! Files and folders of ours, which may lie among those of others.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use snapshot_store::{Kind, Refused};
use tempfile::TempDir;

use crate::error::EmbeddedError;

/// A new folder, closed to all but its owner, which is us; removed when dropped.
pub(crate) fn new_folder(parent: &Path, prefix: &str) -> Result<TempDir, EmbeddedError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(EmbeddedError::path(parent))
}

/// Opens a file of ours. Not behind a link, and none that has another name too: as root we
/// may stand in a folder of others.
pub(crate) fn open_own(path: &Path, options: &mut fs::OpenOptions) -> Result<File, EmbeddedError> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut open = || {
        let file = options.custom_flags(flags.bits()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() > 1 {
            let what = "it is no file, or a file that has other names too (hard links)";
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        Ok(file)
    };
    let is_link = |error: &io::Error| error.raw_os_error() == Some(Errno::ELOOP as i32);
    match open() {
        Err(error) if is_link(&error) => Err(link_at(path)),
        opened => opened.map_err(EmbeddedError::path(path)),
    }
}

/// A link where none may be.
pub(crate) fn link_at(path: &Path) -> EmbeddedError {
    let refused = Refused {
        path: path.to_owned(),
        kind: Kind::Link,
        target: fs::read_link(path).ok(),
    };
    EmbeddedError::path(path)(refused.into())
}

/// Writes a file whole or not at all, durably, and never through a link.
pub(crate) fn put(path: &Path, text: &[u8], mode: u32) -> Result<(), EmbeddedError> {
    let write = || {
        let folder = path.parent().expect("a file lies in a folder");
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text)?;
        let permissions = fs::Permissions::from_mode(mode);
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(EmbeddedError::path(path))
}

/// So many random bytes, as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> Result<String, EmbeddedError> {
    let source = Path::new("/dev/urandom");
    let mut random = vec![0; bytes];
    let read = File::open(source).and_then(|mut file| file.read_exact(&mut random));
    read.map_err(EmbeddedError::path(source))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
