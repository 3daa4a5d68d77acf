//! Objects, fetched and verified: a damaged one is asked for a second time, past the caches.

use snapshot_format::{Key, ObjectHash, ObjectRef};

use super::super::io::{FetchRequest, Io};
use super::super::memory::Memory;
use super::super::response::body_of;
use super::rules::RefreshRules;
use crate::error::{Error, ErrorCode};

#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) object: ObjectRef,
    pub(super) limit_bytes: u64,
}

// Loads all of these that are right, then fails for the first that is not. What is wrong is
// fetched a second time past the caches: one of them may have a damaged copy for ever.
pub(super) fn fetch_objects(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
    mut left: Vec<Wanted>,
) -> Result<(), Error> {
    left.retain(|wanted| !memory.loaded.contains_key(&wanted.object.hash));
    for again in [false, true] {
        if left.is_empty() {
            break;
        }
        left.iter().try_for_each(check_announced)?;
        let requests: Vec<_> = left.iter().map(|wanted| wanted.request(again)).collect();
        let results = io.fetch(&requests);
        let mut wrong = Vec::new();
        let mut errors = Vec::new();
        for ((wanted, request), result) in left.into_iter().zip(&requests).zip(results) {
            let loaded = body_of(request, result, rules.wall)
                .and_then(|bytes| load_verified(memory, &request.path, wanted.object, bytes));
            let Err(error) = loaded else {
                continue;
            };
            if matches!(error.code(), ErrorCode::HashMismatch | ErrorCode::TooLarge) {
                wrong.push(wanted);
            }
            errors.push(error);
        }
        if again || wrong.len() < errors.len() {
            // A missing object may have a newer version behind it; nothing else says more.
            let missing = |error: &Error| error.code() == ErrorCode::ObjectMissing;
            let at = errors.iter().position(missing).unwrap_or(0);
            if at < errors.len() {
                return Err(errors.swap_remove(at));
            }
        }
        left = wrong;
    }
    Ok(())
}

impl Wanted {
    fn request(&self, again: bool) -> FetchRequest {
        FetchRequest {
            path: self.key.path(),
            limit_bytes: self.object.size,
            again,
        }
    }
}

fn check_announced(wanted: &Wanted) -> Result<(), Error> {
    let size = wanted.object.size;
    if size <= wanted.limit_bytes {
        return Ok(());
    }
    let message = format!("{}: {size} bytes are announced", wanted.key);
    Err(Error::new(ErrorCode::TooLarge, message))
}

fn load_verified(
    memory: &mut Memory,
    path: &str,
    object: ObjectRef,
    bytes: Vec<u8>,
) -> Result<(), Error> {
    let found = ObjectHash::of(&bytes);
    if bytes.len() as u64 != object.size || found != object.hash {
        let message = format!("{path}: got {} bytes with hash {found}", bytes.len());
        return Err(Error::new(ErrorCode::HashMismatch, message));
    }
    memory.loaded.insert(object.hash, bytes.into());
    Ok(())
}
