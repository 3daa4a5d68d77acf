//! A strict reader of JSON texts (RFC 8259), for what a general one forgives.
//!
//! It gives places (byte offsets) to whoever must name a line and a column, leaves
//! numbers as they are written, and finds what I-JSON (RFC 7493) forbids because two
//! readers may take it differently: a key twice in one object, a lone surrogate. NUL is
//! found too, since PostgreSQL cannot hold it in a text.
//!
//! A [`SyntaxError`] ends the reading. A [`Fault`] does not: the reader notes it and goes
//! on, so that one run finds them all.

mod keys;
mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::keys::Keys;
pub use self::value::{Fault, FaultKind, Member, SyntaxError, Value};

/// How deep arrays and objects may nest. A bound for the stack, far beyond what tables
/// hold.
pub const MAX_DEPTH: usize = 128;

/// Whether a JSON text nests deeper than so many levels.
pub fn nests_deeper_than(limit: usize, text: &str) -> bool {
    // What opens must close: most values are too short to be looked through.
    if text.len() <= 2 * limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    text.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limit
    })
}

/// Reads one JSON text from its start to its end, value by value, without building a tree.
pub struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    faults: Vec<Fault>,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Parser<'a> {
    /// Starts at the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            faults: Vec::new(),
        }
    }

    /// Reads the next value, and checks it to its depth.
    ///
    /// # Errors
    /// Where no JSON value follows.
    pub fn value(&mut self) -> Result<Value<'a>> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.span(Self::skip_object).map(Value::Object),
            Some(b'[') => self.span(Self::skip_array).map(Value::Array),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true").map(|()| Value::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Value::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    /// Reads an object and hands each member on.
    ///
    /// # Errors
    /// Where no object follows. Members before the error have been handed on.
    pub fn object(&mut self, mut each: impl FnMut(Member<'a>)) -> Result<()> {
        let mut keys = Keys::default();
        self.enter(b'{', "an object")?;
        let mut first = true;
        while self.more(b'}', first)? {
            first = false;
            let (key, key_offset) = self.key()?;
            self.note_duplicate(&mut keys, key.clone(), key_offset);
            let offset = self.at;
            let value = self.value()?;
            let raw = self.since(offset);
            each(Member {
                key,
                key_offset,
                offset,
                value,
                raw,
            });
        }
        Ok(())
    }

    /// Reads an array and hands each element on, with its offset.
    ///
    /// # Errors
    /// Where no array follows. Elements before the error have been handed on.
    pub fn array(&mut self, mut each: impl FnMut(usize, Value<'a>)) -> Result<()> {
        self.enter(b'[', "an array")?;
        let mut first = true;
        while self.more(b']', first)? {
            first = false;
            let offset = self.at;
            let value = self.value()?;
            each(offset, value);
        }
        Ok(())
    }

    /// Makes sure that nothing follows but white space.
    ///
    /// # Errors
    /// Where something does.
    pub fn end(&mut self) -> Result<()> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.expected("the end"))
        }
    }

    /// How far the reader has come, in bytes.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// What it has noted on the way.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    pub(crate) fn enter(&mut self, bracket: u8, what: &'static str) -> Result<()> {
        self.skip_space();
        if self.peek() != Some(bracket) {
            return Err(self.expected(what));
        }
        if self.depth == MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(SyntaxError {
                offset: self.at,
                message: message.into(),
            });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    // Behind an opening bracket, and behind each element: whether another element
    // follows. `first` is true behind the bracket.
    pub(crate) fn more(&mut self, close: u8, first: bool) -> Result<bool> {
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if first {
            return Ok(true);
        }
        if self.peek() != Some(b',') {
            let wanted = if close == b'}' {
                "`,` or `}`"
            } else {
                "`,` or `]`"
            };
            return Err(self.expected(wanted));
        }
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(close) {
            return Err(self.error("a comma before the closing bracket"));
        }
        Ok(true)
    }

    // A key and its colon; with the key's offset.
    pub(crate) fn key(&mut self) -> Result<(Cow<'a, str>, usize)> {
        let offset = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        self.skip_space();
        Ok((key, offset))
    }

    fn skip_object(&mut self) -> Result<()> {
        self.object(drop)
    }

    fn skip_array(&mut self) -> Result<()> {
        self.array(|_, _| {})
    }

    fn span(&mut self, skip: fn(&mut Self) -> Result<()>) -> Result<&'a str> {
        let start = self.at;
        skip(self)?;
        Ok(self.since(start))
    }

    fn note_duplicate(&mut self, keys: &mut Keys<'a>, key: Cow<'a, str>, offset: usize) {
        if let Err(key) = keys.insert(key) {
            self.note(offset, FaultKind::DuplicateKey(key.into_owned()));
        }
    }

    fn note(&mut self, offset: usize, kind: FaultKind) {
        self.faults.push(Fault { offset, kind });
    }

    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut unescaped = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut unescaped)?,
                Some(_) => {
                    return Err(self.error("a control character in a string must be escaped"));
                }
                None => return Err(self.error("the text ends inside a string")),
            }
            let plain = self.at;
            self.skip_plain();
            unescaped.push_str(&self.text[plain..self.at]);
        }
        self.at += 1;
        Ok(Cow::Owned(unescaped))
    }

    fn skip_plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let plain = rest
            .iter()
            .take_while(|b| **b >= b' ' && **b != b'"' && **b != b'\\');
        self.at += plain.count();
    }

    fn escape(&mut self, unescaped: &mut String) -> Result<()> {
        let offset = self.at;
        self.at += 1;
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(offset, unescaped),
            _ => return Err(self.expected("an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")),
        };
        self.at += 1;
        unescaped.push(c);
        Ok(())
    }

    fn unicode_escape(&mut self, offset: usize, unescaped: &mut String) -> Result<()> {
        self.at += 1;
        let unit = self.four_digits()?;
        let c = match unit {
            0xd800..=0xdbff => self.low_surrogate(unit)?,
            _ => char::from_u32(u32::from(unit)),
        };
        match c {
            Some('\0') => self.note(offset, FaultKind::Nul),
            None => self.note(offset, FaultKind::LoneSurrogate(unit)),
            Some(_) => {}
        }
        unescaped.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn low_surrogate(&mut self, high: u16) -> Result<Option<char>> {
        let before = self.at;
        if !self.text[self.at..].starts_with("\\u") {
            return Ok(None);
        }
        self.at += 2;
        let low = self.four_digits()?;
        let pair = char::decode_utf16([high, low])
            .next()
            .and_then(std::result::Result::ok);
        if pair.is_none() {
            self.at = before;
        }
        Ok(pair)
    }

    fn four_digits(&mut self) -> Result<u16> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
        let Some(unit) = digits.and_then(|d| u16::from_str_radix(d, 16).ok()) else {
            return Err(self.error("\\u takes four hexadecimal digits"));
        };
        self.at += 4;
        Ok(unit)
    }

    // RFC 8259 §6
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.skip_byte(|b| b == b'-');
        if self.skip_byte(|b| b == b'0') {
            if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.error("a number does not start with a zero"));
            }
        } else {
            self.digits()?;
        }
        if self.skip_byte(|b| b == b'.') {
            self.digits()?;
        }
        if self.skip_byte(|b| matches!(b, b'e' | b'E')) {
            self.skip_byte(|b| matches!(b, b'+' | b'-'));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<()> {
        if !self.skip_byte(|b| b.is_ascii_digit()) {
            return Err(self.expected("a digit"));
        }
        while self.skip_byte(|b| b.is_ascii_digit()) {}
        Ok(())
    }

    fn skip_byte(&mut self, accept: impl Fn(u8) -> bool) -> bool {
        let accepted = self.peek().is_some_and(accept);
        self.at += usize::from(accepted);
        accepted
    }

    fn word(&mut self, word: &'static str) -> Result<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    pub(crate) fn expected(&self, what: &'static str) -> SyntaxError {
        let message = match self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            Some(c) => format!("expected {what}, found {c:?}").into(),
            None => format!("expected {what}, but the text ends").into(),
        };
        SyntaxError {
            offset: self.at,
            message,
        }
    }

    fn error(&self, message: &'static str) -> SyntaxError {
        SyntaxError {
            offset: self.at,
            message: message.into(),
        }
    }
}
