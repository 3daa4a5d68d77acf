//! One refresh: from a `version.json` to a generation whose objects are all verified and held.
//!
//! `docs/client.md` section 3 is this file in words.

use std::sync::Arc;
use std::time::SystemTime;

use snapshot_format::{
    BootstrapHeader, BootstrapReader, FORMAT_VERSION, Key, MAX_MANIFEST_SIZE, MAX_OBJECT_SIZE,
    MAX_VERSION_SIZE, Manifest, ManifestError, ObjectHash, ObjectRef, ReadError, TableEntry,
    TableKey, TableWriter, Version, VersionError,
};

use super::held::{Cache, Generation};
use super::response::{VERSION_PATH, body_of};
use super::story::{FetchRequest, Io};
use crate::bundled::Bundled;
use crate::{Error, ErrorCode};

/// What one refresh needs to know.
#[derive(Debug, Clone)]
pub(crate) struct RefreshRules {
    /// What is shown now.
    pub(crate) shown: Option<Version>,
    /// The majors of `schemaVersion` that the app knows.
    pub(crate) schema_majors: Vec<u32>,
    /// Tables without which a version is of no use to the app.
    pub(crate) required_tables: Vec<String>,
    /// What the app ships.
    pub(crate) bundled: Option<Arc<Bundled>>,
    /// Whether to pass caches by: the server has told of a version that they may not have yet.
    pub(crate) fresh: bool,
    /// The wall clock, for a `Retry-After` date of a response without `Date`.
    pub(crate) wall: SystemTime,
}

#[derive(Debug, Clone)]
struct Wanted {
    key: Key,
    object: ObjectRef,
    limit_bytes: u64,
}

// What a request costs beside its body, in bytes: headers both ways.
const REQUEST_BYTES: u64 = 512;

/// The newest generation, or none where the version shown is the newest.
pub(crate) async fn refresh(
    io: &Io,
    cache: &mut Cache,
    rules: &RefreshRules,
) -> Result<Option<Generation>, Error> {
    let mut version = fetch_version(io, cache, rules).await?;
    for again in [false, true] {
        let shown = rules.shown.as_ref().map(Version::order);
        if shown == Some(version.order()) {
            return Ok(None);
        }
        match fetch_generation(io, cache, rules, &version).await {
            Err(error) if !again && error.code() == ErrorCode::ObjectMissing => {
                // Pruned since, or we were told an old pointer.
                let newer = parse_version(&fetch_version_bytes(io, rules, true).await?)?;
                if newer.order() <= version.order() {
                    return Err(error);
                }
                check(cache, rules, &newer)?;
                version = newer;
            }
            result => return result.map(Some),
        }
    }
    unreachable!("the second try returns whatever comes of it")
}

async fn fetch_version(io: &Io, cache: &Cache, rules: &RefreshRules) -> Result<Version, Error> {
    let version = parse_version(&fetch_version_bytes(io, rules, rules.fresh).await?)?;
    match check(cache, rules, &version) {
        Err(error) if error.code() == ErrorCode::VersionRegressed => {
            let version = parse_version(&fetch_version_bytes(io, rules, true).await?)?;
            check(cache, rules, &version)?;
            Ok(version)
        }
        result => result.map(|()| version),
    }
}

fn check(cache: &Cache, rules: &RefreshRules, offered: &Version) -> Result<(), Error> {
    let name = name_of(offered.order());
    // Without anything to show there is nothing to fall behind.
    if let (Some(shown), Some(mark)) = (&rules.shown, cache.mark) {
        if offered.order() < mark {
            let message = format!(
                "the server offers version {name}, and {} was verified already; some cache is behind",
                name_of(mark)
            );
            return Err(Error::new(ErrorCode::VersionRegressed, message));
        }
        if offered.order() == shown.order() && offered.manifest.hash != shown.manifest.hash {
            let message = format!("there are two versions {name} with different content");
            return Err(Error::new(ErrorCode::VersionConflict, message));
        }
    }
    if !rules.schema_majors.contains(&offered.schema_version.major) {
        let known: Vec<_> = rules.schema_majors.iter().map(u32::to_string).collect();
        let schema = offered.schema_version.to_string();
        let message = format!(
            "version {name} has schema {schema}, this app knows {}; update the app",
            known.join(", ")
        );
        return Err(Error::new(ErrorCode::SchemaUnsupported, message).with_offered(schema));
    }
    Ok(())
}

fn name_of((epoch, sequence): (u64, u64)) -> String {
    format!("{epoch}-{sequence}")
}

async fn fetch_version_bytes(io: &Io, rules: &RefreshRules, again: bool) -> Result<Vec<u8>, Error> {
    let request = FetchRequest {
        path: VERSION_PATH.to_owned(),
        limit_bytes: MAX_VERSION_SIZE as u64,
        again,
    };
    let result = io.fetch(vec![request.clone()]).await.remove(0);
    body_of(&request, result, rules.wall)
}

async fn fetch_generation(
    io: &Io,
    cache: &mut Cache,
    rules: &RefreshRules,
    version: &Version,
) -> Result<Generation, Error> {
    let hash = version.manifest.hash;
    let wanted = Wanted {
        key: Key::Manifest(hash),
        object: version.manifest,
        limit_bytes: MAX_MANIFEST_SIZE as u64,
    };
    fetch_objects(io, cache, rules, vec![wanted]).await?;
    let manifest = Arc::new(parse_manifest(hash, &cache.held[&hash])?);
    require_tables(rules, hash, &manifest)?;
    hold_bundled(cache, rules, &manifest);
    fetch_tables(io, cache, rules, version, &manifest).await?;
    Ok(Generation {
        version: version.clone(),
        manifest,
    })
}

fn require_tables(
    rules: &RefreshRules,
    hash: ObjectHash,
    manifest: &Manifest,
) -> Result<(), Error> {
    let missing: Vec<_> = rules
        .required_tables
        .iter()
        .filter(|key| !manifest.tables.contains_key(key.as_str()))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("the manifest {hash} lacks {}", missing.join(", "));
    Err(Error::new(ErrorCode::TableMissing, message))
}

// What the app shipped need not be fetched. Sizes come first: a hash costs more.
fn hold_bundled(cache: &mut Cache, rules: &RefreshRules, manifest: &Manifest) {
    let Some(bundled) = &rules.bundled else {
        return;
    };
    for (key, entry) in lacking(cache, manifest) {
        let object = bundled.object(manifest.schema_version, &key);
        if let Some(object) = object.filter(|object| object.len() as u64 == entry.size) {
            hold_if_right(cache, entry.hash, object);
        }
    }
}

async fn fetch_tables(
    io: &Io,
    cache: &mut Cache,
    rules: &RefreshRules,
    version: &Version,
    manifest: &Manifest,
) -> Result<(), Error> {
    let tables = lacking(cache, manifest);
    let apart = tables.iter().filter(|(_, entry)| !entry.in_bootstrap);
    let by_bootstrap = cost(
        apart
            .map(|(_, entry)| entry.size)
            .chain([version.bootstrap.size]),
    );
    if by_bootstrap < cost(tables.iter().map(|(_, entry)| entry.size)) {
        let hash = version.bootstrap.hash;
        let wanted = Wanted {
            key: Key::Bootstrap(hash, None),
            object: version.bootstrap,
            limit_bytes: MAX_OBJECT_SIZE,
        };
        fetch_objects(io, cache, rules, vec![wanted]).await?;
        if let Some(bootstrap) = cache.held.remove(&hash) {
            // What cannot be taken out of it is fetched below, one by one.
            let _ = hold_bootstrap(cache, manifest, &bootstrap);
        }
    }
    let wanted = lacking(cache, manifest)
        .into_iter()
        .map(|(key, entry)| Wanted {
            key: Key::Table(key, entry.hash, None),
            object: ObjectRef {
                hash: entry.hash,
                size: entry.size,
            },
            limit_bytes: MAX_OBJECT_SIZE,
        });
    fetch_objects(io, cache, rules, wanted.collect()).await
}

fn lacking(cache: &Cache, manifest: &Manifest) -> Vec<(TableKey, TableEntry)> {
    let tables = manifest.tables.iter();
    tables
        .filter(|(_, entry)| !cache.held.contains_key(&entry.hash))
        .map(|(key, entry)| (key.clone(), entry.clone()))
        .collect()
}

fn cost(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, |sum, size| {
        sum.saturating_add(size).saturating_add(REQUEST_BYTES)
    })
}

fn hold_bootstrap(cache: &mut Cache, manifest: &Manifest, object: &[u8]) -> Result<(), ReadError> {
    let header = BootstrapHeader {
        schema_version: manifest.schema_version,
        reference_version: manifest.reference_version,
        generated_at: manifest.generated_at.clone(),
    };
    let mut reader = BootstrapReader::new(object, &header)?;
    while let Some(key) = reader.next_table()? {
        let mut table = TableWriter::new(Vec::new(), manifest.schema_version, &key)?;
        while let Some(row) = reader.next_row()? {
            table.row(row)?;
        }
        let (object, _) = table.finish()?;
        if let Some(entry) = manifest.tables.get(&key) {
            hold_if_right(cache, entry.hash, object);
        }
    }
    Ok(())
}

fn hold_if_right(cache: &mut Cache, hash: ObjectHash, object: Vec<u8>) {
    if ObjectHash::of(&object) == hash {
        cache.held.insert(hash, object.into());
    }
}

// Holds all of these that are right, then fails for the first that is not. What is wrong is
// fetched a second time past the caches, since a damaged copy may lie in one of them for ever.
async fn fetch_objects(
    io: &Io,
    cache: &mut Cache,
    rules: &RefreshRules,
    mut left: Vec<Wanted>,
) -> Result<(), Error> {
    left.retain(|wanted| !cache.held.contains_key(&wanted.object.hash));
    for again in [false, true] {
        if left.is_empty() {
            break;
        }
        left.iter().try_for_each(check_announced)?;
        let requests: Vec<_> = left.iter().map(|wanted| wanted.request(again)).collect();
        let results = io.fetch(requests.clone()).await;
        let mut wrong = Vec::new();
        let mut errors = Vec::new();
        for ((wanted, request), result) in left.into_iter().zip(&requests).zip(results) {
            let held = body_of(request, result, rules.wall)
                .and_then(|bytes| hold(cache, &request.path, wanted.object, bytes));
            let Err(error) = held else {
                continue;
            };
            if matches!(error.code(), ErrorCode::HashMismatch | ErrorCode::TooLarge) {
                wrong.push(wanted);
            }
            errors.push(error);
        }
        if again || wrong.len() < errors.len() {
            // A missing object may have a newer version behind it; nothing else says more.
            let missing = |error: &Error| error.code() == ErrorCode::ObjectMissing;
            let at = errors.iter().position(missing).unwrap_or(0);
            if at < errors.len() {
                return Err(errors.swap_remove(at));
            }
        }
        left = wrong;
    }
    Ok(())
}

impl Wanted {
    fn request(&self, again: bool) -> FetchRequest {
        FetchRequest {
            path: self.key.path(),
            limit_bytes: self.object.size,
            again,
        }
    }
}

fn check_announced(wanted: &Wanted) -> Result<(), Error> {
    let size = wanted.object.size;
    if size <= wanted.limit_bytes {
        return Ok(());
    }
    let message = format!("{}: {size} bytes are announced", wanted.key);
    Err(Error::new(ErrorCode::TooLarge, message))
}

fn hold(cache: &mut Cache, path: &str, object: ObjectRef, bytes: Vec<u8>) -> Result<(), Error> {
    let found = ObjectHash::of(&bytes);
    if bytes.len() as u64 != object.size || found != object.hash {
        let message = format!("{path}: got {} bytes with hash {found}", bytes.len());
        return Err(Error::new(ErrorCode::HashMismatch, message));
    }
    cache.held.insert(object.hash, bytes.into());
    Ok(())
}

/// Reads a `version.json`.
pub(crate) fn parse_version(bytes: &[u8]) -> Result<Version, Error> {
    match Version::parse(bytes) {
        Ok(version) if version.format_version == FORMAT_VERSION => Ok(version),
        Ok(_) => Err(Error::new(ErrorCode::NotJson, "this is no version.json")),
        Err(VersionError::TooNew(format)) => Err(later_format(VERSION_PATH, format)),
        Err(error) => {
            Err(Error::new(ErrorCode::NotJson, "this is no version.json").with_source(error))
        }
    }
}

/// Reads a manifest whose bytes are verified.
pub(crate) fn parse_manifest(hash: ObjectHash, bytes: &[u8]) -> Result<Manifest, Error> {
    let name = Key::Manifest(hash);
    match Manifest::parse(bytes) {
        Ok(manifest) if manifest.format_version == FORMAT_VERSION => Ok(manifest),
        Ok(_) => Err(Error::new(
            ErrorCode::NotJson,
            format!("{name} is no manifest"),
        )),
        Err(ManifestError::TooNew(format)) => Err(later_format(&name.path(), format)),
        Err(error) => {
            let message = format!("{name} is no manifest");
            Err(Error::new(ErrorCode::NotJson, message).with_source(error))
        }
    }
}

fn later_format(name: &str, format: u32) -> Error {
    let message =
        format!("{name} has format {format}, this app knows {FORMAT_VERSION}; update the app");
    Error::new(ErrorCode::FormatUnsupported, message)
        .with_offered(format!("formatVersion {format}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_format_is_no_version_and_a_later_one_asks_for_an_update() {
        let error = parse_version(br#"{"formatVersion":2}"#).expect_err("later");
        assert_eq!(error.code(), ErrorCode::FormatUnsupported);
        assert_eq!(error.offered(), Some("formatVersion 2"));
        let error = parse_version(br#"{"formatVersion":0}"#).expect_err("none");
        assert_eq!(error.code(), ErrorCode::NotJson);
    }
}
