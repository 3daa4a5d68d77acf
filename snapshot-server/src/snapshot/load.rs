//! Reads a snapshot from its folder and believes nothing: every size, hash,
//! link and variant is checked before a byte of it is served.
//!
//! Objects that the current snapshot already has are taken over from it, so a new
//! version costs what changed.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::HeaderValue;
use serde::Serialize;
use snapshot_format::{
    Digest, Encoding, Key, MAX_MANIFEST_SIZE, MAX_VERSION_SIZE, MIN_VARIANT_SIZE, Manifest,
    ObjectHash, ReferenceVersion, SchemaVersion, VariantError, Version, check_variant, compress,
};
use snapshot_store::Folder as Files;

use crate::http::kind::Kind;
use crate::http::route::API;
use crate::snapshot::bound::beyond_clients;
use crate::snapshot::content::{Budget, Content};
use crate::snapshot::error::{LoadError, unreadable};
use crate::snapshot::parallel::in_parallel;
use crate::snapshot::state::{Object, Resource, Snapshot, Variant};
use crate::snapshot::verify::{Promise, check, check_size, digest, disagreement};

/// What is read of a variant at a time: tables may be larger than what would fit into memory.
const BUFFER_BYTES: usize = 64 * 1024;

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
        current: Option<&Snapshot>,
    ) -> Result<Snapshot, LoadError> {
        let version = Version::parse(&version_bytes).map_err(LoadError::Version)?;
        let key = Key::Manifest(version.manifest.hash);
        let files = self.files_for(&key)?;
        let (manifest_object, manifest) = load_manifest(&files, &key, &version)?;

        let wanted = wanted(&manifest);
        let objects = self.load_objects(&files, &wanted, current)?;

        let mut resources = HashMap::new();
        let mut add = |path: String, resource: Resource| {
            resources.insert(path, Arc::new(resource));
        };
        add(
            path_of(&Key::Version),
            Resource::current(
                Kind::Version,
                &without_variants(version_bytes.clone()),
                pointer,
            ),
        );
        let manifest_object = with_variants(manifest_object);
        add(path_of(&key), Resource::immutable(&key, &manifest_object));
        let summary = without_variants(Bytes::from(summary(&version)));
        add(
            format!("{API}version"),
            Resource::current(Kind::Version, &summary, pointer),
        );
        for (wanted, object) in wanted.iter().zip(&objects) {
            add(
                path_of(&wanted.key),
                Resource::immutable(&wanted.key, object),
            );
            for variant in &object.variants {
                let key = wanted.key.with_encoding(Some(variant.encoding));
                add(
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
            add(
                format!("{API}{name}"),
                Resource::current(Kind::of(&wanted.key), object, pointer),
            );
        }

        let objects = wanted
            .into_iter()
            .map(|wanted| wanted.key)
            .zip(objects)
            .collect();
        let beyond_clients = beyond_clients(&manifest);
        let tables = manifest.tables.into_keys().collect();
        let loaded_since = SystemTime::now();
        Ok(Snapshot {
            resources,
            objects,
            version,
            version_bytes,
            pointer_cache_control: pointer.clone(),
            tables,
            loaded_since,
            beyond_clients,
        })
    }

    /// One object for each one wanted, in that order.
    fn load_objects(
        &self,
        files: &Files,
        wanted: &[Wanted],
        current: Option<&Snapshot>,
    ) -> Result<Vec<Object>, LoadError> {
        let reused = |wanted: &Wanted| {
            current
                .and_then(|snapshot| snapshot.objects.get(&wanted.key))
                .cloned()
        };
        in_parallel(wanted, |wanted| {
            reused(wanted).map_or_else(|| self.load_object(files, &wanted.key, &wanted.promise), Ok)
        })
    }

    /// Reads and verifies one object with all its variants.
    pub(crate) fn load_object(
        &self,
        files: &Files,
        key: &Key,
        promise: &Promise,
    ) -> Result<Object, LoadError> {
        let (identity, size) = self.take_in(files, key)?;
        check_size(key, promise, size)?;
        let found = digest(identity.reader()).map_err(|source| unreadable(key, source))?;
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
            identity,
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
            ..without_variants(bytes)
        },
        manifest,
    ))
}

/// An object that the manifest names.
struct Wanted {
    key: Key,
    promise: Promise,
}

/// The bootstrap object first, for it is asked for most and the budget fills in
/// this order; then the tables from small to large, so that many of them fit.
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
pub(crate) fn without_variants(bytes: Bytes) -> Object {
    Object {
        hash: ObjectHash::of(&bytes),
        identity: Content::Memory(bytes),
        variants: Vec::new(),
        put_at: None,
    }
}

/// A manifest with variants made here, since a store has none: it is most of
/// what a change of one row moves, and half of it are names that come again.
pub(crate) fn with_variants(manifest: Object) -> Object {
    let Content::Memory(bytes) = &manifest.identity else {
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

/// Reads a file whole, before anything is known of it.
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
