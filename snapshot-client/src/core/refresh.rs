//! One refresh: from a `version.json` to a generation whose objects are all verified and loaded.
//!
//! `docs/client.md` section 3 is this file in words.

use std::sync::Arc;
use std::time::SystemTime;

use snapshot_format::{
    BootstrapHeader, BootstrapReader, FORMAT_VERSION, Key, MAX_MANIFEST_SIZE, MAX_VERSION_SIZE,
    Manifest, ManifestError, ObjectHash, ObjectRef, ReadError, TableEntry, TableKey, TableWriter,
    Version, VersionError,
};

use super::io::{FetchRequest, Io};
use super::memory::{Generation, Memory};
use super::response::{VERSION_PATH, body_of};
use crate::bundled::Bundled;
use crate::{Error, ErrorCode};

/// What one refresh needs to know.
#[derive(Debug, Clone)]
pub(crate) struct RefreshRules {
    /// The current version.
    pub(crate) current: Option<Version>,
    /// The majors of `schemaVersion` that the app knows.
    pub(crate) schema_majors: Vec<u32>,
    /// Tables without which a version is of no use to the app.
    pub(crate) required_tables: Vec<String>,
    /// What the app ships.
    pub(crate) bundled: Option<Arc<Bundled>>,
    /// Whether to pass caches by: the server has announced a version that they may not have yet.
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

/// The largest object that this client takes.
const MAX_OBJECT_SIZE: u64 = 32 * 1024 * 1024;
// What a request costs beside its body, in bytes: headers both ways.
const REQUEST_BYTES: u64 = 512;

/// The newest generation, or none if the current version is the newest.
pub(crate) fn refresh(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
) -> Result<Option<Generation>, Error> {
    let mut version = fetch_version(io, memory, rules)?;
    for again in [false, true] {
        let current = rules.current.as_ref().map(Version::order);
        if current == Some(version.order()) {
            return Ok(None);
        }
        match fetch_generation(io, memory, rules, &version) {
            Err(error) if !again && error.code() == ErrorCode::ObjectMissing => {
                // Pruned since, or the pointer was an old one.
                let newer = parse_version(&fetch_version_bytes(io, rules, true)?)?;
                if newer.order() <= version.order() {
                    return Err(error);
                }
                check(memory, rules, &newer)?;
                version = newer;
            }
            result => return result.map(Some),
        }
    }
    unreachable!("the second try returns whatever comes of it")
}

fn fetch_version(io: &mut dyn Io, memory: &Memory, rules: &RefreshRules) -> Result<Version, Error> {
    let version = parse_version(&fetch_version_bytes(io, rules, rules.fresh)?)?;
    match check(memory, rules, &version) {
        Err(error) if error.code() == ErrorCode::VersionRegressed => {
            let version = parse_version(&fetch_version_bytes(io, rules, true)?)?;
            check(memory, rules, &version)?;
            Ok(version)
        }
        result => result.map(|()| version),
    }
}

fn check(memory: &Memory, rules: &RefreshRules, offered: &Version) -> Result<(), Error> {
    let name = name_of(offered.order());
    // Without a current version there is nothing to fall behind.
    if let (Some(current), Some(mark)) = (&rules.current, memory.mark) {
        if offered.order() < mark {
            let message = format!(
                "the server offers version {name}, and {} was verified already; some cache is behind",
                name_of(mark)
            );
            return Err(Error::new(ErrorCode::VersionRegressed, message));
        }
        if offered.order() == current.order() && offered.manifest.hash != current.manifest.hash {
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

fn fetch_version_bytes(
    io: &mut dyn Io,
    rules: &RefreshRules,
    again: bool,
) -> Result<Vec<u8>, Error> {
    let request = FetchRequest {
        path: VERSION_PATH.to_owned(),
        limit_bytes: MAX_VERSION_SIZE as u64,
        again,
    };
    let result = io.fetch(std::slice::from_ref(&request)).remove(0);
    body_of(&request, result, rules.wall)
}

fn fetch_generation(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
    version: &Version,
) -> Result<Generation, Error> {
    let hash = version.manifest.hash;
    let wanted = Wanted {
        key: Key::Manifest(hash),
        object: version.manifest,
        limit_bytes: MAX_MANIFEST_SIZE as u64,
    };
    fetch_objects(io, memory, rules, vec![wanted])?;
    let manifest = Arc::new(parse_manifest(hash, &memory.loaded[&hash])?);
    require_tables(rules, hash, &manifest)?;
    load_bundled(memory, rules, &manifest);
    fetch_tables(io, memory, rules, version, &manifest)?;
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
fn load_bundled(memory: &mut Memory, rules: &RefreshRules, manifest: &Manifest) {
    let Some(bundled) = &rules.bundled else {
        return;
    };
    for (key, entry) in missing_tables(memory, manifest) {
        let object = bundled.object(manifest.schema_version, &key);
        if let Some(object) = object.filter(|object| object.len() as u64 == entry.size) {
            load_if_right(memory, entry.hash, object);
        }
    }
}

fn fetch_tables(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
    version: &Version,
    manifest: &Manifest,
) -> Result<(), Error> {
    let tables = missing_tables(memory, manifest);
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
        fetch_objects(io, memory, rules, vec![wanted])?;
        if let Some(bootstrap) = memory.loaded.remove(&hash) {
            // What cannot be taken out of it is fetched below, one by one.
            let _ = load_bootstrap(memory, manifest, &bootstrap);
        }
    }
    let wanted = missing_tables(memory, manifest)
        .into_iter()
        .map(|(key, entry)| Wanted {
            key: Key::Table(key, entry.hash, None),
            object: ObjectRef {
                hash: entry.hash,
                size: entry.size,
            },
            limit_bytes: MAX_OBJECT_SIZE,
        });
    fetch_objects(io, memory, rules, wanted.collect())
}

fn missing_tables(memory: &Memory, manifest: &Manifest) -> Vec<(TableKey, TableEntry)> {
    let tables = manifest.tables.iter();
    tables
        .filter(|(_, entry)| !memory.loaded.contains_key(&entry.hash))
        .map(|(key, entry)| (key.clone(), entry.clone()))
        .collect()
}

fn cost(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, |sum, size| {
        sum.saturating_add(size).saturating_add(REQUEST_BYTES)
    })
}

fn load_bootstrap(
    memory: &mut Memory,
    manifest: &Manifest,
    object: &[u8],
) -> Result<(), ReadError> {
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
            load_if_right(memory, entry.hash, object);
        }
    }
    Ok(())
}

fn load_if_right(memory: &mut Memory, hash: ObjectHash, object: Vec<u8>) {
    if ObjectHash::of(&object) == hash {
        memory.loaded.insert(hash, object.into());
    }
}

// Loads all of these that are right, then fails for the first that is not. What is wrong is
// fetched a second time past the caches: one of them may have a damaged copy for ever.
fn fetch_objects(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
    mut left: Vec<Wanted>,
) -> Result<(), Error> {
    left.retain(|wanted| !memory.loaded.contains_key(&wanted.object.hash));
    for again in [false, true] {
        if left.is_empty() {
            break;
        }
        left.iter().try_for_each(check_announced)?;
        let requests: Vec<_> = left.iter().map(|wanted| wanted.request(again)).collect();
        let results = io.fetch(&requests);
        let mut wrong = Vec::new();
        let mut errors = Vec::new();
        for ((wanted, request), result) in left.into_iter().zip(&requests).zip(results) {
            let loaded = body_of(request, result, rules.wall)
                .and_then(|bytes| load_verified(memory, &request.path, wanted.object, bytes));
            let Err(error) = loaded else {
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

fn load_verified(
    memory: &mut Memory,
    path: &str,
    object: ObjectRef,
    bytes: Vec<u8>,
) -> Result<(), Error> {
    let found = ObjectHash::of(&bytes);
    if bytes.len() as u64 != object.size || found != object.hash {
        let message = format!("{path}: got {} bytes with hash {found}", bytes.len());
        return Err(Error::new(ErrorCode::HashMismatch, message));
    }
    memory.loaded.insert(object.hash, bytes.into());
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
    use super::super::in_memory::{InMemory, rules, version};
    use super::*;

    #[test]
    fn a_version_is_followed_to_its_manifest_and_only_to_objects_that_differ() {
        let mut io = InMemory::serving("one");
        let mut memory = Memory::default();
        let one = refresh(&mut io, &mut memory, &rules(None)).expect("served");
        assert_eq!(one.expect("the first").version, version("one"));
        let manifest = |name| {
            format!(
                "fetch {}",
                Key::Manifest(version(name).manifest.hash).path()
            )
        };
        let bootstrap = Key::Bootstrap(version("one").bootstrap.hash, None).path();
        let asked = [
            "fetch version.json".to_owned(),
            manifest("one"),
            format!("fetch {bootstrap}"),
        ];
        assert_eq!(io.asked(), asked);

        io.publish("two");
        let two = refresh(&mut io, &mut memory, &rules(Some(version("one")))).expect("served");
        let grips = two.expect("a newer one").manifest.tables["grips"].hash;
        let grips = format!("fetch tables/grips/{grips}.json");
        assert_eq!(
            io.asked(),
            ["fetch version.json".to_owned(), manifest("two"), grips]
        );

        let none = refresh(&mut io, &mut memory, &rules(Some(version("two")))).expect("served");
        assert!(none.is_none(), "the newest is current");
        assert_eq!(io.asked(), ["fetch version.json"]);
    }

    #[test]
    fn a_lower_format_is_no_version_and_a_later_one_asks_for_an_update() {
        let error = parse_version(br#"{"formatVersion":2}"#).expect_err("later");
        assert_eq!(error.code(), ErrorCode::FormatUnsupported);
        assert_eq!(error.offered(), Some("formatVersion 2"));
        let error = parse_version(br#"{"formatVersion":0}"#).expect_err("none");
        assert_eq!(error.code(), ErrorCode::NotJson);
    }
}
