//! What only a server can get wrong.

use std::fmt;

use snapshot_format::{Digest, Encoding, Key, ObjectHash};
use snapshot_store::{Answer, FetchError, Fetched, Method, Site};

use super::finding::in_one_line;
use super::headers::{self, Remark};
use super::judge::{Judge, Manifests};

// As a browser asks.
const CODINGS: &str = "gzip, deflate, br, zstd";

impl Judge<'_> {
    /// Opens a key for its bytes, and judges what stands beside them.
    pub(super) fn open_at(&self, site: &Site, key: &Key) -> Result<Option<Fetched>, FetchError> {
        let answer = site.ask(Method::Get, key, "identity")?;
        match answer.status.as_u16() {
            200 => {}
            404 | 410 => return Ok(None),
            _ => return Err(site.refused(key, &answer)),
        }
        self.remark(key, headers::of_content(key, &answer.headers));
        match site.ask(Method::Head, key, "identity") {
            Ok(head) if head.status == answer.status => {
                self.remark(key, headers::of_head(&answer.headers, &head.headers));
            }
            Ok(head) => {
                let (expected, found) = (answer.status, head.status);
                self.findings.differs(key, "HEAD", expected, found);
            }
            Err(error) => {
                let what = format!("HEAD: {}", in_one_line(&error));
                self.findings.fault(key, what);
            }
        }
        Ok(Some(answer.body))
    }

    pub(super) fn exists_at(&self, site: &Site, key: &Key) -> Result<bool, FetchError> {
        let answer = site.ask(Method::Get, key, "identity")?;
        Ok(answer.status.is_success())
    }

    /// An object by its own path, coded as the server likes.
    pub(super) fn negotiated(&self, key: &Key, digest: &Digest) {
        let Some(site) = self.origin.site() else {
            return;
        };
        let answer = match site.ask(Method::Get, key, CODINGS) {
            Ok(answer) if answer.status.as_u16() == 200 => answer,
            Ok(answer) => {
                let what = format!("with Accept-Encoding: {CODINGS}");
                return self.findings.differs(key, &what, 200, answer.status);
            }
            Err(error) => return self.findings.fault(key, in_one_line(&error)),
        };
        self.remark(key, headers::of_negotiated(&answer.headers));
        let Some(coding) = headers::coding(&answer.headers) else {
            // The plain bytes are judged where they are asked for.
            return;
        };
        let known = Encoding::ALL.into_iter();
        let mut known = known.filter(|encoding| encoding.content_coding() == coding);
        match known.next() {
            Some(encoding) => {
                self.unpacks_to(key, encoding, answer.body, digest);
            }
            None => {
                let what = "Content-Encoding";
                self.findings.differs(key, what, "zstd, br or gzip", coding);
            }
        }
    }

    /// What the server says of hashed paths under which nothing lies, which apps ask for
    /// in the moment before it is published.
    pub(super) fn what_is_missing(&self, site: &Site, manifests: &Manifests) {
        // Of no object that anybody ever published: its text is this sentence.
        let hash = ObjectHash::of(b"An object that is not there.");
        let mut keys = vec![Key::Manifest(hash), Key::Bootstrap(hash, None)];
        let tables = manifests
            .values()
            .flat_map(|manifest| manifest.tables.keys());
        keys.extend(
            tables
                .take(1)
                .map(|table| Key::Table(table.clone(), hash, None)),
        );
        for key in keys {
            match site.ask(Method::Get, &key, "identity") {
                Ok(answer) => self.absent(&key, &answer),
                Err(error) => self.findings.fault(&key, in_one_line(&error)),
            }
        }
    }

    /// What the server says of a range that is not there, and of a snapshot's folders, with
    /// and without the slash at the end: none of it may be kept.
    pub(super) fn what_is_refused(&self, site: &Site, manifests: &Manifests) {
        if let Some(manifest) = manifests.values().next() {
            let key = Key::Bootstrap(manifest.bootstrap.hash, None);
            match site.ask_range(&key, &format!("bytes={}-", manifest.bootstrap.size)) {
                // A server may ignore a range.
                Ok(answer) if answer.status.is_success() => {}
                Ok(answer) => {
                    let what = "Cache-Control of a range that is not there";
                    let status = answer.status.as_u16();
                    self.remark(&key, headers::of_refusal(status, what, &answer.headers));
                }
                Err(error) => self.findings.fault(&key, in_one_line(&error)),
            }
        }
        for folder in ["tables", "tables/", "manifests"] {
            match site.ask_path(folder) {
                Ok(answer) => {
                    let what = "Cache-Control of a folder";
                    let status = answer.status.as_u16();
                    self.remark(folder, headers::of_refusal(status, what, &answer.headers));
                }
                Err(error) => self.findings.fault(folder, in_one_line(&error)),
            }
        }
    }

    fn absent(&self, key: &Key, answer: &Answer) {
        match answer.status.as_u16() {
            404 | 410 => self.remark(key, headers::of_absence(&answer.headers)),
            _ => {
                let what = "status of what is not there";
                self.findings.differs(key, what, 404, answer.status);
            }
        }
    }

    fn remark(&self, key: impl fmt::Display, remarks: Vec<Remark>) {
        for remark in remarks {
            let (expected, found) = (Some(remark.expected), Some(remark.found));
            self.findings
                .add(remark.severity, &key, remark.what, expected, found);
        }
    }
}
