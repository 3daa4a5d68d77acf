//! Whether bytes are the object that a manifest names.

use std::io::{self, BufRead, BufReader, Read};

use crate::{Digest, DigestWriter, Encoding, ObjectHash, Sha256, unpack};

const READ_SIZE: usize = 256 * 1024;

/// What is wrong with an object's bytes.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// They could not be read to their end.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// There are more than the manifest says.
    #[error("has more than its {0} bytes")]
    TooLong(u64),
    /// There are fewer than the manifest says.
    #[error("has {found} of its {expected} bytes")]
    TooShort {
        /// How many there are.
        found: u64,
        /// How many the manifest says.
        expected: u64,
    },
    /// They are other bytes, by the hash that they have.
    #[error("its BLAKE3 is {0}")]
    Hash(ObjectHash),
    /// The manifest's SHA-256 is that of other bytes than its BLAKE3.
    #[error("its SHA-256 is {0}")]
    Sha256(Sha256),
}

/// What is wrong with a variant's bytes.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    /// They could not be read, or are not one stream of their encoding.
    #[error("cannot be unpacked: {0}")]
    Unpack(#[source] io::Error),
    /// They are the variant of another object.
    #[error("unpacks to another object")]
    OtherObject,
}

/// Whether `content` is the object of that digest. It reads one byte more than the object
/// has, and no further.
///
/// # Errors
/// The first of what is wrong: size, then BLAKE3, then SHA-256.
pub fn check_object(content: impl Read, expected: &Digest) -> Result<(), ObjectError> {
    let mut digest = DigestWriter::new(io::sink());
    // One byte more shows that there are too many.
    let content = content.take(expected.size.saturating_add(1));
    let mut content = BufReader::with_capacity(READ_SIZE, content);
    io::copy(&mut content, &mut digest).map_err(ObjectError::Read)?;
    let (_, found) = digest.finish();
    if found.size > expected.size {
        return Err(ObjectError::TooLong(expected.size));
    }
    if found.size < expected.size {
        let (found, expected) = (found.size, expected.size);
        return Err(ObjectError::TooShort { found, expected });
    }
    if found.hash != expected.hash {
        return Err(ObjectError::Hash(found.hash));
    }
    if found.sha256 != expected.sha256 {
        return Err(ObjectError::Sha256(found.sha256));
    }
    Ok(())
}

/// Whether `variant` unpacks to the object of that digest, as [`unpack`] does.
///
/// # Errors
/// What [`unpack`] says, or that it is another object.
pub fn check_variant(
    encoding: Encoding,
    variant: impl BufRead,
    expected: &Digest,
) -> Result<(), VariantError> {
    let mut hasher = blake3::Hasher::new();
    unpack(encoding, variant, &mut hasher, expected.size).map_err(VariantError::Unpack)?;
    if hasher.finalize().as_bytes() == expected.hash.as_bytes() {
        Ok(())
    } else {
        Err(VariantError::OtherObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress;

    #[track_caller]
    fn wrong(content: &[u8], expected: &Digest, message: &str) {
        let error = check_object(content, expected).expect_err("is wrong");
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn an_object_has_the_size_and_both_hashes_of_its_digest() {
        let digest = Digest::of(b"grips");
        assert!(check_object(&b"grips"[..], &digest).is_ok());
        wrong(b"grips!", &digest, "has more than its 5 bytes");
        wrong(b"grip", &digest, "has 4 of its 5 bytes");
        let other = Digest::of(b"GRIPS");
        wrong(b"GRIPS", &digest, &format!("its BLAKE3 is {}", other.hash));
        let mixed = Digest {
            sha256: other.sha256,
            ..digest
        };
        wrong(
            b"grips",
            &mixed,
            &format!("its SHA-256 is {}", digest.sha256),
        );
    }

    #[test]
    fn a_variant_unpacks_to_its_object_and_no_other() {
        let (object, other) = (b"grips".repeat(99), b"GRIPS".repeat(99));
        for encoding in Encoding::ALL {
            let mut variant = Vec::new();
            compress(encoding, 495, &mut &object[..], &mut variant).expect("memory");
            let check = |object: &[u8]| {
                let checked = check_variant(encoding, &variant[..], &Digest::of(object));
                checked.map_err(|error| error.to_string())
            };
            assert_eq!(check(&object), Ok(()));
            assert_eq!(check(&other), Err("unpacks to another object".to_owned()));
            let short = check(&object[1..]).expect_err("unpacks to too much");
            assert!(short.starts_with("cannot be unpacked: "), "{short}");
        }
    }
}
