//! The keys of an object, to find one that stands twice.

use std::borrow::Cow;
use std::collections::HashSet;

/// The keys of one object. Most have a handful, for which a scan beats hashing.
#[derive(Default)]
pub(super) struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

const FEW: usize = 24;

impl<'a> Keys<'a> {
    /// Gives the key back where it was there already.
    pub(super) fn insert(&mut self, key: Cow<'a, str>) -> Result<(), Cow<'a, str>> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Err(key);
        }
        if self.few.len() < FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}
