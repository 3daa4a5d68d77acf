//! `version.json` and manifests, as this client reads them.

use snapshot_format::{
    FORMAT_VERSION, Key, Manifest, ManifestError, ObjectHash, Version, VersionError,
};

use super::response::VERSION_PATH;
use crate::error::{Error, ErrorCode};

/// Parses a `version.json`.
///
/// # Errors
/// If it is none, or has a later format.
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

/// Parses a manifest whose bytes are verified.
///
/// # Errors
/// If it is none, or has a later format.
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

fn later_format(name: &str, format: u64) -> Error {
    let message =
        format!("{name} has format {format}, this app knows {FORMAT_VERSION}; update the app");
    Error::new(ErrorCode::FormatUnsupported, message)
        .with_offered(format!("formatVersion {format}"))
}

#[cfg(test)]
mod tests {
    use super::super::in_memory::{manifest, named};
    use super::*;

    const LOWER: (&str, &str) = ("\"formatVersion\":1", "\"formatVersion\":0");

    fn lower(bytes: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8(bytes).expect("JSON");
        assert!(text.contains(LOWER.0));
        text.replacen(LOWER.0, LOWER.1, 1).into_bytes()
    }

    #[test]
    fn a_lower_format_is_no_version_and_no_manifest() {
        let error = parse_version(&lower(named("one"))).expect_err("lower");
        assert_eq!(error.code(), ErrorCode::NotJson);
        let bytes = lower(manifest("one").to_bytes());
        let error = parse_manifest(ObjectHash::of(&bytes), &bytes).expect_err("lower");
        assert_eq!(error.code(), ErrorCode::NotJson);
    }

    #[test]
    fn a_later_format_asks_for_an_update() {
        let error = parse_version(br#"{"formatVersion":2}"#).expect_err("later");
        assert_eq!(error.code(), ErrorCode::FormatUnsupported);
        assert_eq!(error.offered(), Some("formatVersion 2"));
        let bytes = br#"{"formatVersion":2}"#;
        let error = parse_manifest(ObjectHash::of(bytes), bytes).expect_err("later");
        assert_eq!(error.code(), ErrorCode::FormatUnsupported);
        assert_eq!(error.offered(), Some("formatVersion 2"));
    }
}
