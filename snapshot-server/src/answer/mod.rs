//! From a request to its answer.

pub(crate) mod body;
pub(crate) mod direct;
pub(crate) mod document;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod feed;
pub(crate) mod hot;
pub(crate) mod plain;
pub(crate) mod refuse;
pub(crate) mod respond;
