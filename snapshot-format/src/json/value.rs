//! What is read: values, members, and what is wrong.

use std::borrow::Cow;

/// A JSON value, one level of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// The word `null`, and nothing else.
    Null,
    /// One of the words `true` and `false`.
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string, with its escapes replaced; borrowed where it has none.
    String(Cow<'a, str>),
    /// An array as it is written, checked to its depth.
    Array(&'a str),
    /// An object as it is written, checked to its depth.
    Object(&'a str),
}

impl Value<'_> {
    /// What the value is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// One `"key": value` of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member<'a> {
    /// The member's key, with its escapes replaced; borrowed where it has none.
    pub key: Cow<'a, str>,
    /// Where the key's first `"` stands, in bytes from the start of the text.
    pub key_offset: usize,
    /// Where the value starts, in bytes from the start of the text that was read.
    pub offset: usize,
    /// The member's value; of an object or an array its text, to be read in turn.
    pub value: Value<'a>,
    /// The value as it is written.
    pub raw: &'a str,
}

/// The text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where, in bytes from the start of the text.
    pub offset: usize,
    /// What was met and what was expected.
    pub message: Cow<'static, str>,
}

/// Something that is JSON, and yet no reader should have to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, in bytes from the start of the text.
    pub offset: usize,
    /// Which rule the text breaks.
    pub kind: FaultKind,
}

/// What a text may hold that is JSON, and yet has no place in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The same key twice in one object (RFC 7493 §2.3).
    #[error("duplicate key {0:?} in one object")]
    DuplicateKey(String),
    /// Half of a surrogate pair (RFC 7493 §2.1).
    #[error("lone surrogate \\u{0:04x} in a string; a character beyond U+FFFF takes two")]
    LoneSurrogate(u16),
    /// The escape `\u0000`, which PostgreSQL cannot store.
    #[error("NUL character in a string, which PostgreSQL cannot store")]
    Nul,
}
