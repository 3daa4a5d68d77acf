//! Where snapshots live.
//!
//! A [`Folder`] is opened once, and everything below it is reached from that handle: for
//! reading and writing, locking, listing and removing. No symbolic link below it is ever
//! followed, and nothing but a regular file is ever read or written. So whoever can put a
//! link, a FIFO or a device into the folder, also while a program works there, leads no
//! program out of it and keeps none waiting.
//!
//! The folder itself may be reached through links: people deploy so.

#[cfg(feature = "store")]
mod directory;
mod entry;
mod error;
mod folder;
#[cfg(feature = "store")]
pub mod history;
#[cfg(feature = "store")]
mod memory;
#[cfg(feature = "site")]
mod origin;
#[cfg(feature = "store")]
mod reader;
#[cfg(feature = "site")]
mod site;
#[cfg(feature = "store")]
pub mod spool;
#[cfg(feature = "store")]
mod store;

#[cfg(feature = "store")]
pub use directory::{
    Directory, DirectoryStore, Disk, Found, ModeError, Settled, Staged, Step, StoreMode,
};
pub use entry::{Entry, Kind, Metadata};
pub use error::{Refused, hint_for, refused};
pub use folder::{Folder, open_file, read, read_to_string};
#[cfg(feature = "store")]
pub use memory::MemoryStore;
#[cfg(feature = "site")]
pub use origin::Origin;
#[cfg(feature = "store")]
pub use reader::{FetchError, Fetched, Order, Page, ReadPage, Reader};
#[cfg(feature = "site")]
pub use site::{Answer, Method, Site};
#[cfg(feature = "store")]
pub use store::{Holder, Store, StoreError, Stored, StoredKind};
