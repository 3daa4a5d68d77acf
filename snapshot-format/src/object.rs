//! Objects: bytes named by their hash.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// The name of an object: BLAKE3-256 of its uncompressed bytes.
///
/// Written as 64 lower-case hexadecimal digits, so that `b3sum` checks any file.
/// Source: <https://github.com/BLAKE3-team/BLAKE3-specs>.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectHash([u8; 32]);

/// SHA-256 (FIPS 180-4) of the same bytes, for what cannot compute BLAKE3: subresource
/// integrity, WebCrypto, compression dictionaries (RFC 9842).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 lower-case hexadecimal digits")]
pub struct HashError;

impl ObjectHash {
    /// BLAKE3 of `bytes`: the name of an object that holds them.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The 32 bytes behind the digits.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

macro_rules! hexadecimal {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = HashError;

            fn from_str(text: &str) -> Result<Self, HashError> {
                parse_hex(text).map(Self).ok_or(HashError)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal!(ObjectHash);
hexadecimal!(Sha256);

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

// Upper case is refused: one object has one name.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What the manifest says of an object's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// The name of an object with these bytes: their BLAKE3.
    pub hash: ObjectHash,
    /// The same bytes by SHA-256.
    pub sha256: Sha256,
    /// How many bytes there are, uncompressed.
    pub size: u64,
}

impl Digest {
    /// What a manifest says of `bytes`: hashes and length.
    pub fn of(bytes: &[u8]) -> Self {
        let mut writer = DigestWriter::new(io::sink());
        writer.count(bytes);
        writer.finish().1
    }
}

/// Passes bytes on and takes their digest on the way, so that an object of any size is
/// hashed in the pass that writes it.
pub struct DigestWriter<W> {
    inner: W,
    blake3: blake3::Hasher,
    sha256: sha2::Sha256,
    size: u64,
}

impl<W: Write> DigestWriter<W> {
    /// Starts with no bytes seen.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            blake3: blake3::Hasher::new(),
            sha256: sha2::Sha256::new(),
            size: 0,
        }
    }

    /// The writer below, and the digest of everything it was given.
    pub fn finish(self) -> (W, Digest) {
        let digest = Digest {
            hash: ObjectHash(*self.blake3.finalize().as_bytes()),
            sha256: Sha256(self.sha256.finalize().into()),
            size: self.size,
        };
        (self.inner, digest)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the BLAKE3 and SHA-256 specifications' own test vectors for the empty input.
    const EMPTY_BLAKE3: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_matches_the_published_vectors() {
        let digest = Digest::of(b"");
        assert_eq!(digest.hash.to_string(), EMPTY_BLAKE3);
        assert_eq!(digest.sha256.to_string(), EMPTY_SHA256);
        assert_eq!(digest.size, 0);
    }

    #[test]
    fn a_digest_does_not_depend_on_how_the_bytes_arrive() {
        let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let mut writer = DigestWriter::new(Vec::new());
        for piece in bytes.chunks(977) {
            writer.write_all(piece).expect("a Vec takes everything");
        }
        let (copy, digest) = writer.finish();
        assert_eq!(copy, bytes);
        assert_eq!(digest, Digest::of(&bytes));
    }

    #[test]
    fn only_the_one_spelling_of_a_hash_is_accepted() {
        assert!(EMPTY_BLAKE3.parse::<ObjectHash>().is_ok());
        for text in ["", "AF13", &EMPTY_BLAKE3.to_uppercase(), &EMPTY_BLAKE3[1..]] {
            assert_eq!(text.parse::<ObjectHash>(), Err(HashError), "{text}");
        }
    }
}
