//! What a client may send: the request path from the head to the last byte, by
//! both ways to answer.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use snapshot_server::properties::Ways;
use tempfile::TempDir;

static WAYS: OnceLock<(TempDir, Ways)> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let (_, ways) = WAYS.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let ways = Ways::over(folder.path());
        (folder, ways)
    });
    ways.check_request(bytes);
});
