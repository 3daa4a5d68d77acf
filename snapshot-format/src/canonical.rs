//! Canonical bytes: one spelling for each JSON value.
//!
//! As RFC 8785 (JCS), with one difference: keys sort by their UTF-8 bytes, not by UTF-16
//! units, because that is the order in which every language compares strings by default
//! or can without a library.

use std::borrow::Cow;

use crate::json::{FaultKind, Parser, SyntaxError};
use crate::number::{self, NumberError};

/// Why a JSON text has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// It is not JSON: where reading stopped, and what was expected there.
    #[error("is not JSON: {0}")]
    Syntax(#[from] SyntaxError),
    /// Readers would disagree on it.
    #[error("{0}")]
    Fault(FaultKind),
    /// A number in it would be rounded.
    #[error("number {text} {error}")]
    Number {
        /// The number as it was written.
        text: String,
        /// What is wrong with it.
        error: NumberError,
    },
}

/// Appends a string, with the escapes of RFC 8785 §3.2.2.2 and no other.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(control >> 4)]);
                out.push(DIGITS[usize::from(control & 0xf)]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Appends the canonical form of a JSON text.
///
/// # Errors
/// Where the text is no JSON, nests too deep, holds a key twice, a lone surrogate or a
/// NUL, or a number that would be rounded. `out` then holds a part that is to be cut off.
pub fn write_json(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let mut writer = Writer {
        parser: Parser::new(text),
        refused: None,
    };
    let written = writer.value(out).and_then(|()| writer.parser.end());
    if let Some(refused) = writer.refused {
        return Err(refused);
    }
    written?;
    match writer.parser.faults().first() {
        Some(fault) => Err(CanonicalError::Fault(fault.kind.clone())),
        None => Ok(()),
    }
}

struct Writer<'a> {
    parser: Parser<'a>,
    // The first thing that has no canonical form. The reading goes on behind it, because
    // only the reader can end the reading.
    refused: Option<CanonicalError>,
}

impl<'a> Writer<'a> {
    fn value(&mut self, out: &mut Vec<u8>) -> Result<(), SyntaxError> {
        self.parser.skip_space();
        match self.parser.peek() {
            Some(b'{') => self.object(out),
            Some(b'[') => self.array(out),
            Some(b'"') => {
                write_string(&self.parser.string()?, out);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.parser.number()?;
                if let Err(error) = number::write_decimal(text, out) {
                    self.refuse(CanonicalError::Number {
                        text: text.to_owned(),
                        error,
                    });
                }
                Ok(())
            }
            _ => {
                let start = self.parser.offset();
                self.parser.value()?;
                out.extend_from_slice(self.parser.since(start).as_bytes());
                Ok(())
            }
        }
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Result<(), SyntaxError> {
        out.push(b'[');
        let start = out.len();
        self.parser.enter(b'[', "an array")?;
        while self.parser.more(b']', out.len() == start)? {
            if out.len() > start {
                out.push(b',');
            }
            self.value(out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let start = out.len();
        let mut members: Vec<(Cow<'a, str>, std::ops::Range<usize>)> = Vec::new();
        self.parser.enter(b'{', "an object")?;
        while self.parser.more(b'}', members.is_empty())? {
            let (key, _) = self.parser.key()?;
            let from = out.len();
            write_string(&key, out);
            out.push(b':');
            self.value(out)?;
            members.push((key, from..out.len()));
        }
        members.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let kind = FaultKind::DuplicateKey(twice[0].0.to_string());
            self.refuse(CanonicalError::Fault(kind));
        }
        let unordered = out.split_off(start);
        out.push(b'{');
        for (index, (_, range)) in members.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&unordered[range.start - start..range.end - start]);
        }
        out.push(b'}');
        Ok(())
    }

    fn refuse(&mut self, error: CanonicalError) {
        self.refused.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn canonical(text: &str) -> Result<String, CanonicalError> {
        let mut out = Vec::new();
        write_json(text, &mut out)?;
        Ok(String::from_utf8(out).expect("JSON is UTF-8"))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(canonical(text).as_deref(), Ok(expected));
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(canonical(text).expect_err("refused").to_string(), message);
    }

    #[test]
    fn keys_sort_by_their_utf8_bytes_at_every_depth() {
        check(
            r#"{"b":1,"a":{"d":[{"z":1,"y":2}],"c":3},"":0}"#,
            r#"{"":0,"a":{"c":3,"d":[{"y":2,"z":1}]},"b":1}"#,
        );
        // U+FB33 before U+1F600 by bytes; RFC 8785 has them the other way round.
        check(
            "{\"\u{1F600}\":1,\"\u{FB33}\":2,\"\u{f6}\":3}",
            "{\"\u{f6}\":3,\"\u{FB33}\":2,\"\u{1F600}\":1}",
        );
    }

    #[test]
    fn space_goes_and_escapes_are_the_shortest() {
        check(" [ 1 , true ,\n null , \"x\" ] ", r#"[1,true,null,"x"]"#);
        check(
            r#""\/\u00e9\u2028\u001F\b\f\n\r\t\"\\ \u007f""#,
            "\"/é\u{2028}\\u001f\\b\\f\\n\\r\\t\\\"\\\\ \u{7f}\"",
        );
        check("{}", "{}");
        check("[ ]", "[]");
        check("[1.0,1e2,-0]", "[1,100,0]");
    }

    #[test]
    fn what_readers_would_take_differently_is_refused() {
        refused(r#"{"a":1,"\u0061":2}"#, "duplicate key \"a\" in one object");
        refused(
            r#"[9007199254740993]"#,
            "number 9007199254740993 is beyond 2^53-1, where readers round integers",
        );
        refused(
            r#"["\ud800"]"#,
            "lone surrogate \\ud800 in a string; a character beyond U+FFFF takes two",
        );
        refused("[1", "is not JSON: expected `,` or `]`, but the text ends");
        refused("", "is not JSON: expected a value, but the text ends");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
            (-1e15f64..1e15).prop_map(Value::from),
            any::<String>()
                .prop_filter("no NUL", |s| !s.contains('\0'))
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            let key = any::<String>().prop_filter("no NUL", |s| !s.contains('\0'));
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

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

    proptest! {
        #[test]
        fn canonical_bytes_hold_the_value_and_are_their_own_canonical_form(value in json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
                let once = canonical(&text).expect("has a canonical form");
                let back: Value = serde_json::from_str(&once).expect("is JSON");
                prop_assert!(equal(&value, &back), "{value} became {back}");
                let twice = canonical(&once).expect("has a canonical form");
                prop_assert_eq!(once, twice);
            }
        }

        #[test]
        fn no_text_is_taken_that_serde_json_refuses(text in r#"[\[\]{},:"\\u0-9eE.+ -]{0,24}"#) {
            if canonical(&text).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            }
        }
    }
}
