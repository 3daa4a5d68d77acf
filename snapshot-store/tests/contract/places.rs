//! The places, each of them empty at first.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use snapshot_format::Key;
use snapshot_store::spool::Spool;
use snapshot_store::{Directory, DirectoryStore, MemoryStore, Origin, Reader, Store};
use tempfile::TempDir;

use crate::site::Server;

/// A place to read from, and the way to fill it.
pub(crate) enum Place {
    /// What lies in a folder is what the place has, read there or from who serves it.
    Files {
        reader: Box<dyn Reader>,
        folder: TempDir,
        _server: Option<Server>,
    },
    /// Filled as a store is.
    Memory(MemoryStore),
}

impl Place {
    fn of_folder(reader: impl FnOnce(PathBuf) -> Box<dyn Reader>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::Files {
            reader: reader(folder.path().to_owned()),
            folder,
            _server: None,
        }
    }

    fn of_site(end: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Server::over(folder.path());
        let origin = Origin::named(&format!("{}{end}", server.url)).expect("a URL");
        Self::Files {
            reader: Box::new(origin),
            folder,
            _server: Some(server),
        }
    }

    pub(crate) fn reader(&self) -> &dyn Reader {
        match self {
            Self::Files { reader, .. } => &**reader,
            Self::Memory(store) => store,
        }
    }

    /// Lets `bytes` lie under a key under which nothing lies, or under the pointer's.
    pub(crate) async fn lay(&self, key: &Key, bytes: &[u8]) {
        match self {
            Self::Files { folder, .. } => {
                let path = folder.path().join(key.path());
                fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
                fs::write(path, bytes).expect("written");
            }
            Self::Memory(store) if *key == Key::Version => store.swap(bytes).await.expect("put"),
            Self::Memory(store) => {
                let content = Spool::holding(store.staging(), bytes.to_vec());
                store.put(key, content).await.expect("put");
            }
        }
    }
}

pub(crate) async fn folder() -> Place {
    Place::of_folder(|root| Box::new(Directory::new(root)))
}

pub(crate) async fn named_folder() -> Place {
    Place::of_folder(|root| {
        let name = root.to_str().expect("UTF-8");
        Box::new(Origin::named(name).expect("a folder"))
    })
}

pub(crate) async fn folder_that_is_a_store() -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Place::Files {
        reader: Box::new(open(&folder).await),
        folder,
        _server: None,
    }
}

pub(crate) async fn memory() -> Place {
    Place::Memory(MemoryStore::new())
}

pub(crate) async fn site() -> Place {
    Place::of_site("/")
}

pub(crate) async fn named_site() -> Place {
    Place::of_site("/version.json")
}

/// A store, and the folder that it stands in.
pub(crate) struct Opened<S> {
    pub(crate) store: S,
    _folder: Option<TempDir>,
}

pub(crate) async fn open_store() -> Opened<DirectoryStore> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Opened {
        store: open(&folder).await,
        _folder: Some(folder),
    }
}

pub(crate) async fn open_memory() -> Opened<MemoryStore> {
    Opened {
        store: MemoryStore::new(),
        _folder: None,
    }
}

async fn open(folder: &TempDir) -> DirectoryStore {
    let opened = DirectoryStore::open(folder.path(), Duration::from_secs(60), |_| {}).await;
    opened.expect("opened")
}
