//! Reads a snapshot from its folder and believes nothing: every size, hash,
//! link and variant is checked before a byte of it is served.
//!
//! Objects that the held snapshot already has are taken over from it, so a new
//! version costs what changed.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::HeaderValue;
use serde::Serialize;
use snapshot_format::{
    Digest, DigestWriter, Encoding, Key, MAX_MANIFEST_SIZE, MAX_VERSION_SIZE, MIN_VARIANT_SIZE,
    Manifest, ManifestError, ObjectHash, ReferenceVersion, SchemaVersion, Sha256, VariantError,
    Version, VersionError, check_variant, compress,
};

use snapshot_store::{Folder as Files, Kind as FileKind, refused};

use crate::content::{Budget, Content};
use crate::metrics::Kind;
use crate::route::API;
use crate::state::{Object, Resource, Snapshot, Variant, kind_of};

/// What is read of a variant at a time: tables may be larger than what we would hold.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a snapshot is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file of it cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Below the root.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A link stands there or above it, and none is followed.
    #[error("failed to read {path} (links are read only with --follow-links)")]
    Link {
        /// Below the root.
        path: String,
        /// Which one.
        #[source]
        source: io::Error,
    },
    /// `version.json` is not one.
    #[error("version.json is not usable")]
    Version(#[source] VersionError),
    /// The manifest is not one.
    #[error("{path} is not usable")]
    Manifest {
        /// Below the root.
        path: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The version and its manifest say different things.
    #[error("version.json and {path} disagree about {what}")]
    Disagreement {
        /// The manifest, below the root.
        path: String,
        /// The field.
        what: &'static str,
    },
    /// The bytes are not those that the name or the manifest promises.
    #[error("{path} has {found}, not the {expected} that it should have")]
    Damaged {
        /// Below the root.
        path: String,
        /// What was promised.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A variant is there, but not of its object.
    #[error("{path} does not unpack to its object")]
    Variant {
        /// Below the root.
        path: String,
        /// Why, where the compressed bytes themselves are broken.
        #[source]
        source: Option<io::Error>,
    },
}

impl LoadError {
    /// Whether a file is only not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Where objects come from and what they may occupy.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) root: PathBuf,
    pub(crate) follows_links: bool,
    pub(crate) budget: Budget,
}

impl Folder {
    /// Its files, of one folder however the root is changed meanwhile. Opened anew for each
    /// look: a deployment may let the root lead elsewhere.
    pub(crate) fn open(&self) -> io::Result<Files> {
        if self.follows_links {
            Files::open_following_links(&self.root)
        } else {
            Files::open(&self.root)
        }
    }

    fn files_for(&self, key: &Key) -> Result<Files, LoadError> {
        self.open().map_err(|source| unreadable(key, source))
    }

    /// `version.json` as it is now; `None` where there is none yet.
    pub(crate) fn read_version(&self) -> Result<Option<Bytes>, LoadError> {
        let read = |files: Files| read_small(&files, &Key::Version, MAX_VERSION_SIZE);
        match self.files_for(&Key::Version).and_then(read) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(LoadError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Loads what `version_bytes` points at; `pointer` is the `Cache-Control` of
    /// everything that is not named by a hash.
    pub(crate) fn load(
        &self,
        version_bytes: Bytes,
        pointer: &HeaderValue,
        held: Option<&Snapshot>,
    ) -> Result<Snapshot, LoadError> {
        let version = Version::parse(&version_bytes).map_err(LoadError::Version)?;
        let key = Key::Manifest(version.manifest.hash);
        let files = self.files_for(&key)?;
        let (manifest_object, manifest) = load_manifest(&files, &key, &version)?;

        let wanted = wanted(&manifest);
        let objects = self.load_objects(&files, &wanted, held)?;

        let mut resources = HashMap::new();
        let mut hold = |path: String, resource: Resource| {
            resources.insert(path, Arc::new(resource));
        };
        hold(
            path_of(&Key::Version),
            Resource::current(Kind::Version, &plain(version_bytes.clone()), pointer),
        );
        let manifest_object = with_variants(manifest_object);
        hold(path_of(&key), Resource::immutable(&key, &manifest_object));
        let summary = plain(Bytes::from(summary(&version)));
        hold(
            format!("{API}version"),
            Resource::current(Kind::Version, &summary, pointer),
        );
        for (wanted, object) in wanted.iter().zip(&objects) {
            hold(
                path_of(&wanted.key),
                Resource::immutable(&wanted.key, object),
            );
            for variant in &object.variants {
                let key = wanted.key.with_encoding(Some(variant.encoding));
                hold(
                    path_of(&key),
                    Resource::compressed_file(&key, object, variant),
                );
            }
        }
        // The endpoints last: a table that is called `version` or `bootstrap`
        // has its hashed path, and gives way here.
        for (wanted, object) in wanted.iter().zip(&objects).rev() {
            let name = match &wanted.key {
                Key::Table(table, ..) if matches!(table.as_str(), "version" | "bootstrap") => {
                    continue;
                }
                Key::Table(table, ..) => table.as_str(),
                _ => "bootstrap",
            };
            hold(
                format!("{API}{name}"),
                Resource::current(kind_of(&wanted.key), object, pointer),
            );
        }

        let objects = wanted
            .into_iter()
            .map(|wanted| wanted.key)
            .zip(objects)
            .collect();
        let tables = manifest.tables.into_keys().collect();
        let held_since = SystemTime::now();
        Ok(Snapshot {
            resources,
            objects,
            version,
            version_bytes,
            pointer_cache_control: pointer.clone(),
            tables,
            held_since,
        })
    }

    /// One object for each one wanted, in that order.
    fn load_objects(
        &self,
        files: &Files,
        wanted: &[Wanted],
        held: Option<&Snapshot>,
    ) -> Result<Vec<Object>, LoadError> {
        let held = |wanted: &Wanted| {
            held.and_then(|snapshot| snapshot.objects.get(&wanted.key))
                .cloned()
        };
        in_parallel(wanted, |wanted| {
            held(wanted).map_or_else(|| self.load_object(files, &wanted.key, &wanted.promise), Ok)
        })
    }

    /// Reads and verifies one object with all its variants.
    pub(crate) fn load_object(
        &self,
        files: &Files,
        key: &Key,
        promise: &Promise,
    ) -> Result<Object, LoadError> {
        let (plain, size) = self.take_in(files, key)?;
        if let Some(expected) = promise.size
            && expected != size
        {
            return Err(damaged(key, bytes_text(expected), bytes_text(size)));
        }
        let found = digest(plain.reader()).map_err(|source| unreadable(key, source))?;
        check(key, promise, &found)?;

        let mut variants = Vec::new();
        if found.size >= MIN_VARIANT_SIZE && !matches!(key, Key::Manifest(_)) {
            for encoding in Encoding::ALL {
                variants.push(self.load_variant(
                    files,
                    &key.with_encoding(Some(encoding)),
                    encoding,
                    &found,
                )?);
            }
        }
        Ok(Object {
            hash: found.hash,
            plain,
            variants,
            put_at: put_at(files, key),
        })
    }

    fn load_variant(
        &self,
        files: &Files,
        key: &Key,
        encoding: Encoding,
        object: &Digest,
    ) -> Result<Variant, LoadError> {
        let (content, _) = self.take_in(files, key)?;
        let broken = |error| LoadError::Variant {
            path: key.path(),
            source: match error {
                VariantError::Unpack(source) => Some(source),
                VariantError::OtherObject => None,
            },
        };
        // The format's own way: one stream, nothing behind it, and a small file
        // that unpacks to a disk full never gets further than its object.
        let packed = BufReader::with_capacity(BUFFER_BYTES, content.reader());
        check_variant(encoding, packed, object).map_err(broken)?;
        let own = digest(content.reader()).map_err(|source| unreadable(key, source))?;
        Ok(Variant {
            encoding,
            content,
            hash: own.hash,
        })
    }

    fn take_in(&self, files: &Files, key: &Key) -> Result<(Content, u64), LoadError> {
        let open = || {
            let file = files.open_file(key.path())?;
            let size = file.metadata()?.len();
            Ok((self.budget.take_in(file, size)?, size))
        };
        open().map_err(|source| unreadable(key, source))
    }
}

fn load_manifest(
    files: &Files,
    key: &Key,
    version: &Version,
) -> Result<(Object, Manifest), LoadError> {
    let bytes = read_small(files, key, MAX_MANIFEST_SIZE)?;
    let found = Digest::of(&bytes);
    check(
        key,
        &Promise {
            hash: version.manifest.hash,
            sha256: None,
            size: Some(version.manifest.size),
        },
        &found,
    )?;
    let path = || key.path();
    let manifest = Manifest::parse(&bytes).map_err(|source| LoadError::Manifest {
        path: path(),
        source,
    })?;
    if let Some(what) = disagreement(version, &manifest) {
        return Err(LoadError::Disagreement { path: path(), what });
    }
    let put_at = put_at(files, key);
    Ok((
        Object {
            put_at,
            ..plain(bytes)
        },
        manifest,
    ))
}

/// An object that the manifest names.
struct Wanted {
    key: Key,
    promise: Promise,
}

/// What is known of an object's bytes before they are read.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) hash: ObjectHash,
    pub(crate) sha256: Option<Sha256>,
    pub(crate) size: Option<u64>,
}

/// The bootstrap object first, for it is asked for most and the budget fills in
/// this order; then the tables from small to large, so that it holds many.
fn wanted(manifest: &Manifest) -> Vec<Wanted> {
    let mut objects: Vec<(Key, Digest)> = manifest.objects().collect();
    objects.sort_by_key(|(key, digest)| (!matches!(key, Key::Bootstrap(..)), digest.size));
    let wanted = |(key, digest): (Key, Digest)| Wanted {
        key,
        promise: Promise {
            hash: digest.hash,
            sha256: Some(digest.sha256),
            size: Some(digest.size),
        },
    };
    objects.into_iter().map(wanted).collect()
}

fn disagreement(version: &Version, manifest: &Manifest) -> Option<&'static str> {
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

/// The body of `/api/v1/reference/version`: the token, and what orders it.
fn summary(version: &Version) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Summary<'a> {
        schema_version: SchemaVersion,
        reference_version: ReferenceVersion,
        generated_at: &'a str,
        epoch: u64,
        sequence: u64,
    }
    let summary = Summary {
        schema_version: version.schema_version,
        reference_version: version.reference_version,
        generated_at: &version.generated_at,
        epoch: version.epoch,
        sequence: version.sequence,
    };
    serde_json::to_vec(&summary).expect("strings and numbers are JSON")
}

/// Bytes that have no variants: too small, or not an object.
pub(crate) fn plain(bytes: Bytes) -> Object {
    Object {
        hash: ObjectHash::of(&bytes),
        plain: Content::Memory(bytes),
        variants: Vec::new(),
        put_at: None,
    }
}

/// A manifest with variants made here, since a store keeps none: it is most of
/// what a change of one row moves, and half of it are names that come again.
pub(crate) fn with_variants(manifest: Object) -> Object {
    let Content::Memory(bytes) = &manifest.plain else {
        return manifest;
    };
    // As for objects: a reader knows from the size whether there are variants.
    if (bytes.len() as u64) < MIN_VARIANT_SIZE {
        return manifest;
    }
    let variant = |encoding| {
        let mut coded = Vec::new();
        compress(encoding, bytes.len() as u64, &mut &bytes[..], &mut coded).expect("memory");
        Variant {
            encoding,
            hash: ObjectHash::of(&coded),
            content: Content::Memory(coded.into()),
        }
    };
    Object {
        variants: Encoding::ALL.into_iter().map(variant).collect(),
        ..manifest
    }
}

pub(crate) fn path_of(key: &Key) -> String {
    format!("/{key}")
}

/// Reads a file that is held whole before anything is known of it.
pub(crate) fn read_small(files: &Files, key: &Key, most_bytes: usize) -> Result<Bytes, LoadError> {
    let read = || {
        let mut bytes = Vec::new();
        files
            .open_file(key.path())?
            .take(most_bytes as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    };
    read().map_err(|source| unreadable(key, source))
}

/// When a file was put, in the whole seconds that HTTP dates have, and never
/// later than now: RFC 9110 §8.8.2.1.
pub(crate) fn put_at(files: &Files, key: &Key) -> Option<SystemTime> {
    let found = files.metadata(key.path()).ok()?;
    let seconds = found
        .modified
        .min(SystemTime::now())
        .duration_since(UNIX_EPOCH)
        .ok()?
        .as_secs();
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn digest(mut reader: impl Read) -> io::Result<Digest> {
    let mut writer = DigestWriter::new(io::sink());
    io::copy(&mut reader, &mut writer)?;
    Ok(writer.finish().1)
}

fn check(key: &Key, promise: &Promise, found: &Digest) -> Result<(), LoadError> {
    if let Some(size) = promise.size
        && size != found.size
    {
        return Err(damaged(key, bytes_text(size), bytes_text(found.size)));
    }
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

pub(crate) fn unreadable(key: &Key, source: io::Error) -> LoadError {
    let path = key.path();
    if refused(&source).is_some_and(|refused| refused.kind == FileKind::Link) {
        return LoadError::Link { path, source };
    }
    LoadError::Read { path, source }
}

fn bytes_text(size: u64) -> String {
    format!("{size} bytes")
}

/// `work` on every item, on all cores, results in the items' order. After the
/// first failure nothing new is begun.
fn in_parallel<I: Sync, O: Send, E: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(items.len());
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, O)>> = Mutex::new(Vec::with_capacity(items.len()));
    let failure: Mutex<Option<E>> = Mutex::new(None);
    let run = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            match work(item) {
                Ok(output) => lock(&results).push((at, output)),
                Err(error) => {
                    next.store(items.len(), Ordering::Relaxed);
                    lock(&failure).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(run))));

    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let mut results = std::mem::take(&mut *lock(&results));
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, output)| output).collect())
}

/// A panic of another holder leaves our values whole: each lock guards one push.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
