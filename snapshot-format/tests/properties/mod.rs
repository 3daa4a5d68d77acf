//! What holds for any bytes at all, as functions that panic where it does not.
//!
//! `tests/any_bytes.rs` tries them briefly at every test, the targets in `fuzz/` for as
//! long as one likes.

use serde::de::IgnoredAny;
use serde_json::Value;
use snapshot_format::json::Parser;
use snapshot_format::{Encoding, Key, Manifest, Version, canonical, decompress, number};

/// All of them.
pub(crate) const ALL: [fn(&[u8]); 7] = [
    json_is_read_as_serde_json_reads_it,
    canonical_json_keeps_the_value,
    a_decimal_keeps_its_value,
    a_key_has_one_path,
    a_version_is_read_back,
    a_manifest_is_read_back,
    unpacking_keeps_its_bound,
];

/// Two readers take the same texts for JSON, but for those that nest too deep.
pub(crate) fn json_is_read_as_serde_json_reads_it(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut parser = Parser::new(text);
    let ours = parser.value().and_then(|_| parser.end());
    let theirs = serde_json::from_str::<IgnoredAny>(text);
    match ours {
        Err(error) if error.message.starts_with("nested deeper") => {}
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "{text:?}: {error:?}");
            assert!(theirs.is_err(), "{text:?}: {error}");
        }
        Ok(()) => assert!(theirs.is_ok(), "{text:?}: {theirs:?}"),
    }
}

/// The canonical form is JSON of the same value, and its own canonical form.
pub(crate) fn canonical_json_keeps_the_value(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut once = Vec::new();
    if canonical::write_json(text, &mut once).is_err() {
        return;
    }
    let once = String::from_utf8(once).expect("JSON is UTF-8");
    let mut twice = Vec::new();
    canonical::write_json(&once, &mut twice).expect("has a canonical form");
    assert_eq!(once.as_bytes(), twice);
    // Its own bound is lower by one level.
    let Ok(before) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let after: Value = serde_json::from_str(&once).expect("is JSON");
    assert!(equal(&before, &after), "{text:?} became {once:?}");
}

// 1 and 1.0 are one value.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| equal(v, w)))
        }
        _ => a == b,
    }
}

/// A decimal that is taken is written with the same value.
pub(crate) fn a_decimal_keeps_its_value(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut out = b"before".to_vec();
    if number::write_decimal(text, &mut out).is_err() {
        assert_eq!(out, b"before", "{text:?}");
        return;
    }
    let written = std::str::from_utf8(&out[b"before".len()..]).expect("ASCII");
    assert!(
        number::equal_decimals(text, written),
        "{text:?} became {written}"
    );
    assert_eq!(text.parse::<f64>().ok(), written.parse::<f64>().ok());
}

/// A path is refused or is the only one of its key, and leads nowhere else.
pub(crate) fn a_key_has_one_path(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some(key) = Key::parse(path) else { return };
    assert_eq!(key.path(), path);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    assert!(path.bytes().all(plain), "{path:?}");
    assert!(
        !path.contains("..") && !path.contains("//") && !path.starts_with('/'),
        "{path:?}"
    );
}

/// A version that is taken is taken again, and is the same.
pub(crate) fn a_version_is_read_back(bytes: &[u8]) {
    let Ok(version) = Version::parse(bytes) else {
        return;
    };
    let again = Version::parse(&version.to_bytes()).expect("our own bytes");
    assert_eq!(again, version);
}

/// A manifest that is taken is taken again, and is the same.
pub(crate) fn a_manifest_is_read_back(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    let again = Manifest::parse(&manifest.to_bytes()).expect("our own bytes");
    assert_eq!(again, manifest);
}

/// What claims to be a variant unpacks to no more than it may.
pub(crate) fn unpacking_keeps_its_bound(bytes: &[u8]) {
    let Some((&choice, variant)) = bytes.split_first() else {
        return;
    };
    let encoding = Encoding::ALL[usize::from(choice) % Encoding::ALL.len()];
    let limit = 1 << (choice >> 3 & 0xf);
    if let Ok(object) = decompress(encoding, variant, limit) {
        assert!(object.len() as u64 <= limit);
    }
}
