//! A store in a folder of this machine.

mod disk;
mod list;
mod lock;
mod mode;
mod names;
mod opened;
mod reader;
mod settle;
mod store;
#[cfg(test)]
mod tests;

pub use disk::{Disk, Staged, Step};
pub use list::Found;
pub use mode::{ModeError, StoreMode};
pub use reader::Directory;
pub use settle::Settled;
pub use store::DirectoryStore;
