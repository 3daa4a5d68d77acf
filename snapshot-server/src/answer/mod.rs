//! From a request to its answer.

pub(crate) mod body;
pub(crate) mod document;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod fast_path;
pub(crate) mod feed;
pub(crate) mod refuse;
pub(crate) mod respond;
