//! What a snapshot's folder may hold.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use snapshot_server::properties::Damageable;
use tempfile::TempDir;

static FOLDER: OnceLock<(TempDir, Damageable)> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let (_, snapshot) = FOLDER.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let snapshot = Damageable::over(folder.path());
        (folder, snapshot)
    });
    snapshot.check_load(bytes);
});
