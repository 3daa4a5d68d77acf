//! The cache's objects: each in pieces that every storage can take.

use std::sync::Arc;

use snapshot_format::ObjectHash;

use super::super::io::Io;
use super::super::memory::Memory;
use crate::error::{Error, ErrorCode};

// Values have at most this many bytes and so at most as many UTF-16 units, which is what the
// smallest storage of an app can read back. The rest of 2^18 is for the line in front.
const PIECE_BYTES: usize = (1 << 18) - 16;

pub(super) fn read_object(
    io: &mut dyn Io,
    memory: &mut Memory,
    hash: ObjectHash,
    what: &str,
    reports: &mut Vec<Error>,
) -> Option<Arc<[u8]>> {
    let loaded = memory.loaded.get(&hash).cloned();
    if loaded.is_some() && memory.stored.contains(&hash) {
        return loaded;
    }
    match read_pieces(io, hash) {
        Ok(Some(bytes)) if ObjectHash::of(&bytes) == hash => {
            let bytes: Arc<[u8]> = bytes.into();
            memory.loaded.insert(hash, Arc::clone(&bytes));
            memory.stored.insert(hash);
            return Some(bytes);
        }
        Ok(_) => {}
        Err(error) => reports.push(error),
    }
    let message = format!("the cached {what} ({hash}) is missing or damaged");
    reports.push(corrupt(&message));
    loaded
}

fn read_pieces(io: &mut dyn Io, hash: ObjectHash) -> Result<Option<Vec<u8>>, Error> {
    let Some(first) = io.read(&piece_key(hash, 0))? else {
        return Ok(None);
    };
    let Some((pieces, text)) = split_first(&first) else {
        return Ok(None);
    };
    let mut bytes = text.to_vec();
    for piece in 1..pieces {
        // Also the end of a number of pieces that is not one of ours.
        let Some(more) = io.read(&piece_key(hash, piece))? else {
            return Ok(None);
        };
        bytes.extend_from_slice(&more);
    }
    Ok(Some(bytes))
}

// The number of pieces and the text behind its line.
fn split_first(first: &[u8]) -> Option<(usize, &[u8])> {
    let end = first.iter().position(|byte| *byte == b'\n')?;
    let pieces = std::str::from_utf8(&first[..end]).ok()?.parse().ok()?;
    Some((pieces, &first[end + 1..]))
}

pub(super) fn write_object(
    io: &mut dyn Io,
    memory: &mut Memory,
    hash: ObjectHash,
) -> Result<(), Error> {
    let object = Arc::clone(&memory.loaded[&hash]);
    let pieces = cut(&object);
    // The first piece last: it says how many there are, so whoever finds it finds all.
    for (number, piece) in pieces.iter().enumerate().rev() {
        let value = match number {
            0 => [format!("{}\n", pieces.len()).as_bytes(), *piece].concat(),
            _ => piece.to_vec(),
        };
        io.write(&piece_key(hash, number), value)?;
    }
    memory.stored.insert(hash);
    Ok(())
}

// Between characters: a reader in another language takes each piece for a text.
fn cut(object: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = object;
    while rest.len() > PIECE_BYTES {
        let inside = |at: &usize| rest[*at] & 0xC0 == 0x80;
        let at = (1..=PIECE_BYTES)
            .rev()
            .find(|at| !inside(at))
            .unwrap_or(PIECE_BYTES);
        let (piece, more) = rest.split_at(at);
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

pub(super) fn remove_object(
    io: &mut dyn Io,
    memory: &mut Memory,
    hash: ObjectHash,
) -> Result<(), Error> {
    let first = io.read(&piece_key(hash, 0))?;
    let pieces = first
        .as_deref()
        .and_then(split_first)
        .map_or(1, |(pieces, _)| pieces);
    for piece in (0..pieces.clamp(1, 1024)).rev() {
        io.remove(&piece_key(hash, piece))?;
    }
    memory.stored.remove(&hash);
    Ok(())
}

pub(super) fn piece_key(hash: ObjectHash, piece: usize) -> String {
    format!("{hash}.{piece}")
}

pub(super) fn corrupt(message: &str) -> Error {
    Error::new(ErrorCode::CacheCorrupt, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_first_piece_of_any_bytes_is_read_or_refused(bytes: Vec<u8>) {
            let _ = split_first(&bytes);
        }

        #[test]
        fn pieces_are_texts_and_together_the_object(text in "[aé€😀]{0,40}", times in 1..3000_usize) {
            let object = text.repeat(times);
            let pieces = cut(object.as_bytes());
            prop_assert_eq!(pieces.concat(), object.as_bytes());
            for piece in pieces {
                prop_assert!(piece.len() <= PIECE_BYTES);
                prop_assert!(std::str::from_utf8(piece).is_ok());
            }
        }
    }
}
