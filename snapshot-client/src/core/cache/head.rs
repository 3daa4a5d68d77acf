//! The cache's head: the versions that it leads to, guarded by a check of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot_format::{FORMAT_VERSION, ObjectHash, Version};

use super::super::memory::Order;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored<'a> {
    pub(super) cache_format: u64,
    pub(super) current: &'a Version,
    pub(super) previous: Option<&'a Version>,
}

#[derive(Debug)]
pub(super) enum HeadText {
    None,
    // Of another release of the client, which may run beside this one.
    Foreign,
    Broken,
    Ours {
        current: Box<Version>,
        previous: Option<Box<Version>>,
    },
}

pub(super) const CACHE_FORMAT: u64 = 1;
const CHECK: &[u8] = br#","check":""#;

// No hash names a head, and a digit of it that a disk has changed would be believed: a sequence
// too high would refuse every version to come.
pub(super) fn checked(mut text: Vec<u8>) -> Vec<u8> {
    text.pop();
    let check = check_of(&text);
    text.extend_from_slice(CHECK);
    text.extend_from_slice(check.as_bytes());
    text.extend_from_slice(b"\"}");
    text
}

// A head without a check is one of another client.
fn is_damaged(text: &[u8]) -> bool {
    let Some(at) = text.windows(CHECK.len()).rposition(|part| part == CHECK) else {
        return false;
    };
    let check = text[at + CHECK.len()..].strip_suffix(b"\"}");
    check != Some(check_of(&text[..at]).as_bytes())
}

fn check_of(text: &[u8]) -> String {
    ObjectHash::of(text).to_string()[..16].to_owned()
}

pub(super) fn parse_head(text: Option<&[u8]>) -> HeadText {
    let Some(text) = text else {
        return HeadText::None;
    };
    if is_damaged(text) {
        return HeadText::Broken;
    }
    let Ok(Value::Object(mut head)) = serde_json::from_slice(text) else {
        return HeadText::Broken;
    };
    match head.get("cacheFormat").map(Value::as_u64) {
        Some(Some(CACHE_FORMAT)) => {}
        Some(_) if head["cacheFormat"].is_number() => return HeadText::Foreign,
        _ => return HeadText::Broken,
    }
    let mut version = |field: &str| {
        let version = Version::deserialize(head.remove(field)?).ok()?;
        (version.format_version == FORMAT_VERSION).then(|| Box::new(version))
    };
    match version("current") {
        Some(current) => HeadText::Ours {
            current,
            previous: version("previous"),
        },
        None => HeadText::Broken,
    }
}

impl HeadText {
    pub(super) fn order(&self) -> Option<Order> {
        match self {
            Self::Ours { current, .. } => Some(current.order()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERSION: &str = r#"{"formatVersion":1,"epoch":7,"sequence":12,"schemaVersion":"1.0","referenceVersion":"seq:3","generatedAt":"2026-02-24T13:12:04Z","publishedAt":"2026-02-24T13:12:04Z","manifest":{"hash":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262","size":1},"bootstrap":{"hash":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262","size":1}}"#;

    #[test]
    fn no_bit_of_a_head_changes_the_order_that_it_gives() {
        let text =
            format!(r#"{{"cacheFormat":1,"current":{VERSION},"previous":null}}"#).into_bytes();
        assert_eq!(
            parse_head(Some(&text)).order(),
            Some((7, 12)),
            "another client's"
        );
        let text = checked(text);
        assert_eq!(parse_head(Some(&text)).order(), Some((7, 12)));
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let order = parse_head(Some(&damaged)).order();
            assert!(order.is_none_or(|order| order == (7, 12)), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn a_head_of_any_bytes_is_read_or_refused(bytes: Vec<u8>) {
            let _ = parse_head(Some(&bytes));
        }
    }

    #[test]
    fn a_head_of_another_release_is_foreign_and_any_other_is_broken() {
        let parsed = |text: &str| parse_head(Some(text.as_bytes()));
        let is_foreign = |text| matches!(parsed(text), HeadText::Foreign);
        let is_broken = |text| matches!(parsed(text), HeadText::Broken);
        assert!(matches!(parse_head(None), HeadText::None));
        for text in [
            r#"{"cacheFormat":2}"#,
            r#"{"cacheFormat":0}"#,
            r#"{"cacheFormat":-1}"#,
            r#"{"cacheFormat":1.5}"#,
        ] {
            assert!(is_foreign(text), "{text}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"cacheFormat":"1"}"#,
            r#"{"cacheFormat":null}"#,
            r#"{"cacheFormat":1}"#,
        ] {
            assert!(is_broken(text), "{text}");
        }
        let later = VERSION.replace("\"formatVersion\":1", "\"formatVersion\":0");
        assert!(is_broken(&format!(
            r#"{{"cacheFormat":1,"current":{later}}}"#
        )));
    }
}
