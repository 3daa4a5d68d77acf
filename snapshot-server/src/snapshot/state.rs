//! A snapshot, loaded: for each path the finished representations, so that a
//! request only looks up and writes. It is swapped whole, never changed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use snapshot_format::{Encoding, Key, ObjectHash, TableKey, Version};

use crate::http::conditional::Validators;
use crate::http::headers::{self, Description};
use crate::http::kind::Kind;
use crate::snapshot::content::Content;

/// One version, ready to be served.
pub(crate) struct Snapshot {
    /// By path, beginning with `/`.
    pub(crate) resources: HashMap<String, Arc<Resource>>,
    /// What the resources of hashed paths are made of; the next version takes over
    /// those that it still has.
    pub(crate) objects: HashMap<Key, Object>,
    pub(crate) version: Version,
    /// `version.json` as it was read; the watcher compares it.
    pub(crate) version_bytes: Bytes,
    /// `Cache-Control` of what is not named by a hash.
    pub(crate) pointer_cache_control: HeaderValue,
    /// In key order.
    pub(crate) tables: Vec<TableKey>,
    pub(crate) loaded_since: SystemTime,
    /// What is to be said where clients may not take an object.
    pub(crate) beyond_clients: Option<String>,
}

impl Snapshot {
    /// Whether loading these once more would give the same.
    pub(crate) fn is_made_of(&self, version_bytes: &[u8], pointer: &HeaderValue) -> bool {
        self.version_bytes == version_bytes && self.pointer_cache_control == pointer
    }
}

/// What a path names: one or more representations of the same thing.
#[derive(Debug)]
pub(crate) struct Resource {
    kind: Kind,
    /// The codings there are, in the server's order.
    encodings: Vec<Encoding>,
    identity: Representation,
    /// One for each of `encodings`.
    variants: Vec<Representation>,
}

/// Bytes and the header fields that go with them.
#[derive(Debug)]
pub(crate) struct Representation {
    pub(crate) content: Content,
    description: Description,
    /// Status line and fields of a 200 for HTTP/1.1, up to the date.
    ok_lines: Box<[u8]>,
    /// The same of a 304.
    not_modified_lines: Box<[u8]>,
    /// The fields of a 200 and of a 304, made when hyper first needs them:
    /// copying them costs half of what making them does.
    ok: OnceLock<HeaderMap>,
    not_modified: OnceLock<HeaderMap>,
}

/// An object with its variants, verified: what resources are made of.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) hash: ObjectHash,
    pub(crate) identity: Content,
    pub(crate) variants: Vec<Variant>,
    /// When the file was put, in whole seconds.
    pub(crate) put_at: Option<SystemTime>,
}

/// A variant's bytes and their own hash.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) encoding: Encoding,
    pub(crate) content: Content,
    pub(crate) hash: ObjectHash,
}

impl Resource {
    /// An object under its own, hashed path.
    pub(crate) fn immutable(key: &Key, object: &Object) -> Self {
        let control = HeaderValue::from_static(key.cache().control());
        Self::of(Kind::of(key), object, &control, object.put_at)
    }

    /// The object that a path means just now. Such a path has no modification
    /// date: two publications within one second would share it, and the older
    /// one's readers would be told that nothing changed.
    pub(crate) fn current(kind: Kind, object: &Object, cache_control: &HeaderValue) -> Self {
        Self::of(kind, object, cache_control, None)
    }

    /// A compressed file under its own path: not JSON, and nothing to negotiate.
    pub(crate) fn compressed_file(key: &Key, object: &Object, variant: &Variant) -> Self {
        let description = Description {
            content_type: key.content_type(),
            encoding: None,
            cache_control: HeaderValue::from_static(key.cache().control()),
            etag: variant_tag(object.hash, variant),
            last_modified: object.put_at,
            size_bytes: variant.content.size_bytes(),
            varies: false,
        };
        let identity = Representation::new(variant.content.clone(), description);
        Self {
            kind: Kind::of(key),
            encodings: Vec::new(),
            identity,
            variants: Vec::new(),
        }
    }

    fn of(
        kind: Kind,
        object: &Object,
        cache_control: &HeaderValue,
        last_modified: Option<SystemTime>,
    ) -> Self {
        let describe = |content: &Content, encoding, etag| {
            let description = Description {
                content_type: "application/json",
                encoding,
                cache_control: cache_control.clone(),
                etag,
                last_modified,
                size_bytes: content.size_bytes(),
                varies: !object.variants.is_empty(),
            };
            Representation::new(content.clone(), description)
        };
        let variant = |variant: &Variant| {
            describe(
                &variant.content,
                Some(variant.encoding),
                variant_tag(object.hash, variant),
            )
        };
        Self {
            kind,
            encodings: object
                .variants
                .iter()
                .map(|variant| variant.encoding)
                .collect(),
            identity: describe(&object.identity, None, tag(&object.hash.to_string())),
            variants: object.variants.iter().map(variant).collect(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// The representation in a coding of [`Resource::encodings`], or the identity.
    pub(crate) fn representation(&self, encoding: Option<Encoding>) -> &Representation {
        let at = self
            .encodings
            .iter()
            .position(|known| Some(*known) == encoding);
        at.map_or(&self.identity, |at| &self.variants[at])
    }
}

impl Representation {
    fn new(content: Content, description: Description) -> Self {
        let ok_lines = headers::lines(StatusCode::OK, &headers::ok(&description));
        let not_modified = headers::not_modified(&description);
        let not_modified_lines = headers::lines(StatusCode::NOT_MODIFIED, &not_modified);
        Self {
            content,
            description,
            ok_lines,
            not_modified_lines,
            ok: OnceLock::new(),
            not_modified: OnceLock::new(),
        }
    }

    /// The fields of a 200.
    pub(crate) fn ok(&self) -> HeaderMap {
        let make = || headers::ok(&self.description);
        self.ok.get_or_init(make).clone()
    }

    /// The fields of a 304.
    pub(crate) fn not_modified(&self) -> HeaderMap {
        let make = || headers::not_modified(&self.description);
        self.not_modified.get_or_init(make).clone()
    }

    pub(crate) fn ok_lines(&self) -> &[u8] {
        &self.ok_lines
    }

    pub(crate) fn not_modified_lines(&self) -> &[u8] {
        &self.not_modified_lines
    }

    pub(crate) fn etag(&self) -> &HeaderValue {
        &self.description.etag
    }

    pub(crate) fn content_type(&self) -> &'static str {
        self.description.content_type
    }

    pub(crate) fn is_coded(&self) -> bool {
        self.description.encoding.is_some()
    }

    pub(crate) fn validators(&self) -> Validators<'_> {
        let Description {
            etag,
            last_modified,
            ..
        } = &self.description;
        Validators {
            etag: etag.as_bytes(),
            last_modified: *last_modified,
        }
    }
}

/// RFC 9110 §8.8.3.3: every coding has a tag of its own. The object's hash
/// would not do, for another release of a compressor gives other bytes, and a
/// strong tag promises the very same ones to a client that resumes.
fn variant_tag(object: ObjectHash, variant: &Variant) -> HeaderValue {
    let own = variant.hash.to_string();
    tag(&format!(
        "{object}-{}-{}",
        variant.encoding.extension(),
        &own[..8]
    ))
}

fn tag(opaque: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{opaque}\"")).expect("hexadecimal digits and hyphens")
}
