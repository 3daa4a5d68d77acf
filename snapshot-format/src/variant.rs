//! Variants: an object compressed.
//!
//! A variant is not hashed: another release of a compressor may give other bytes that
//! unpack to the same object.

use std::io::{self, BufRead, Read, Write};

/// An object of at least this many bytes has every variant, a smaller one has none, so
/// that a reader knows from the size which files exist.
pub const MIN_VARIANT_SIZE: u64 = 1024;

/// A way to compress an object. The order is the server's preference among codings that
/// a client likes equally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// Zstandard, RFC 8878; the server's first choice.
    Zstd,
    /// Brotli, RFC 7932; what browsers know.
    Brotli,
    /// gzip, RFC 1952; what everything knows.
    Gzip,
}

impl Encoding {
    /// All of them, in order of preference.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The variants that an object of so many bytes has.
    pub fn of_object(size_bytes: u64) -> &'static [Self] {
        if size_bytes < MIN_VARIANT_SIZE {
            &[]
        } else {
            &Self::ALL
        }
    }

    /// What follows `.json.` in a variant's file name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "zst",
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }

    /// The encoding with that file name extension.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.extension() == extension)
    }

    /// The content coding of RFC 9110 §8.4.1, as registered with IANA.
    pub fn content_coding(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The media type of the compressed file itself. Brotli has none registered.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Zstd => "application/zstd",
            Self::Brotli => "application/octet-stream",
            Self::Gzip => "application/gzip",
        }
    }
}

/// How hard each compressor works on an object of `size` bytes.
///
/// An app's tables are compressed once and fetched by everybody, so a small object gets
/// much effort. A large one gets less, so that compressing never takes most of a
/// publish. The steps were measured on such tables, two cores at work: the levels of the
/// first two make every variant of 23 tables of 250 kB and their bootstrap in some 60 ms,
/// those of the last keep up with 150 MB/s of rendering. Brotli's levels between 5 and 10
/// cost much and give nothing; from 10 on they give a seventh and cost a hundredfold.
fn level(encoding: Encoding, size: u64) -> u32 {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    let step = [16 * KIB, 256 * KIB, MIB, 8 * MIB, 64 * MIB]
        .iter()
        .filter(|limit| size > **limit)
        .count();
    match encoding {
        Encoding::Zstd => [15, 12, 9, 3, 2, 1][step],
        Encoding::Brotli => [10, 5, 5, 3, 1, 1][step],
        Encoding::Gzip => [9, 9, 6, 4, 2, 1][step],
    }
}

// Level 1 looks no further back than some 100 kB; a table for more only misses the cache,
// which costs a third of the time and not one byte.
fn window_bits(brotli_level: u32) -> i32 {
    if brotli_level == 1 { 18 } else { 22 }
}

/// Compresses an object of `size` bytes from `object` into `variant`.
///
/// # Errors
/// What reading or writing gives.
pub fn compress(
    encoding: Encoding,
    size: u64,
    object: &mut impl Read,
    variant: impl Write,
) -> io::Result<()> {
    let level = level(encoding, size);
    match encoding {
        Encoding::Zstd => {
            let level = i32::try_from(level).expect("a level has two digits");
            let mut encoder = zstd::stream::write::Encoder::new(variant, level)?;
            // The frame then says how long the object is, so that a reader can size and
            // bound its buffer before it unpacks.
            encoder.set_pledged_src_size(Some(size))?;
            encoder.include_checksum(true)?;
            io::copy(object, &mut encoder)?;
            encoder.finish()?.flush()
        }
        Encoding::Brotli => {
            let params = brotli::enc::BrotliEncoderParams {
                quality: i32::try_from(level).expect("a level has two digits"),
                lgwin: window_bits(level),
                size_hint: usize::try_from(size).unwrap_or(usize::MAX),
                ..Default::default()
            };
            let mut encoder = brotli::CompressorWriter::with_params(variant, BUFFER_SIZE, &params);
            io::copy(object, &mut encoder)?;
            encoder.flush()?;
            encoder.into_inner().flush()
        }
        Encoding::Gzip => {
            // No name and no time in the header: equal objects give equal variants.
            let level = flate2::Compression::new(level);
            let mut encoder = flate2::write::GzEncoder::new(variant, level);
            io::copy(object, &mut encoder)?;
            encoder.finish()?.flush()
        }
    }
}

/// Unpacks a variant, at most `limit` bytes of it.
///
/// # Errors
/// What reading gives; [`io::ErrorKind::InvalidData`] where the variant is damaged, is
/// followed by other bytes, or unpacks to more than `limit` bytes.
pub fn decompress(encoding: Encoding, variant: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut object = Vec::new();
    let mut take = |reader: &mut dyn Read| reader.take(limit + 1).read_to_end(&mut object);
    match encoding {
        Encoding::Zstd => take(&mut zstd::stream::read::Decoder::new(variant)?)?,
        Encoding::Brotli => take(&mut brotli::Decompressor::new(variant, BUFFER_SIZE))?,
        Encoding::Gzip => take(&mut flate2::read::MultiGzDecoder::new(variant))?,
    };
    if object.len() as u64 > limit {
        let message = format!("unpacks to more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(object)
}

/// Unpacks a variant into `object`, at most `limit` bytes of it, in little memory. Gives
/// the number of bytes.
///
/// Stricter than [`decompress`]: a variant is one stream (a gzip member, a Zstandard
/// frame), and nothing stands behind it, be it empty.
///
/// # Errors
/// What reading and writing give; [`io::ErrorKind::InvalidData`] where the variant is
/// damaged, is followed by other bytes, or unpacks to more than `limit` bytes.
pub fn unpack(
    encoding: Encoding,
    variant: impl BufRead,
    object: &mut impl Write,
    limit: u64,
) -> io::Result<u64> {
    match encoding {
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(variant)?.single_frame();
            let size = copy_at_most(&mut decoder, object, limit)?;
            expect_end(decoder.finish())?;
            Ok(size)
        }
        Encoding::Brotli => unpack_brotli(variant, object, limit),
        Encoding::Gzip => {
            let mut decoder = flate2::bufread::GzDecoder::new(variant);
            let size = copy_at_most(&mut decoder, object, limit)?;
            expect_end(decoder.into_inner())?;
            Ok(size)
        }
    }
}

// By the decoder itself: its reader takes in more than the stream has, and does not say
// whether there was more.
fn unpack_brotli(
    mut variant: impl BufRead,
    object: &mut impl Write,
    limit: u64,
) -> io::Result<u64> {
    let memory = brotli::enc::StandardAlloc::default;
    let mut state = brotli::BrotliState::new_strict(memory(), memory(), memory());
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut unpacked = 0;
    loop {
        let input = variant.fill_buf()?;
        let (mut input_left, mut taken) = (input.len(), 0);
        let (mut room, mut given) = (buffer.len(), 0);
        let result = brotli::BrotliDecompressStream(
            &mut input_left,
            &mut taken,
            input,
            &mut room,
            &mut given,
            &mut buffer,
            &mut 0,
            &mut state,
        );
        let at_end = input.is_empty();
        variant.consume(taken);
        unpacked += given as u64;
        if unpacked > limit {
            return Err(invalid(format!("unpacks to more than {limit} bytes")));
        }
        object.write_all(&buffer[..given])?;
        match result {
            brotli::BrotliResult::ResultSuccess => break,
            brotli::BrotliResult::NeedsMoreInput if at_end => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            brotli::BrotliResult::ResultFailure => {
                return Err(invalid("is no Brotli stream".to_owned()));
            }
            _ => {}
        }
    }
    expect_end(variant)?;
    Ok(unpacked)
}

fn copy_at_most(from: &mut impl Read, to: &mut impl Write, limit: u64) -> io::Result<u64> {
    let copied = io::copy(&mut from.take(limit.saturating_add(1)), to)?;
    if copied > limit {
        Err(invalid(format!("unpacks to more than {limit} bytes")))
    } else {
        Ok(copied)
    }
}

fn expect_end(mut rest: impl BufRead) -> io::Result<()> {
    if rest.fill_buf()?.is_empty() {
        Ok(())
    } else {
        Err(invalid("is followed by other bytes".to_owned()))
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

const BUFFER_SIZE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn variant_of(encoding: Encoding, object: &[u8]) -> Vec<u8> {
        let mut variant = Vec::new();
        let size = object.len() as u64;
        compress(encoding, size, &mut &object[..], &mut variant).expect("memory does not fail");
        variant
    }

    #[test]
    fn a_variant_unpacks_to_its_object() {
        for size in [0, 1, 1024, 300_000, 5_000_000] {
            let object: Vec<u8> = (0..size)
                .map(|i: u32| (i.wrapping_mul(i) / 7) as u8)
                .collect();
            for encoding in Encoding::ALL {
                let variant = variant_of(encoding, &object);
                let unpacked = decompress(encoding, &variant[..], u64::from(size));
                assert_eq!(unpacked.expect("our own variant"), object, "{encoding:?}");
            }
        }
    }

    #[test]
    fn a_variant_that_unpacks_to_too_much_is_refused() {
        let object = vec![b' '; 1 << 20];
        for encoding in Encoding::ALL {
            let variant = variant_of(encoding, &object);
            let error = decompress(encoding, &variant[..], (1 << 20) - 1).expect_err("too much");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{encoding:?}");
        }
    }

    #[test]
    fn equal_objects_give_equal_variants() {
        let object = b"{\"id\":\"NEUTRAL\"}".repeat(100);
        for encoding in Encoding::ALL {
            assert_eq!(variant_of(encoding, &object), variant_of(encoding, &object));
        }
    }

    #[test]
    fn unpacking_is_the_same_in_pieces_and_takes_nothing_more() {
        for size in [0, 1, 1024, 300_000] {
            let object: Vec<u8> = (0..size)
                .map(|i: u32| (i.wrapping_mul(i) / 7) as u8)
                .collect();
            for encoding in Encoding::ALL {
                let variant = variant_of(encoding, &object);
                let unpacked = |variant: &[u8], limit| {
                    let mut unpacked = Vec::new();
                    unpack(encoding, variant, &mut unpacked, limit).map(|_| unpacked)
                };
                let limit = u64::from(size);
                assert_eq!(
                    unpacked(&variant, limit).expect("ours"),
                    object,
                    "{encoding:?}"
                );
                if size > 0 {
                    assert!(unpacked(&variant, limit - 1).is_err(), "{encoding:?}");
                    assert!(unpacked(&variant[..variant.len() - 1], limit).is_err());
                }
                // Another stream that holds nothing, a byte of padding, a byte at all.
                for more in [variant_of(encoding, b""), vec![0], vec![b'x']] {
                    let longer = [variant.clone(), more].concat();
                    assert!(unpacked(&longer, limit).is_err(), "{encoding:?} {size}");
                }
            }
        }
    }
}
