//! Reads back what a store holds of a snapshot, as a reader would get it.

use std::io::BufReader;

use futures_util::{StreamExt, stream};
use snapshot_format::{
    Digest, Encoding, Key, MAX_MANIFEST_SIZE, Manifest, ObjectHash, Version, check_object,
    check_variant,
};
use snapshot_store::{FetchError, Fetched, Store};

use super::fault::Fault;
use super::workers::CONCURRENT_REQUESTS;
use crate::blocking::blocking;
use crate::words::with_causes;

/// The manifest that a version names, or what is wrong with it.
pub(crate) async fn read_manifest(
    store: &impl Store,
    version: &Version,
) -> Result<Manifest, Fault> {
    let key = Key::Manifest(version.manifest.hash);
    let fault = |message: String| Fault {
        location: store.location(&key),
        message,
    };
    let bytes = match store.get(&key, MAX_MANIFEST_SIZE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(fault("is missing".to_owned())),
        Err(error) => return Err(fault(unreadable(error))),
    };
    let (found, expected) = (ObjectHash::of(&bytes), version.manifest.hash);
    if found != expected {
        return Err(fault(format!("its BLAKE3 is {found}")));
    }
    let manifest = Manifest::parse(&bytes).map_err(|error| fault(with_causes(&error)))?;
    let contradiction = bytes.len() as u64 != version.manifest.size
        || manifest.bootstrap.hash != version.bootstrap.hash
        || manifest.bootstrap.size != version.bootstrap.size
        || manifest.schema_version != version.schema_version
        || manifest.reference_version != version.reference_version;
    if contradiction {
        Err(fault("is not what its version says of it".to_owned()))
    } else {
        Ok(manifest)
    }
}

/// Whatever is wrong with the objects that a manifest names, but not with their variants:
/// one that is missing, or has another size or hash.
///
/// The variants of a large table take longer to unpack than the table to publish, so what
/// they hold is for a rollback and for `publisher verify` to look at.
pub(crate) async fn read_back_objects(store: &impl Store, manifest: &Manifest) -> Vec<Fault> {
    let objects = manifest.objects();
    let faults = stream::iter(objects.map(|(key, expected)| (vec![key], expected)))
        .map(|(keys, expected)| read_files(store, keys, expected))
        .buffer_unordered(CONCURRENT_REQUESTS);
    let mut faults: Vec<Fault> = faults.flat_map(stream::iter).collect().await;
    faults.sort();
    faults
}

/// Whatever is wrong with the objects that a manifest names, and with their variants:
/// one that is missing, has another size or hash, or does not unpack to its object.
pub(crate) async fn read_back(store: &impl Store, manifest: &Manifest) -> Vec<Fault> {
    let faults = stream::iter(manifest.objects())
        .map(|(key, expected)| read_files(store, files_of(&key, expected.size), expected))
        .buffer_unordered(CONCURRENT_REQUESTS);
    let mut faults: Vec<Fault> = faults.flat_map(stream::iter).collect().await;
    faults.sort();
    faults
}

/// An object's key and those of its variants.
pub(crate) fn files_of(object: &Key, size_bytes: u64) -> Vec<Key> {
    let variants = Encoding::of_object(size_bytes).iter();
    let variants = variants.map(|&encoding| object.with_encoding(Some(encoding)));
    std::iter::once(object.clone()).chain(variants).collect()
}

async fn read_files(store: &impl Store, keys: Vec<Key>, expected: Digest) -> Vec<Fault> {
    let mut faults = Vec::new();
    for key in keys {
        let message = match store.open(&key) {
            Ok(Some(content)) => read_file(key.clone(), content, expected).await,
            Ok(None) => Some("is missing".to_owned()),
            Err(error) => Some(unreadable(error)),
        };
        faults.extend(message.map(|message| Fault {
            location: store.location(&key),
            message,
        }));
    }
    faults
}

// What is wrong with it.
async fn read_file(key: Key, content: Fetched, expected: Digest) -> Option<String> {
    let work = move || match key.encoding() {
        None => check_object(content, &expected)
            .err()
            .map(|error| error.to_string()),
        Some(encoding) => {
            let content = BufReader::with_capacity(READ_SIZE, content);
            let checked = check_variant(encoding, content, &expected);
            checked.err().map(|error| error.to_string())
        }
    };
    blocking(work).await
}

pub(super) const READ_SIZE: usize = 256 * 1024;

fn unreadable(error: FetchError) -> String {
    match error {
        FetchError::Failed { source, .. } => format!("cannot be read: {source}"),
        other => with_causes(&other),
    }
}
