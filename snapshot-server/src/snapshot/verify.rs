//! Whether bytes are those that were promised. Pure, but for what is read.

use std::io::{self, Read};

use snapshot_format::{Digest, DigestWriter, Key, Manifest, ObjectHash, Sha256, Version};

use crate::snapshot::error::LoadError;

/// What is known of an object's bytes before they are read.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) hash: ObjectHash,
    pub(crate) sha256: Option<Sha256>,
    pub(crate) size: Option<u64>,
}

/// What these bytes are.
pub(crate) fn digest(mut reader: impl Read) -> io::Result<Digest> {
    let mut writer = DigestWriter::new(io::sink());
    io::copy(&mut reader, &mut writer)?;
    Ok(writer.finish().1)
}

/// Whether they are as many as were promised, which is known before they are hashed.
pub(crate) fn check_size(key: &Key, promise: &Promise, found: u64) -> Result<(), LoadError> {
    let text = |size: u64| format!("{size} bytes");
    match promise.size {
        Some(size) if size != found => Err(damaged(key, text(size), text(found))),
        _ => Ok(()),
    }
}

/// Whether they are what was promised.
pub(crate) fn check(key: &Key, promise: &Promise, found: &Digest) -> Result<(), LoadError> {
    check_size(key, promise, found.size)?;
    if promise.hash != found.hash {
        let text = |hash: ObjectHash| format!("hash {hash}");
        return Err(damaged(key, text(promise.hash), text(found.hash)));
    }
    if let Some(sha256) = promise.sha256
        && sha256 != found.sha256
    {
        let text = |sha256: Sha256| format!("SHA-256 {sha256}");
        return Err(damaged(key, text(sha256), text(found.sha256)));
    }
    Ok(())
}

fn damaged(key: &Key, expected: String, found: String) -> LoadError {
    LoadError::Damaged {
        path: key.path(),
        expected,
        found,
    }
}

/// The first field in which a version and its manifest differ.
pub(crate) fn disagreement(version: &Version, manifest: &Manifest) -> Option<&'static str> {
    let bootstrap = (manifest.bootstrap.hash, manifest.bootstrap.size);
    let checks = [
        (
            version.schema_version == manifest.schema_version,
            "schemaVersion",
        ),
        (
            version.reference_version == manifest.reference_version,
            "referenceVersion",
        ),
        (version.generated_at == manifest.generated_at, "generatedAt"),
        (
            (version.bootstrap.hash, version.bootstrap.size) == bootstrap,
            "bootstrap",
        ),
    ];
    checks
        .into_iter()
        .find(|(agree, _)| !agree)
        .map(|(_, what)| what)
}
