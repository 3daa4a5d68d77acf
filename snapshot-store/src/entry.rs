//! What stands in a folder under a name.

use std::ffi::OsString;
use std::fmt;
use std::time::SystemTime;

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file, the only thing that is ever read or written.
    File,
    /// A folder, which may hold other names.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
    /// A FIFO, which is also called a named pipe.
    Fifo,
    /// A Unix socket, which programs talk through.
    Socket,
    /// A device, of blocks or of characters.
    Device,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the folder that it stands in.
    pub name: OsString,
    /// What it names: of a link, the link.
    pub kind: Kind,
}

/// What is known of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What stands there: of a link, the link.
    pub kind: Kind,
    /// The file's length in bytes.
    pub size_bytes: u64,
    /// When its content was last changed.
    pub modified: SystemTime,
    /// Who may do what: the nine bits of read, write and execute. On Windows 0.
    pub mode: u32,
    /// How many names it has.
    pub names: u64,
    /// Its device and number, which no other file has at the same time. On Windows 0.
    pub identity: (u64, u64),
}
