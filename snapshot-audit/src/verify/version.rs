//! The pointer, and what every version must say.

use jiff::Timestamp;
use serde_json::Value;
use snapshot_format::{FORMAT_VERSION, Key, MAX_VERSION_SIZE, Version};
use snapshot_store::{FetchError, Reader, refused};

use super::finding::{Severity, in_one_line};
use super::judge::Judge;

impl Judge<'_> {
    /// The current version, and its page of the history, which has the same bytes.
    pub(super) fn current(&self) -> Result<Option<Version>, FetchError> {
        // One word on a folder that is not there, rather than one on each file.
        self.origin.check()?;
        let bytes = match self.small(&Key::Version, MAX_VERSION_SIZE) {
            Err(error @ FetchError::TooLarge { .. }) => {
                self.findings.fault(Key::Version, in_one_line(&error));
                return Ok(None);
            }
            // What it is, is told of everything that is no file.
            Err(FetchError::Failed { source, .. }) if refused(&source).is_some() => {
                return Ok(None);
            }
            bytes => bytes?,
        };
        let Some(bytes) = bytes else {
            self.findings
                .fault(Key::Version, "is missing: nothing was published here");
            return Ok(None);
        };
        let Some(version) = self.version(&Key::Version, &bytes) else {
            return Ok(None);
        };
        let (epoch, sequence) = version.order();
        let page = Key::History { epoch, sequence };
        match self.small(&page, MAX_VERSION_SIZE) {
            Err(error) => self.findings.fault(&page, in_one_line(&error)),
            Ok(None) => self
                .findings
                .fault(&page, "is missing, though version.json is that version"),
            Ok(Some(page_bytes)) if page_bytes != bytes => {
                self.findings
                    .fault(&page, "has not the bytes of version.json");
            }
            Ok(Some(_)) => {}
        }
        Ok(Some(version))
    }

    /// The version in these bytes, judged alone.
    pub(super) fn version(&self, key: &Key, bytes: &[u8]) -> Option<Version> {
        let version = match Version::parse(bytes) {
            Ok(version) => version,
            Err(error) => {
                let what = format!("{}; {}", in_one_line(&error), error.hint());
                self.findings.fault(key, what);
                return None;
            }
        };
        self.format_version(key, version.format_version);
        self.moment(key, "generatedAt", &version.generated_at);
        self.moment(key, "publishedAt", &version.published_at);
        if let Some(back) = version.rollback {
            let back = (back.epoch, back.sequence);
            if back >= version.order() {
                let what = "rolls back to a version that is not an earlier one";
                self.findings.fault(key, what);
            }
        }
        self.canonical(key, bytes, &version.to_bytes());
        Some(version)
    }

    pub(super) fn format_version(&self, key: &Key, found: u32) {
        if found != FORMAT_VERSION {
            self.findings
                .differs(key, "formatVersion", FORMAT_VERSION, found);
        }
    }

    /// RFC 3339 in UTC to the second, and no other spelling.
    pub(super) fn moment(&self, key: &Key, field: &str, text: &str) {
        let written = text
            .parse()
            .map(|moment: Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        if !written.is_ok_and(|written| written == text) {
            let expected = "a moment as 2026-02-24T13:12:04Z";
            self.findings
                .differs(key, field, expected, format!("{text:?}"));
        }
    }

    /// A version or manifest has one spelling. A later minor format may have added
    /// fields, which are no fault.
    pub(super) fn canonical(&self, key: &Key, bytes: &[u8], canonical: &[u8]) {
        if bytes == canonical {
            return;
        }
        let parse = |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let added = added_fields(&parse(canonical), &parse(bytes));
        // What is there without them is what we would write only if nothing else differs,
        // and that no parsed value can tell: the hash of a manifest does.
        let compact = serde_json::to_vec(&parse(bytes))
            .map(|bytes| bytes.len())
            .ok();
        if added.is_empty() || compact != Some(bytes.len()) {
            let at = bytes
                .iter()
                .zip(canonical)
                .take_while(|(a, b)| a == b)
                .count();
            self.findings.fault(
                key,
                format!("is not written as the format writes it, from byte {at} on"),
            );
        } else {
            let what = format!(
                "has fields that this program does not know: {}",
                added.join(", ")
            );
            self.findings.add(Severity::Warning, key, what, None, None);
        }
    }
}

fn added_fields(known: &Value, found: &Value) -> Vec<String> {
    let (Value::Object(known), Value::Object(found)) = (known, found) else {
        return Vec::new();
    };
    let mut added = Vec::new();
    for (name, value) in found {
        match known.get(name) {
            None => added.push(name.clone()),
            Some(inner) => {
                let below = added_fields(inner, value).into_iter();
                added.extend(below.map(|field| format!("{name}.{field}")));
            }
        }
    }
    added
}
