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

#[cfg(test)]
mod tests {
    use super::super::super::in_memory::{InMemory, rules};
    use super::*;

    /// An object that is these bytes, and the path that it is served at.
    fn wanted(object: &[u8]) -> (Wanted, String) {
        let hash = ObjectHash::of(object);
        let size = object.len() as u64;
        let key = Key::Manifest(hash);
        let path = key.path();
        let object = ObjectRef { hash, size };
        let limit_bytes = 100;
        (
            Wanted {
                key,
                object,
                limit_bytes,
            },
            path,
        )
    }

    #[track_caller]
    fn check(bodies: &[&[u8]], expected: Result<(), ErrorCode>, asked: usize) {
        let (wanted, path) = wanted(b"an object");
        let mut io = InMemory::default();
        io.serve(&path, bodies.iter().map(|body| body.to_vec()).collect());
        let fetched = fetch_objects(&mut io, &mut Memory::default(), &rules(None), vec![wanted]);
        assert_eq!(fetched.map_err(|error| error.code()), expected);
        let expected = [format!("fetch {path}"), format!("again {path}")];
        assert_eq!(io.asked(), expected[..asked]);
    }

    #[test]
    fn a_damaged_object_is_asked_for_once_more_past_the_caches() {
        check(&[b"an object"], Ok(()), 1);
        check(&[b"an abject", b"an object"], Ok(()), 2);
        check(&[b"an object that is longer", b"an object"], Ok(()), 2);
        check(&[b"an abject"], Err(ErrorCode::HashMismatch), 2);
        check(&[b"an object that is longer"], Err(ErrorCode::TooLarge), 2);
        check(&[b""], Err(ErrorCode::ObjectMissing), 1);
    }

    #[test]
    fn an_object_of_the_right_hash_has_the_size_that_was_announced() {
        let (mut wanted, path) = wanted(b"an object");
        wanted.object.size += 1;
        let mut io = InMemory::default();
        io.serve(&path, vec![b"an object".to_vec()]);
        let fetched = fetch_objects(&mut io, &mut Memory::default(), &rules(None), vec![wanted]);
        assert_eq!(fetched.expect_err("a lie").code(), ErrorCode::HashMismatch);
    }

    #[test]
    fn a_missing_object_is_reported_before_another_failure() {
        let (first, first_path) = wanted(b"first");
        let (second, second_path) = wanted(b"second");
        let mut io = InMemory::default();
        io.serve(&first_path, vec![b"wrong".to_vec()]);
        io.serve(&second_path, vec![Vec::new()]);
        let fetched = fetch_objects(
            &mut io,
            &mut Memory::default(),
            &rules(None),
            vec![first, second],
        );
        assert_eq!(
            fetched.expect_err("missing").code(),
            ErrorCode::ObjectMissing
        );
    }
}
