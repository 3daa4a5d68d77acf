//! Who holds a lock.

use std::fmt;

/// A session that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub(super) pid: i32,
    pub(super) application: String,
    pub(super) user: String,
    pub(super) state: String,
    pub(super) seconds: i64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            application,
            user,
            state,
            seconds,
        } = self;
        write!(
            f,
            "{application:?} (process {pid}, user {user}, {state} for {seconds} s)"
        )
    }
}

/// All of them, as the end of a sentence.
pub(super) fn holders(holders: &[Holder]) -> String {
    match holders {
        [] => "nobody holds it any more; try again".to_owned(),
        some => {
            let all: Vec<String> = some.iter().map(Holder::to_string).collect();
            format!("it is held by {}", all.join(" and "))
        }
    }
}
