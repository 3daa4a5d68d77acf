//! Where snapshots live.
//!
//! A [`Folder`] is opened once, and everything below it is reached from that handle: for
//! reading and writing, locking, listing and removing. No symbolic link below it is ever
//! followed, and nothing but a regular file is ever read or written. So whoever can put a
//! link, a FIFO or a device into the folder, also while a program works there, leads no
//! program out of it and keeps none waiting.
//!
//! The folder itself may be reached through links: people deploy so.
//!
//! With the feature `store` there are places for snapshots over it. Each is a [`Reader`]:
//! it opens and gets what lies under a key, and lists the history. One that is written to
//! is a [`Store`] too: it puts what is not there, replaces the pointer, and removes.
//!
//! | place | reads | writes |
//! | --- | --- | --- |
//! | [`Directory`] | a folder as it is, beside any publisher | |
//! | [`DirectoryStore`] | a folder, locked for one publisher | yes |
//! | [`MemoryStore`] | what this program has put | yes |
//! | [`Site`] (feature `site`) | over HTTP; its history cannot be listed | |
//!
//! [`Origin`] is the folder or the site that a person names. [`history::History`] is what
//! any of them still tells of. `tests/contract` tries one suite on all of them.
//!
//! Errors say where and what was tried: [`FetchError`] of reading, [`StoreError`] of
//! writing, and each has a `hint` for people.

// The table above names what stands behind features.
#![cfg_attr(not(feature = "site"), allow(rustdoc::broken_intra_doc_links))]

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
