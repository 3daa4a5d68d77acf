//! Where snapshots live.
//!
//! A [`Folder`] is opened once, and everything below it is reached from that handle: for
//! reading and writing, locking, listing and removing. No symbolic link below it is ever
//! followed, and nothing but a regular file is ever read or written. So whoever can put a
//! link, a FIFO or a device into the folder, also while a program works there, leads no
//! program out of it and keeps none waiting.
//!
//! The folder itself may be reached through links: people deploy so.

mod error;
mod folder;

pub use error::{Refused, refused};
pub use folder::{Entry, Folder, Kind, Metadata, open_file, read, read_to_string};
